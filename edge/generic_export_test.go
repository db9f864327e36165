package edge

import (
	"net/http"
	"strings"
)

// What a ticket is taken out of, and the path it covers.
var (
	Unambiguous   = unambiguous
	WithoutValue  = withoutValue
	WithoutCookie = func(line, name string) string {
		h := http.Header{"Cookie": {line}}
		withoutCookie(h, name)
		return strings.Join(h["Cookie"], "; ")
	}
)
