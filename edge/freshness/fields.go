package freshness

import (
	"net/http"
	"slices"
	"strings"
)

// hopByHop are fields that are for one connection only (RFC 9110 section 7.6.1) or for one proxy, besides those that
// Connection names.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// Forward removes from h what must not be passed on (RFC 9110 section 7.6.1).
func Forward(h http.Header) {
	for _, name := range Members(h["Connection"]) {
		if name = http.CanonicalHeaderKey(name); name != "Close" {
			delete(h, name)
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// StoredFields is the part of a response's header, which Forward has seen, that a shared cache may keep: without the
// fields that no-cache and private name (RFC 9111 sections 3.1, 5.2.2.4 and 5.2.2.7). It is h itself if that is all of it.
func StoredFields(h http.Header, c Control) http.Header {
	if len(c.NoCacheFields)+len(c.PrivateFields) == 0 {
		return h
	}
	kept := h.Clone()
	for _, name := range slices.Concat(c.NoCacheFields, c.PrivateFields) {
		delete(kept, name)
	}
	return kept
}

// Members are the members of a list of tokens, without empty ones (RFC 9110 section 5.6.1).
func Members(lines []string) []string {
	var out []string
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			if member = strings.Trim(member, " \t"); member != "" {
				out = append(out, member)
			}
		}
	}
	return out
}
