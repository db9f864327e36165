package edge

import (
	"bytes"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
)

// checkFraming refuses what two readers of one request may read differently (RFC 9112 sections 2.2, 5.1, 6.1, 6.3 and
// 11.2), and whatever else fasthttp forgives. After such a request nothing more is read from the connection.
func checkFraming(req *fasthttp.RequestHeader) error {
	if !req.IsHTTP11() && string(req.Protocol()) != "HTTP/1.0" {
		return weir.Errorf(weir.Invalid, "this is not HTTP/1.1")
	}
	var f framing
	for rest := req.RawHeaders(); len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 1 || rest[i-1] != '\r' {
			return weir.Errorf(weir.Invalid, "a line of the header does not end in CR LF")
		}
		line := rest[:i-1]
		if rest = rest[i+1:]; len(line) == 0 {
			break
		}
		if err := f.add(line); err != nil {
			return err
		}
	}
	switch {
	case f.lengths > 1, f.codings > 1, f.lengths > 0 && f.codings > 0, f.codings > 0 && !req.IsHTTP11():
		return weir.Errorf(weir.Invalid, "the length of the request's body is told more than once")
	case f.hosts > 1, f.hosts == 0 && req.IsHTTP11():
		return weir.Errorf(weir.Invalid, "there must be one Host field")
	}
	return nil
}

// line is how far the first line of a request was read.
type line uint8

const (
	lineAhead   line = iota // nothing of it
	lineEmpty               // empty lines before it
	lineFirstCR             // and a CR that may end one more
	lineBegun
	lineAtCR // its last byte is CR
	lineSeen // all of it, or it came with the request before and only fasthttp sees it
)

// lookAtLine makes a LF without CR that ends a request's first line NUL, which makes that line malformed. fasthttp forgives it
// there (as RFC 9112 section 2.2 allows) and keeps no copy of that line. p is what was read.
func (c *conn) lookAtLine(p []byte) {
	for c.line != lineSeen && len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		begun := c.line == lineBegun || c.line == lineAtCR
		switch {
		case i < 0 && !begun && len(p) == 1 && p[0] == '\r':
			c.line = lineFirstCR
			return
		case i < 0 && p[len(p)-1] == '\r':
			c.line = lineAtCR
			return
		case i < 0:
			c.line = lineBegun
			return
		case i == 0 && c.line != lineAtCR && c.line != lineFirstCR, i > 0 && p[i-1] != '\r':
			p[i], c.line = 0, lineSeen
		case i > 1 || begun:
			c.line = lineSeen
		default: // an empty line before
			c.line = lineEmpty
		}
		p = p[i+1:]
	}
}

// framing counts the fields that say where a request ends and who is asked.
type framing struct{ lengths, codings, hosts int }

func (f *framing) add(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || !isToken(line[:colon]) || bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
		return weir.Errorf(weir.Invalid, "a field of the header is malformed")
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	switch len(name) {
	case len("Host"):
		if bytes.EqualFold(name, []byte("Host")) {
			f.hosts++
		}
	case len("Content-Length"):
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if f.lengths++; len(value) == 0 || len(value) > 18 || len(bytes.Trim(value, "0123456789")) > 0 {
				return weir.Errorf(weir.Invalid, "the Content-Length is not a number")
			}
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			if f.codings++; !bytes.EqualFold(value, []byte("chunked")) {
				return weir.Errorf(weir.Invalid, "this transfer coding is not understood")
			}
		}
	}
	return nil
}

// isToken says whether b is a field name (RFC 9110 section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenBytes[c] {
			return false
		}
	}
	return true
}

// loggedMethod is what logs say of a method. Any token is one, a ticket also, as the bytes before a lost line end are.
func loggedMethod(method []byte) []byte {
	for _, c := range method {
		if c != '-' && (c < 'A' || c > 'Z') || len(method) > 20 {
			return []byte("other")
		}
	}
	return method
}

// tokenBytes is never written after it was made.
var tokenBytes = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()
