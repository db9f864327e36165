package freshness

import (
	"net/http"
	"time"

	"github.com/dunglas/httpsfv"
)

// TargetField is the targeted cache control field of caches like this one (RFC 9213 section 3.1).
const TargetField = "Cdn-Cache-Control"

// ResponseControl is what governs a response: its CDN-Cache-Control if that is there, valid and not empty, or else its
// Cache-Control (RFC 9213 section 2.2).
func ResponseControl(h http.Header) Control {
	if c, ok := ParseTargeted(h[TargetField]); ok {
		return c
	}
	return ParseControl(h["Cache-Control"])
}

// ParseTargeted reads a targeted field, a Dictionary of Structured Fields. It is false for one that is to be ignored:
// absent, empty or malformed. Parameters are ignored, and so are members of a type their directive does not have, but that
// a lifetime is there and cannot be used makes it 0.
func ParseTargeted(lines []string) (Control, bool) {
	if len(lines) == 0 {
		return Control{}, false
	}
	dict := dictionary(lines)
	if dict == nil {
		return Control{}, false
	}
	c := ParseControl(nil)
	c.Targeted = true
	flags := map[string]*bool{"no-store": &c.NoStore, "public": &c.Public, "must-revalidate": &c.MustRevalidate, "proxy-revalidate": &c.ProxyRevalidate,
		"must-understand": &c.MustUnderstand, "no-transform": &c.NoTransform, "immutable": &c.Immutable, "no-cache": &c.NoCache, "private": &c.Private}
	times := map[string]*time.Duration{"max-age": &c.MaxAge, "s-maxage": &c.SMaxAge, "stale-while-revalidate": &c.StaleWhileRevalidate, "stale-if-error": &c.StaleIfError}
	lists := map[string]*[]string{"no-cache": &c.NoCacheFields, "private": &c.PrivateFields}
	for _, name := range dict.Names() {
		member, _ := dict.Get(name)
		item, _ := member.(httpsfv.Item) // an inner list leaves the zero value, of no type
		switch v := item.Value.(type) {
		case bool:
			if to := flags[name]; to != nil {
				*to = v
			}
		case string:
			if to := lists[name]; to != nil && named(to, directive{v, true}) {
				*flags[name] = true
			}
		case int64:
			if to := times[name]; to != nil && v >= 0 {
				*to = time.Duration(min(v, 1<<31)) * time.Second
			}
		}
		if to := times[name]; to != nil && *to == Absent && (name == "max-age" || name == "s-maxage") {
			*to = 0
		}
	}
	return c, true
}

// dictionary is nil for a field that is malformed or empty. The library panics on some malformed ones: an "@" at the end,
// testdata/fuzz/FuzzTargeted/6a2914d7bf399a55.
func dictionary(lines []string) (dict *httpsfv.Dictionary) {
	defer func() {
		if recover() != nil {
			dict = nil
		}
	}()
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dict.Names()) == 0 {
		return nil
	}
	return dict
}
