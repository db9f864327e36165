package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/freshness"
)

// fetcher sends one request to the origin.
type fetcher interface {
	// Do returns as soon as the response's header is there. ctx ends the whole, the body included. Any error is that the
	// origin gave no response.
	Do(ctx context.Context, r *originRequest) (*originResponse, error)
}

// originRequest is a request as it is sent: the header without hop-by-hop fields, and as the client's own but for
// conditions and Via.
type originRequest struct {
	method string
	target *url.URL // as of exchange
	header http.Header
	body   io.Reader // nil: none
	length int64     // of body; -1 is chunked
}

// originResponse is what came. Its body must be closed.
type originResponse struct {
	status int
	header http.Header // without hop-by-hop fields, and without Content-Length unless there is no body to measure
	body   io.ReadCloser
	length int64 // cache.Unknown if only the end of the body tells
}

// originError is a failure of the origin as a client may know it.
type originError struct {
	status int
	detail string
	err    error
}

func (e *originError) Error() string { return e.detail + ": " + e.err.Error() }
func (e *originError) Unwrap() error { return e.err }

// failure says what kind of failure err is.
func failure(err error) *originError {
	var o *originError
	switch {
	case errors.As(err, &o):
		return o
	case errors.Is(err, context.DeadlineExceeded), weir.KindOf(err) == weir.Timeout:
		return &originError{http.StatusGatewayTimeout, "the origin did not answer in time", err}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return &originError{http.StatusBadGateway, "the origin cannot be reached", err}
	}
	return &originError{http.StatusBadGateway, "the origin's answer was cut off or is not HTTP", err}
}

// wire is the fetcher over net/http. What must not be sent twice goes over a connection of its own: one that was idle may be
// closed by the origin at that moment, and nobody could say whether the request was seen (RFC 9110 section 9.2.2).
type wire struct {
	origin    *url.URL
	transport *http.Transport
	once      *http.Transport
}

var _ fetcher = (*wire)(nil)

func newWire(origin *url.URL) *wire {
	dial := net.Dialer{Timeout: 5 * time.Second}
	many := &http.Transport{DialContext: dial.DialContext, DisableCompression: true, MaxIdleConnsPerHost: 1024,
		IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10}
	once := many.Clone()
	once.DisableKeepAlives = true
	return &wire{origin, many, once}
}

// Do sends r with the request's own target and Host to the origin's address.
func (w *wire) Do(ctx context.Context, r *originRequest) (*originResponse, error) {
	u := &url.URL{Scheme: w.origin.Scheme, Host: w.origin.Host, Opaque: r.target.Opaque}
	if strings.HasPrefix(u.Opaque, "//") { // which net/http would take for a host
		path, query, has := strings.Cut(u.Opaque, "?")
		plain, err := url.PathUnescape(path)
		if err != nil {
			return nil, weir.Errorf(weir.Invalid, "the path is malformed: %w", err)
		}
		u.Opaque, u.Path, u.RawPath, u.RawQuery, u.ForceQuery = "", plain, path, query, has && query == ""
	}
	req := (&http.Request{Method: r.method, URL: u, Host: r.target.Host, Header: r.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = nil // or net/http adds its own
	}
	if r.body != nil {
		req.Body, req.ContentLength = io.NopCloser(r.body), r.length
		if r.length == 0 {
			req.Body = http.NoBody
		}
	}
	transport := w.transport
	if !freshness.Safe(r.method) {
		transport = w.once
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	h := res.Header
	freshness.Forward(h)
	if r.method != http.MethodHead {
		delete(h, "Content-Length")
	}
	return &originResponse{res.StatusCode, h, res.Body, res.ContentLength}, nil
}

// close lets the idle connections go.
func (w *wire) close() { w.transport.CloseIdleConnections() }
