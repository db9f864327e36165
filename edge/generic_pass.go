package edge

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/freshness"
	"github.com/weirstream/weir/edge/token"
)

// pass sends a request on as it is, with its body, and the answer back. A safe one may wait for nothing; after another,
// what is stored under its URIs is no longer good (RFC 9111 section 4.4).
func (g *generic) pass(ctx *fasthttp.RequestCtx, x *exchange) error {
	r := &originRequest{method: x.method, target: x.target, header: forwarded(x.header)}
	var body *requestBody
	if x.body {
		delete(r.header, "Content-Length")
		r.length = int64(max(ctx.Request.Header.ContentLength(), -1))
		body = &requestBody{from: ctx.RequestBodyStream(), conn: ctx.Conn().(*conn), left: r.length}
		r.body = body
	}
	res, _, err := g.call(r)
	if body != nil {
		body.leave(res)
	}
	if err != nil {
		if x.body {
			ctx.SetConnectionClose() // what is left of the body is not read
		}
		return failure(err)
	}
	x.status.FwdStatus = res.status
	for _, u := range freshness.Invalidated(x.method, absolute(x.target), res.status, res.header) {
		g.index.invalidate(u.Scheme + "://" + strings.ToLower(u.Host) + u.RequestURI())
	}
	if !freshness.Safe(x.method) && res.status < 400 {
		g.index.invalidate(x.key) // whatever its spelling
	}
	return g.relay(ctx, x, res)
}

// requestBody is a request's body on its way to the origin. The fetcher may still read it when the response is there, from
// a goroutine of its own; the connection is not its to use after leave.
type requestBody struct {
	conn *conn

	mu   sync.Mutex // guards all below; held while the client is waited for
	from io.Reader
	left int64 // bytes of it that are not read, if less than 0 was not the beginning
	end  error // what further reads get

	progress func() // called for bytes that were read; nil: nobody counts
}

// Read reads the next bytes. Each pause in the body is bounded like a header's time, not the whole.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end != nil {
		return 0, b.end
	}
	n, err := b.from.Read(p)
	if b.end = err; b.left > 0 && b.end == nil {
		if b.left -= int64(n); b.left == 0 {
			b.end = io.EOF
		}
	}
	b.conn.enter(phaseHandling)
	if n > 0 && b.progress != nil {
		b.progress()
	}
	return n, err
}

// leave ends the reading of the body. If the response, which may be nil, came before the end of it, the origin's connection
// will end with the reading: so what there is of the response is taken first, as far as that is bounded.
func (b *requestBody) leave(res *originResponse) {
	if res != nil && !b.over() {
		start, err := io.ReadAll(io.LimitReader(res.body, 1<<20))
		rest := io.Reader(res.body)
		if err != nil {
			rest = failing{err}
		}
		res.body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(start), rest), res.body}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end == nil {
		b.end = io.ErrUnexpectedEOF
	}
}

// over says whether all of the body was read.
func (b *requestBody) over() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.end != nil
}

// failing is a reader that fails.
type failing struct{ err error }

// Read fails.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// relay sends the origin's answer to this client alone, and closes it.
func (g *generic) relay(ctx *fasthttp.RequestCtx, x *exchange, res *originResponse) error {
	if len(res.header["Date"]) == 0 { // RFC 9110 section 6.6.1
		res.header["Date"] = []string{g.now().UTC().Format(http.TimeFormat)}
	}
	b := appendFields(statusLine(res.status), res.header)
	bodyless := x.method == "HEAD" || res.status == http.StatusNoContent || res.status == http.StatusNotModified || res.length == 0
	if bodyless {
		if err := res.body.Close(); err != nil {
			return failure(err)
		}
		if length := res.header["Content-Length"]; x.method == "HEAD" && len(length) == 1 {
			b = append(append(append(b, "Content-Length: "...), length[0]...), "\r\n"...)
		} else if x.method != "HEAD" && res.status != http.StatusNoContent && res.status != http.StatusNotModified {
			b = append(b, "Content-Length: 0\r\n"...)
		}
		return g.write(ctx, x, b)
	}
	if res.length < 0 && !ctx.Request.Header.IsHTTP11() {
		return g.relayWhole(ctx, x, b, res)
	}
	if err := g.write(ctx, x, appendLength(b, res.length)); err != nil {
		_ = res.body.Close()
		return err
	}
	ctx.Response.ImmediateHeaderFlush = true // the first bytes may take their time, or never come
	ctx.Response.SetBodyStream(&counted{ReadCloser: res.body, count: g.metrics.bytes[generically].Add}, int(max(res.length, -1)))
	return nil
}

