package freshness

import (
	"net/http"
	"strings"
	"time"
)

// Origins are conditions that only the origin may evaluate (RFC 9111 section 4.3.2): a request with one is passed on.
func Origins(h http.Header) bool { return len(h["If-Match"])+len(h["If-Unmodified-Since"]) > 0 }

// Conditional says whether a request has conditions that a cache evaluates.
func Conditional(h http.Header) bool { return len(h["If-None-Match"])+len(h["If-Modified-Since"]) > 0 }

// NotModified evaluates the conditions of a GET or HEAD against the stored response: true is 304 (RFC 9110 section 13.2.2, RFC
// 9111 section 4.3.2). What would not be a 2xx has no conditions (RFC 9110 section 13.2.1).
func (r *Response) NotModified(h http.Header) bool {
	if r.Status < 200 || r.Status > 299 {
		return false
	}
	if lines := h["If-None-Match"]; len(lines) > 0 {
		return TagListed(lines, r.ETag(), true)
	}
	lines := h["If-Modified-Since"]
	if len(lines) != 1 {
		return false
	}
	since, ok := ParseDate(lines[0])
	if !ok {
		return false
	}
	modified, ok := date(r.Header, "Last-Modified")
	if !ok {
		modified = r.Date
	}
	return !modified.Truncate(time.Second).After(since)
}

// RangeApplies evaluates If-Range (RFC 9110 section 13.1.5): an entity-tag by strong comparison, a date only if it is exactly
// that of the response and a strong validator (section 8.8.2.2).
func (r *Response) RangeApplies(h http.Header) bool {
	lines := h["If-Range"]
	if len(lines) == 0 {
		return true
	}
	if len(lines) > 1 {
		return false
	}
	value := strings.Trim(lines[0], " \t")
	if strings.HasPrefix(value, `"`) {
		return value == r.ETag()
	}
	at, ok := ParseDate(value)
	modified, has := date(r.Header, "Last-Modified")
	return ok && has && at.Equal(modified) && r.Date.Sub(modified) >= time.Second
}

// TagListed says whether the lines of If-Match or If-None-Match name tag, "" if there is none: "*" names any. Weak compares
// without regard to W/ (RFC 9110 section 8.8.3.2). A list that becomes malformed ends there.
func TagListed(lines []string, tag string, weak bool) bool {
	for _, line := range lines {
		if line = strings.Trim(line, " \t"); line == "*" {
			return true
		}
		for line != "" {
			var listed string
			if listed, line = cutTag(strings.TrimLeft(line, " \t,")); listed == "" {
				break
			}
			if SameTag(listed, tag, weak) {
				return true
			}
		}
	}
	return false
}

// SameTag compares two entity-tags, neither of them "".
func SameTag(a, b string, weak bool) bool {
	if a == "" || b == "" {
		return false
	}
	if weak {
		return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
	}
	return a == b && a[0] == '"'
}

// cutTag cuts an entity-tag off s (RFC 9110 section 8.8.3): "" if s does not begin with one.
func cutTag(s string) (tag, rest string) {
	body := strings.TrimPrefix(s, "W/")
	if body == "" || body[0] != '"' {
		return "", s
	}
	for i := 1; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			end := len(s) - len(body) + i + 1
			return s[:end], strings.TrimLeft(s[end:], " \t")
		case c <= ' ' || c == 0x7f:
			return "", s
		}
	}
	return "", s
}
