package edge

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

// answer sends a stored response: conditions, then ranges, then bytes (RFC 9110 section 13.2.2). body is its reference to
// the bytes, or nil: then they are looked for, and done is false if they are no longer there. It gives body back. full is
// the header to be sent if it is not the stored one.
func (g *generic) answer(ctx *fasthttp.RequestCtx, x *exchange, s *stored, body *cache.Body, full http.Header) (done bool, err error) {
	if body == nil && s.key.Object != "" {
		var ok bool
		if body, ok = g.cache.Open(s.key); !ok {
			g.index.drop(x.key, s)
			return false, nil
		}
	}
	release := func() {
		if body != nil {
			body.Release()
		}
	}
	lines := s.lines
	if full != nil {
		lines = appendFields(nil, full)
	}
	if s.NotModified(x.header) {
		release()
		kept := s.Header.Clone()
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Range"} { // RFC 9110 section 15.4.5
			delete(kept, name)
		}
		b := append(statusLine(http.StatusNotModified), appendFields(nil, kept)...)
		return true, g.write(ctx, x, g.about(b, x, s))
	}
	b := append(statusLine(s.Status), lines...)
	if body == nil {
		if s.Status != http.StatusNoContent {
			b = appendLength(b, 0)
		}
		return true, g.write(ctx, x, g.about(b, x, s))
	}
	size := body.Size()
	if x.method == "HEAD" {
		release()
		if size >= 0 {
			b = appendLength(b, size)
		}
		return true, g.write(ctx, x, g.about(b, x, s))
	}
	if size < 0 && !ctx.Request.Header.IsHTTP11() {
		if size, err = wholeSize(g.ctx, body); err != nil {
			release()
			return true, failure(err)
		}
	}
	if size < 0 {
		first, err := body.Run(g.ctx, 0, 64<<10) // a failure until then can still be told
		if err == nil {
			err = g.write(ctx, x, appendLength(g.about(b, x, s), -1))
		}
		if err != nil {
			release()
			return true, failure(err)
		}
		ctx.Response.SetBodyStream(&endless{ctx: g.ctx, body: body, first: first.Bytes, count: g.metrics.bytes[generically].Add}, -1)
		return true, nil
	}
	return true, g.send(ctx, x, s, body, size, lines)
}

// send sends a body of known size, or ranges of it, by reference. head is the lines of the header.
func (g *generic) send(ctx *fasthttp.RequestCtx, x *exchange, s *stored, body *cache.Body, size int64, head []byte) error {
	var spans []span
	result := rangeIgnored
	if lines := x.header["Range"]; len(lines) == 1 && s.Status == http.StatusOK && s.RangeApplies(x.header) {
		spans, result = parseRange(nil, []byte(lines[0]), size)
	}
	if result == rangeNone {
		body.Release()
		ctx.Response.Reset()
		p := problem{Status: http.StatusRequestedRangeNotSatisfiable, Detail: "no byte of this range exists"}
		p.named(weir.BadRange.String()).write(ctx)
		ctx.Response.Header.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		ctx.Response.Header.Set("Cache-Status", string(x.status.Append(nil)))
		g.date(ctx)
		return nil
	}
	c := ctx.Conn().(*conn)
	out := &c.out
	*out = stream{ctx: g.ctx, count: g.metrics.bytes[generically], body: body}
	length, boundary := out.plan(&representation{mediaType: s.Header.Get("Content-Type"), size: size}, spans, result)
	if err := out.prime(); err != nil {
		_ = out.Close()
		return failure(err)
	}
	var b []byte
	switch {
	case boundary != "":
		kept := s.Header.Clone()
		kept.Set("Content-Type", "multipart/byteranges; boundary="+boundary)
		b = appendFields(statusLine(http.StatusPartialContent), kept)
	case result == rangeOK:
		b = append(append(statusLine(http.StatusPartialContent), head...), "Content-Range: "...)
		b = append(appendContentRange(b, spans[0], size), "\r\n"...)
	default:
		b = append(statusLine(s.Status), head...)
	}
	if err := g.write(ctx, x, appendLength(g.about(b, x, s), length)); err != nil {
		_ = out.Close()
		return err
	}
	ctx.Response.ImmediateHeaderFlush = true // into conn.held
	ctx.Response.SetBodyStream(out, int(length))
	c.holding = true
	return nil
}

// about appends what is the cache's to say of a stored response.
func (g *generic) about(b []byte, x *exchange, s *stored) []byte {
	now := g.now()
	x.status.TTL, x.status.HasTTL = s.TTL(now).Truncate(time.Second), true
	if age := s.Age(now); x.status.Hit || age >= time.Second { // RFC 9111 section 5.1
		b = append(strconv.AppendInt(append(b, "Age: "...), int64(age/time.Second), 10), "\r\n"...)
	}
	return b
}