// relayWhole is for HTTP/1.0, which has no chunks: the end of the connection must not be what tells a whole from a part.
func (g *generic) relayWhole(ctx *fasthttp.RequestCtx, x *exchange, head []byte, res *originResponse) error {
	defer res.body.Close()
	b, err := io.ReadAll(io.LimitReader(res.body, g.limits.MaxObject+1))
	if err != nil {
		return failure(err)
	}
	if int64(len(b)) > g.limits.MaxObject {
		return weir.Errorf(weir.Unavailable, "this answer is too large for HTTP/1.0")
	}
	if err := g.write(ctx, x, appendLength(head, int64(len(b)))); err != nil {
		return err
	}
	ctx.Response.SetBodyRaw(b)
	return nil
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	count   func(float64)
	account *account // nil: none
}

// Close ends it.
func (c *counted) Close() error {
	c.account.close()
	return c.ReadCloser.Close()
}

// Read reads and counts.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.count(float64(n))
	c.account.sent(n)
	return n, err
}

// lastHop answers a TRACE or OPTIONS that must not go further, and counts others down (RFC 9110 section 7.6.2).
func (g *generic) lastHop(ctx *fasthttp.RequestCtx, x *exchange) (done bool, err error) {
	lines := x.header["Max-Forwards"]
	if len(lines) == 0 || x.method != "TRACE" && x.method != "OPTIONS" {
		return false, nil
	}
	n, err := strconv.ParseUint(lines[0], 10, 31)
	if err != nil || len(lines) > 1 {
		return false, weir.Errorf(weir.Invalid, "Max-Forwards is not a number")
	}
	if n > 0 {
		x.header["Max-Forwards"] = []string{strconv.FormatUint(n-1, 10)}
		return false, nil
	}
	head := append(statusLine(http.StatusOK), "Date: "+g.now().UTC().Format(http.TimeFormat)+"\r\n"...)
	if x.method == "OPTIONS" {
		return true, g.write(ctx, x, append(head, "Allow: GET, HEAD, OPTIONS, TRACE, POST, PUT, PATCH, DELETE\r\nContent-Length: 0\r\n"...))
	}
	seen := x.header.Clone()
	for _, secret := range []string{"Authorization", "Cookie"} {
		delete(seen, secret)
	}
	content := appendFields([]byte("TRACE "+x.target.Opaque+" HTTP/1.1\r\n"), seen)
	content = append(content, "\r\n"...)
	if err := g.write(ctx, x, appendLength(append(head, "Content-Type: message/http\r\n"...), int64(len(content)))); err != nil {
		return true, err
	}
	ctx.Response.SetBodyRaw(content)
	return true, nil
}

