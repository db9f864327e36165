package freshness

import (
	"net/http"
	"slices"
	"strings"
)

// Vary is the request fields that a response was chosen by, with their values in the request that got it.
type Vary struct {
	Names  []string // canonical, sorted, without duplicates
	values []string // of each, normalised
}

// NewVary reads a response's Vary field and the request it answered. A field with "*" comes to a Vary that matches nothing.
func NewVary(response, request http.Header) Vary {
	var v Vary
	for _, name := range Members(response["Vary"]) {
		v.Names = append(v.Names, http.CanonicalHeaderKey(name))
	}
	slices.Sort(v.Names)
	v.Names = slices.Compact(v.Names)
	for _, name := range v.Names {
		v.values = append(v.values, normal(name, request))
	}
	return v
}

// Matches says whether the request's fields are those of the stored response's request, or can be made so by what RFC 9111
// section 4.1 allows: white space, how lines are combined, and the case of codings.
func (v Vary) Matches(request http.Header) bool {
	for i, name := range v.Names {
		if name == "*" || normal(name, request) != v.values[i] {
			return false
		}
	}
	return true
}

// Key is the values of the named fields of a request, as one string that tells them apart.
func Key(names []string, request http.Header) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(0)
		b.WriteString(normal(name, request))
		b.WriteByte(0)
	}
	return b.String()
}

// Choose is the index of the response to use: the most recent of those that match, those with a Vary field before those
// without one (RFC 9111 section 4.1); -1 is none. at gives the i-th of n.
func Choose(n int, request http.Header, at func(i int) (*Response, Vary)) int {
	best := -1
	var bestResponse *Response
	var bestVaries bool
	for i := range n {
		r, v := at(i)
		if !v.Matches(request) {
			continue
		}
		varies := len(v.Names) > 0
		newer := best < 0 || r.Date.After(bestResponse.Date) || r.Date.Equal(bestResponse.Date) && !r.Received.Before(bestResponse.Received)
		if best < 0 || varies && !bestVaries || varies == bestVaries && newer {
			best, bestResponse, bestVaries = i, r, varies
		}
	}
	return best
}

func variesOnAll(lines []string) bool { return slices.Contains(Members(lines), "*") }

// normal is a request field's value in one form; a field that is not there differs from an empty one.
func normal(name string, h http.Header) string {
	lines := h[name]
	if len(lines) == 0 {
		return "\x01"
	}
	var b strings.Builder
	for _, line := range lines {
		for line != "" {
			var member string
			member, line = cutMember(line)
			if member = strings.Trim(member, " \t"); member == "" {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(member)
		}
	}
	if name == "Accept-Encoding" || name == "Accept-Language" {
		return strings.ReplaceAll(strings.ToLower(b.String()), " ", "")
	}
	return b.String()
}
