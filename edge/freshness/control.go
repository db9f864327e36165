package freshness

import (
	"net/http"
	"strings"
	"time"
)

// Absent is the value of a directive's time that is not there.
const Absent time.Duration = -1

// maxDelta is what larger delta-seconds become (RFC 9111 section 1.2.2).
const maxDelta = 1 << 31 * time.Second

// Control is the Cache-Control of a response, or the targeted field that takes its place.
type Control struct {
	NoStore, NoCache, Private, Public, MustRevalidate, ProxyRevalidate bool
	MustUnderstand, NoTransform, Immutable                             bool

	MaxAge, SMaxAge                    time.Duration // Absent, or at least 0; malformed or contradictory values are 0
	StaleWhileRevalidate, StaleIfError time.Duration // RFC 5861; Absent, or at least 0; malformed values are Absent

	NoCacheFields, PrivateFields []string // canonical names; set only while the directive is not given without names

	Targeted bool // it is a targeted field's: Expires says nothing (RFC 9213 section 2.2)
}

// Demand is the Cache-Control of a request.
type Demand struct {
	NoStore, NoCache, NoTransform, OnlyIfCached bool

	MaxAge       time.Duration // Absent, or at least 0; 0 if malformed
	MinFresh     time.Duration // Absent, or at least 0
	MaxStale     time.Duration // Absent, or at least 0; maxDelta if any staleness will do
	StaleIfError time.Duration // Absent, or at least 0
}

// ParseControl reads the lines of a response's Cache-Control field (RFC 9111 section 5.2.2).
func ParseControl(lines []string) Control {
	c := Control{MaxAge: Absent, SMaxAge: Absent, StaleWhileRevalidate: Absent, StaleIfError: Absent}
	var noCacheAll, privateAll bool
	for name, d := range directives(lines) {
		switch name {
		case "no-store":
			c.NoStore = true
		case "public":
			c.Public = true
		case "must-revalidate":
			c.MustRevalidate = true
		case "proxy-revalidate":
			c.ProxyRevalidate = true
		case "must-understand":
			c.MustUnderstand = true
		case "no-transform":
			c.NoTransform = true
		case "immutable":
			c.Immutable = true
		case "no-cache":
			noCacheAll = named(&c.NoCacheFields, d) || noCacheAll
		case "private":
			privateAll = named(&c.PrivateFields, d) || privateAll
		case "max-age":
			once(&c.MaxAge, d)
		case "s-maxage":
			once(&c.SMaxAge, d)
		case "stale-while-revalidate":
			allow(&c.StaleWhileRevalidate, d)
		case "stale-if-error":
			allow(&c.StaleIfError, d)
		}
	}
	if noCacheAll {
		c.NoCache, c.NoCacheFields = true, nil
	}
	if privateAll {
		c.Private, c.PrivateFields = true, nil
	}
	return c
}

// ParseDemand reads a request's Cache-Control, or its Pragma if it has none (RFC 9111 sections 5.2.1 and 5.4).
func ParseDemand(h http.Header) Demand {
	d := Demand{MaxAge: Absent, MinFresh: Absent, MaxStale: Absent, StaleIfError: Absent}
	lines := h["Cache-Control"]
	if len(lines) == 0 {
		for name := range directives(h["Pragma"]) {
			d.NoCache = d.NoCache || name == "no-cache"
		}
		return d
	}
	for name, v := range directives(lines) {
		switch name {
		case "no-store":
			d.NoStore = true
		case "no-cache":
			d.NoCache = true
		case "no-transform":
			d.NoTransform = true
		case "only-if-cached":
			d.OnlyIfCached = true
		case "max-age":
			once(&d.MaxAge, v)
		case "min-fresh":
			if n, ok := delta(v.arg); ok {
				d.MinFresh = max(d.MinFresh, n)
			}
		case "max-stale":
			if !v.has {
				v = directive{"2147483648", true}
			}
			allow(&d.MaxStale, v)
		case "stale-if-error":
			allow(&d.StaleIfError, v)
		}
	}
	return d
}

// named adds the field names of no-cache and private; true means that there are none, so that all of the response is meant.
func named(fields *[]string, d directive) (all bool) {
	before := len(*fields)
	for name := range strings.SplitSeq(d.arg, ",") {
		if name = strings.Trim(name, " \t"); Token(name) {
			*fields = append(*fields, http.CanonicalHeaderKey(name))
		} else if name != "" {
			return true // a list that cannot be read covers everything
		}
	}
	return len(*fields) == before
}

// once sets a lifetime. A malformed one, and a second one that differs, make it 0: stale (RFC 9111 section 4.2.1).
func once(to *time.Duration, d directive) {
	n, ok := delta(d.arg)
	if !ok || *to != Absent && *to != n {
		n = 0
	}
	*to = n
}

// allow sets a permission. The least of several counts; a malformed one is none.
func allow(to *time.Duration, d directive) {
	if n, ok := delta(d.arg); ok && (*to == Absent || n < *to) {
		*to = n
	}
}

// delta reads delta-seconds (RFC 9111 section 1.2.2).
func delta(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), 1<<31)
	}
	return time.Duration(n) * time.Second, true
}

// directive is an argument without its quotes, and whether there is one.
type directive struct {
	arg string
	has bool
}

// directives lists name and argument of each member of a field, the name in lower case. Commas in quoted strings do not
// separate. A member whose name is no token is listed up to its first byte that is not, so that "max-age =60" is a max-age
// without an argument rather than nothing.
func directives(lines []string) func(yield func(string, directive) bool) {
	return func(yield func(string, directive) bool) {
		for _, line := range lines {
			for line != "" {
				var member string
				member, line = cutMember(line)
				if member = strings.Trim(member, " \t"); member == "" {
					continue
				}
				n := 0
				for n < len(member) && tokenByte(member[n]) {
					n++
				}
				var d directive
				if n < len(member) && member[n] == '=' {
					d = directive{unquote(member[n+1:]), true}
				}
				if !yield(strings.ToLower(member[:n]), d) {
					return
				}
			}
		}
	}
}

// cutMember cuts the first member off a list (RFC 9110 section 5.6.1), minding quoted strings.
func cutMember(s string) (member, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote is the text of a quoted string (RFC 9110 section 5.6.4), or s if it is none.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Token says whether s is a token (RFC 9110 section 5.6.2), as field names and methods are.
func Token(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
