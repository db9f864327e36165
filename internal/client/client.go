// Package client speaks Weir's public API: what `weir ingest` and its kin do from the outside, over HTTP like anybody. It
// knows the API's JSON and nothing of the server's insides. Errors keep the kind of the problem the server answered with.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// Bounds of a JSON answer.
const (
	maxAnswer    = 4 << 20
	answerWithin = time.Minute // the server gives up sooner
)

// Client is one server's API. Safe for concurrent use after its fields are set.
type Client struct {
	Server   string        // base URL, without a slash at its end
	Token    string        // the admin token, or ""
	HTTP     *http.Client  // nil is http.DefaultClient
	Patience time.Duration // how long uploads and watches try again without any progress; 0 is 2 minutes
	Pause    time.Duration // before the first retry, growing to 5 s; 0 is 200 ms
}

// New is a client of the server at a base URL such as http://localhost:8080. token may be "".
func New(server, token string) *Client {
	return &Client{Server: strings.TrimRight(server, "/"), Token: token}
}

// Status is how an asset is doing. See the API's page for the fields.
type Status struct {
	ID            string      `json:"id"`
	Title         string      `json:"title"`
	State         string      `json:"state"`
	Reason        string      `json:"reason"`
	Playable      bool        `json:"playable"`
	Segments      int         `json:"segments"`
	TotalSegments int         `json:"total_segments"`
	Duration      float64     `json:"duration"` // seconds
	Progress      float64     `json:"progress"` // 0 to 1
	Renditions    []Rendition `json:"renditions"`
	Master        Master      `json:"master"`
	Created       time.Time   `json:"created"`
}

// Final says that the asset will not go on.
func (s Status) Final() bool {
	return s.State == "complete" || s.State == "failed" || s.State == "cancelled" || s.State == "deleted"
}

// Rendition is how far one rendition is, in frames or samples.
type Rendition struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// Master is the uploaded file.
type Master struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Playback is the right and the addresses to play an asset.
type Playback struct {
	Session  string    `json:"session"`
	Ticket   string    `json:"ticket"`
	Asset    string    `json:"asset"`
	Revision int       `json:"revision"`
	State    string    `json:"state"`
	Duration float64   `json:"duration"`
	HLS      string    `json:"hls"`
	DASH     string    `json:"dash"`
	Poster   string    `json:"poster"`
	Expires  time.Time `json:"expires"`
}

// Title is what a viewer picks.
type Title struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Asset    string    `json:"asset"`
	State    string    `json:"state"`
	Reason   string    `json:"reason"`
	Duration float64   `json:"duration"`
	Created  time.Time `json:"created"`
	Poster   string    `json:"poster"`
}

// Titles is a page of titles; Next, if not "", is the cursor of the page after it.
type Titles struct {
	Items []Title `json:"items"`
	Next  string  `json:"next"`
}

// Asset is how an asset is doing now.
func (c *Client) Asset(ctx context.Context, id string) (Status, error) {
	var s Status
	return s, c.json(ctx, http.MethodGet, "/v1/assets/"+url.PathEscape(id), nil, &s)
}

// Playback begins a playback. Conflict: not playable (yet), with the reason.
func (c *Client) Playback(ctx context.Context, asset string) (Playback, error) {
	var p Playback
	return p, c.json(ctx, http.MethodPost, "/v1/playback", map[string]string{"asset": asset}, &p)
}

// DeleteAsset deletes an asset. Gone if it was already.
func (c *Client) DeleteAsset(ctx context.Context, id string) error {
	return c.json(ctx, http.MethodDelete, "/v1/assets/"+url.PathEscape(id), nil, nil)
}

// Titles is the page of titles at a cursor, "" for the first, newest first.
func (c *Client) Titles(ctx context.Context, cursor string) (Titles, error) {
	var t Titles
	return t, c.json(ctx, http.MethodGet, "/v1/titles?"+url.Values{"cursor": {cursor}}.Encode(), nil, &t)
}

// json sends a request and reads its answer into out, if that is not nil.
func (c *Client) json(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Server+path, body)
	if err != nil {
		return nil, weir.Errorf(weir.Invalid, "the server's address %q cannot be used: %w", c.Server, err)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	return req, nil
}

// do sends a request. An answer of 400 and more is an error of its problem's kind; the body of another is the caller's to
// close. A connection that broke is errBroken.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctxErr := req.Context().Err(); ctxErr != nil {
			return nil, ctxErr
		}
		return nil, &broken{fmt.Errorf("ask %s: %w", c.Server, err)}
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, problem(resp)
}

// broken is an error of the connection: worth a retry.
type broken struct{ err error }

func (b *broken) Error() string { return b.err.Error() }
func (b *broken) Unwrap() error { return b.err }

// problem turns an error answer into an error of its kind.
func problem(resp *http.Response) error {
	var p struct{ Type, Title, Detail string }
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		_ = json.Unmarshal(b, &p) // a proxy's answer is no problem+json: the status says enough
	}
	if p.Detail == "" {
		p.Detail = fmt.Sprintf("the server answered %s", resp.Status)
	}
	return &weir.Error{Kind: kindOf(p.Type, resp.StatusCode), Detail: p.Detail, Err: fmt.Errorf("status %d", resp.StatusCode)}
}

// kindOf is the kind a problem's type names; without one, what the status says of it.
func kindOf(problemType string, status int) weir.Kind {
	name := problemType[strings.LastIndexByte(problemType, '/')+1:]
	for k := weir.Internal; k <= weir.Full; k++ {
		if k.String() == name {
			return k
		}
	}
	switch {
	case status == http.StatusUnauthorized:
		return weir.Unauthenticated
	case status == http.StatusForbidden:
		return weir.Forbidden
	case status == http.StatusNotFound:
		return weir.NotFound
	case status == http.StatusRequestEntityTooLarge:
		return weir.TooLarge
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return weir.Unavailable
	case status >= http.StatusInternalServerError || status == http.StatusMethodNotAllowed:
		return weir.Internal
	}
	return weir.Invalid
}

// passing says whether an error may go away by itself.
func passing(err error) bool {
	var b *broken
	if errors.As(err, &b) {
		return true
	}
	switch weir.KindOf(err) {
	case weir.Unavailable, weir.Timeout, weir.TooMany:
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	return false
}

// retries bounds trying again: by time without progress.
type retries struct {
	patience, pause time.Duration
	since           time.Time // of the last progress
	next            time.Duration
}

func (c *Client) retries() *retries {
	r := &retries{patience: c.Patience, pause: c.Pause}
	if r.patience == 0 {
		r.patience = 2 * time.Minute
	}
	if r.pause == 0 {
		r.pause = 200 * time.Millisecond
	}
	r.progress()
	return r
}

func (r *retries) progress() { r.since, r.next = time.Now(), r.pause }

// wait returns nil when it is time to try again, or err when it is not worth it.
func (r *retries) wait(ctx context.Context, err error) error {
	if !passing(err) || time.Since(r.since) > r.patience {
		return err
	}
	timer := time.NewTimer(r.next)
	defer timer.Stop()
	r.next = min(2*r.next, 5*time.Second)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
