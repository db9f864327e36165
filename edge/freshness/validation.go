package freshness

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// conditionFields are a request's own conditions, which give way to the cache's.
var conditionFields = []string{"If-None-Match", "If-Modified-Since", "If-Range", "Range"}

// Unconditional removes from a request, which is going to fill the cache, what would make the answer less than the whole.
func Unconditional(h http.Header) {
	for _, name := range conditionFields {
		delete(h, name)
	}
}

// Conditions adds to a request, which is Unconditional, the validators of the selected response, which may be nil, and the
// entity-tags of others that the origin may choose from instead (RFC 9111 section 4.3.1).
func Conditions(h http.Header, selected *Response, others []*Response) {
	var tags []string
	add := func(r *Response) {
		if tag := r.ETag(); tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	if selected != nil {
		add(selected)
		if modified := selected.Header["Last-Modified"]; len(modified) > 0 {
			if _, ok := ParseDate(modified[0]); ok {
				h["If-Modified-Since"] = modified[:1:1]
			}
		}
	}
	if selected == nil || len(tags) > 0 { // what has no tag cannot be told from what has
		for _, r := range others {
			add(r)
		}
	}
	if len(tags) > 0 {
		h["If-None-Match"] = []string{strings.Join(tags, ", ")}
	}
	if selected == nil {
		delete(h, "If-Modified-Since")
	}
}

// Validated says whether a 304 that came back speaks of r (RFC 9111 section 4.3.4): a strong entity-tag is r's own, a weak
// one matches weakly, a Last-Modified is the same; one without validators speaks of the only one there is.
func (r *Response) Validated(h http.Header, only bool) bool {
	if tags := h["Etag"]; len(tags) > 0 {
		return SameTag(strings.Trim(tags[0], " \t"), r.ETag(), true) &&
			(strings.HasPrefix(tags[0], "W/") || strings.HasPrefix(r.ETag(), `"`))
	}
	if modified, ok := date(h, "Last-Modified"); ok {
		stored, has := date(r.Header, "Last-Modified")
		return has && stored.Equal(modified)
	}
	return only
}

// unchanged are fields of a stored response that a 304 or HEAD does not change, because the stored bytes depend on them (RFC
// 9111 section 3.2).
var unchanged = []string{"Content-Encoding", "Content-Length", "Content-Range", "Content-Md5", "Content-Digest"}

// Freshen is r after a 304, or the 200 of a HEAD, with header h: its fields are replaced by those given, and its age begins
// anew (RFC 9111 sections 3.2, 4.3.4 and 4.3.5). h has been seen by Forward; r is not changed.
func (r *Response) Freshen(h http.Header, requested, received time.Time) Response {
	merged := make(http.Header, len(r.Header)+4)
	for name, lines := range r.Header {
		merged[name] = lines
	}
	delete(merged, "Age") // how old the validation is, is not what the stored field says
	if _, ok := date(h, "Date"); !ok {
		delete(merged, "Date")
	}
	for name, lines := range h {
		if !slices.Contains(unchanged, textproto.CanonicalMIMEHeaderKey(name)) {
			merged[name] = slices.Clone(lines)
		}
	}
	control := ResponseControl(merged)
	if !control.shares() { // what one client is told of cookies is nobody else's
		delete(merged, "Set-Cookie")
	}
	return NewResponse(r.Status, StoredFields(merged, control), requested, received)
}

// SameAsHead says whether the 200 of a HEAD with header h describes the stored bytes, size of them or less than 0 if that is
// not known (RFC 9111 section 4.3.5).
func (r *Response) SameAsHead(h http.Header, size int64) bool {
	if lines := h["Content-Length"]; len(lines) > 0 && size >= 0 {
		if n, ok := digits(lines[0]); !ok || n != size {
			return false
		}
	}
	if len(h["Etag"]) > 0 && (len(r.Header["Etag"]) == 0 || h["Etag"][0] != r.Header["Etag"][0]) {
		return false
	}
	if len(h["Last-Modified"]) > 0 && (len(r.Header["Last-Modified"]) == 0 || h["Last-Modified"][0] != r.Header["Last-Modified"][0]) {
		return false
	}
	return true
}

func digits(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