// byTicket wants a native ticket whose prefix covers the path: before the path as /t/TICKET/, as a bearer token, in the
// query or in a cookie. It is the edge's own, and goes no further; a foreign token in a cookie or field is not, and does. The path must mean the same to the origin as here.
func (g *generic) byTicket(ctx *fasthttp.RequestCtx, x *exchange) error {
	path, query, hasQuery := strings.Cut(x.target.Opaque, "?")
	t := target{what: generically}
	if rest, ok := strings.CutPrefix(path, "/t/"); ok {
		text, rest, _ := strings.Cut(rest, "/")
		t.ticket, t.ticketInPath, path = []byte(text), true, "/"+rest
	} else {
		t.ticket = slices.Clone(queryValue([]byte(query), "ticket"))
		query = withoutValue(query, "ticket")
	}
	g.findTicket(ctx, &t)
	if t.ticketHidden && len(t.ticket) > 0 {
		x.hidden = true
		if field := x.header["Authorization"]; len(field) > 0 && bytes.HasSuffix([]byte(field[0]), t.ticket) {
			delete(x.header, "Authorization")
		}
	}
	withoutCookie(x.header, "weir-ticket")
	t.path = []byte(strings.TrimPrefix(path, "/"))
	ticket, rest, err := g.right(ctx, x, &t)
	if err != nil || x.answered {
		return err
	}
	if rest != "" { // without its foreign token
		path, query, hasQuery = strings.Cut(rest, "?")
	}
	if !unambiguous(path) {
		return weir.Errorf(weir.Invalid, "the path may mean another one")
	}
	if ticket.Organisation != weir.DefaultOrganisation { // whose the origin is
		return weir.Errorf(weir.Forbidden, "the ticket is for something else")
	}
	if err := g.admit(ctx, ticket, []byte(strings.TrimPrefix(path, "/"))); err != nil {
		return err
	}
	if x.target.Opaque = path; hasQuery && query != "" {
		x.target.Opaque += "?" + query
	}
	x.opened, x.ticket = true, ticket
	return nil
}

// right is the request's ticket, or else what a foreign token allows, with the target that is left without it.
func (g *generic) right(ctx *fasthttp.RequestCtx, x *exchange, t *target) (ticket *weir.Ticket, rest string, err error) {
	if g.tokens != nil && (len(t.ticket) == 0 || t.ticketInCookie && !g.opens(ctx, t.ticket, t.path, x.start)) {
		a, err := g.foreign(ctx, x.host, x.target.Opaque, true, x.start)
		if !errors.Is(err, token.ErrNone) {
			if x.hidden, x.answered = true, err == nil && a.ticket == nil; x.answered {
				g.date(ctx)
			}
			for _, field := range a.fields {
				x.own = append(append(append(append(x.own, field[0]...), ": "...), field[1]...), "\r\n"...)
			}
			return a.ticket, a.target, err
		}
	}
	ticket, err = g.tickets.verify(t.ticket, x.start)
	return ticket, "", err
}

// unambiguous says whether no reader of a path could take it for another: no dot segments, empty segments, backslashes or
// escaped dots, slashes and escapes, and nothing that is malformed, as bytes or as UTF-8, which some decode in ways of
// their own.
func unambiguous(path string) bool {
	lower := strings.ToLower(path)
	for _, bad := range []string{"//", "/./", "/../", `\`, "%2e", "%2f", "%5c", "%25", "%00", ";"} {
		if strings.Contains(lower, bad) {
			return false
		}
	}
	plain, err := url.PathUnescape(path)
	return err == nil && utf8.ValidString(plain) && !strings.HasSuffix(path, "/.") && !strings.HasSuffix(path, "/..")
}

// withoutValue cuts the parameters of that name out of a query.
func withoutValue(query, name string) string {
	if !strings.Contains(query, name+"=") {
		return query
	}
	pairs := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		return key == name
	})
	return strings.Join(pairs, "&")
}

// withoutCookie cuts a cookie out of a request's header.
func withoutCookie(h http.Header, name string) {
	var kept []string
	for _, line := range h["Cookie"] {
		pairs := slices.DeleteFunc(strings.Split(line, ";"), func(pair string) bool {
			key, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			return key == name
		})
		if line = strings.TrimSpace(strings.Join(pairs, ";")); line != "" {
			kept = append(kept, line)
		}
	}
	if h["Cookie"] = kept; len(kept) == 0 {
		delete(h, "Cookie")
	}
}
