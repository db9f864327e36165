package freshness

import (
	"net/http"
	"net/url"
	"strings"
)

// Safe says whether a method is known to be safe (RFC 9110 section 9.2.1). What is not known may change anything.
func Safe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE"
}

// Invalidated lists the URIs whose stored responses are no longer good after a request with the method for target got the
// answer (RFC 9111 section 4.4): none after a safe method or an error; the target, and what Location and Content-Location
// name of the same origin, without which anybody could invalidate anything.
func Invalidated(method string, target *url.URL, status int, h http.Header) []*url.URL {
	if Safe(method) || status < 200 || status > 399 {
		return nil
	}
	uris := []*url.URL{target}
	for _, name := range []string{"Location", "Content-Location"} {
		if len(h[name]) != 1 {
			continue
		}
		u, err := target.Parse(h[name][0])
		if err == nil && u.Scheme == target.Scheme && strings.EqualFold(u.Host, target.Host) {
			u.Fragment, u.RawFragment = "", ""
			uris = append(uris, u)
		}
	}
	return uris
}