// write sets the head of the answer: lines, and what every answer has. fasthttp's own setters would refuse a Date.
func (g *generic) write(ctx *fasthttp.RequestCtx, x *exchange, lines []byte) error {
	b := append(lines, "Via: 1.1 "+pseudonym+"\r\nCache-Status: "...)
	b = append(x.status.Append(b), "\r\nServer-Timing: cache;desc="...)
	if x.status.Hit {
		b = append(b, "\"hit\"\r\n"...)
	} else {
		b = append(b, "\"miss\""...)
		if x.fill > 0 {
			b = strconv.AppendFloat(append(b, ", fill;dur="...), float64(x.fill.Microseconds())/1000, 'f', 1, 64)
		}
		b = append(b, "\r\n"...)
	}
	if x.hidden {
		b = append(b, "Cache-Control: private\r\nCDN-Cache-Control: private\r\n"...) // the second line for who heeds the first no more (RFC 9213)
	}
	b = append(b, x.own...)
	if err := setHead(ctx, append(b, "\r\n"...)); err != nil {
		return &originError{http.StatusBadGateway, "the origin's answer has a header that cannot be passed on", err}
	}
	return nil
}

// setHead makes b, a whole header, that of the answer.
func setHead(ctx *fasthttp.RequestCtx, b []byte) error {
	h := &ctx.Response.Header
	h.DisableNormalizing()
	if err := h.Read(bufio.NewReaderSize(bytes.NewReader(b), max(len(b), 16))); err != nil {
		return fmt.Errorf("set header: %w", err)
	}
	h.ResetConnectionClose() // what it takes a missing length for
	return nil
}

// date adds a Date to an answer of the edge itself: in the generic mode fasthttp adds none.
func (g *generic) date(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	closes := h.ConnectionClose()
	b := bytes.TrimSuffix(h.Header(), []byte("\r\n"))
	b = append(append([]byte(nil), b...), "Date: "+g.now().UTC().Format(http.TimeFormat)+"\r\n"...)
	if err := setHead(ctx, appendLength(b, int64(len(ctx.Response.Body())), "\r\n")); err == nil && closes {
		h.SetConnectionClose()
	}
}

func statusLine(status int) []byte {
	b := append(make([]byte, 0, 1024), "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(status), 10), ' ')
	return append(append(b, http.StatusText(status)...), "\r\n"...)
}

// appendFields appends a header's lines but Age, which is computed anew, and lengths.
func appendFields(b []byte, h http.Header) []byte {
	for name, lines := range h {
		if name == "Content-Length" {
			continue
		}
		for _, line := range lines {
			b = append(append(append(append(b, name...), ": "...), line...), "\r\n"...)
		}
	}
	return b
}

// appendLength appends how long the body is; less than 0 is not known.
func appendLength(b []byte, n int64, more ...string) []byte {
	if n < 0 {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	} else {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), n, 10), "\r\n"...)
	}
	for _, s := range more {
		b = append(b, s...)
	}
	return b
}

// absolute is a target as a URL whose parts are apart.
func absolute(t *url.URL) *url.URL {
	u, err := url.Parse(t.Scheme + "://" + t.Host + t.Opaque)
	if err != nil {
		return t
	}
	return u
}

// endless reads a body whose size is not known yet.
type endless struct {
	ctx   context.Context
	body  *cache.Body
	first []byte // not read yet
	off   int64
	count func(float64)

	account *account // nil: none
}

// Read waits for the next bytes. An error but io.EOF ends the connection, so that a part is not taken for the whole.
func (e *endless) Read(p []byte) (int, error) {
	if len(e.first) == 0 {
		run, err := e.body.Run(e.ctx, e.off, int64(len(p)))
		if err != nil {
			return 0, err
		}
		e.first = run.Bytes
	}
	n := copy(p, e.first)
	e.first = e.first[n:]
	e.off += int64(n)
	e.count(float64(n))
	e.account.sent(n)
	return n, nil
}

// Close gives the body back.
func (e *endless) Close() error {
	if e.body != nil {
		e.body.Release()
		e.body, e.first = nil, nil
		e.account.close()
	}
	return nil
}

// wholeSize waits for the end of a body.
func wholeSize(ctx context.Context, body *cache.Body) (int64, error) {
	var off int64
	for {
		run, err := body.Run(ctx, off, 1<<20)
		if err == io.EOF {
			return off, nil
		}
		if err != nil {
			return 0, err
		}
		off += int64(len(run.Bytes))
	}
}
