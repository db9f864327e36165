package freshness_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/edge/freshness"
)

const absent = freshness.Absent

// control is a Control without lifetimes, changed by f.
func control(f func(*freshness.Control)) freshness.Control {
	c := freshness.Control{MaxAge: absent, SMaxAge: absent, StaleWhileRevalidate: absent, StaleIfError: absent}
	f(&c)
	return c
}

func TestParseControl(t *testing.T) {
	f := func(want func(*freshness.Control), lines ...string) {
		t.Helper()
		if diff := cmp.Diff(control(want), freshness.ParseControl(lines)); diff != "" {
			t.Errorf("ParseControl(%q): %s", lines, diff)
		}
	}
	type c = freshness.Control
	f(func(*c) {})
	f(func(*c) {}, "", " , ,", `ext="no-store, private"`, "=no-store", "no store", "x=y")
	f(func(c *c) { c.NoStore, c.NoCache, c.Private, c.Public = true, true, true, true }, "No-Store, no-CACHE", "private,public")
	f(func(c *c) {
		c.MustRevalidate, c.ProxyRevalidate, c.MustUnderstand, c.NoTransform, c.Immutable = true, true, true, true, true
	},
		"must-revalidate, proxy-revalidate, must-understand, no-transform, immutable")
	f(func(c *c) { c.MaxAge, c.SMaxAge = time.Minute, time.Second }, `max-age="60", s-maxage=1`)
	f(func(c *c) { c.MaxAge = 1 << 31 * time.Second }, "max-age=99999999999999999999999")
	f(func(c *c) { c.MaxAge = time.Minute }, "max-age=60, max-age=60")
	f(func(c *c) { c.MaxAge = 0 }, "max-age=60, max-age=70")
	f(func(c *c) { c.MaxAge = 0 }, "max-age=70, max-age=60")
	for _, bad := range []string{"max-age", "max-age=", "max-age=x", "max-age=-1", "max-age=1.5", "max-age =60", "max-age= 60", `max-age="60`, "max-age=60;x"} {
		f(func(c *c) { c.MaxAge = 0 }, bad)
	}
	f(func(c *c) { c.StaleWhileRevalidate, c.StaleIfError = time.Minute, 0 }, "stale-while-revalidate=60, stale-if-error=0, stale-while-revalidate=90")
	f(func(*c) {}, "stale-while-revalidate, stale-if-error=x")
	f(func(c *c) { c.NoCacheFields = []string{"X-A", "X-B"} }, `no-cache="x-a, X-B"`)
	f(func(c *c) { c.PrivateFields = []string{"X-A"} }, "private=x-a")
	f(func(c *c) { c.NoCache = true }, `no-cache="x-a", no-cache`)
	f(func(c *c) { c.Private = true }, `private=""`)
	f(func(c *c) { c.Private = true }, `private="x a"`)
	f(func(c *c) { c.NoStore = true }, `ext="\"", no-store`)
}

func TestParseDemand(t *testing.T) {
	f := func(want freshness.Demand, h http.Header) {
		t.Helper()
		if diff := cmp.Diff(want, freshness.ParseDemand(h)); diff != "" {
			t.Errorf("ParseDemand(%v): %s", h, diff)
		}
	}
	none := freshness.Demand{MaxAge: absent, MinFresh: absent, MaxStale: absent, StaleIfError: absent}
	with := func(change func(*freshness.Demand)) freshness.Demand {
		d := none
		change(&d)
		return d
	}
	type d = freshness.Demand
	cc := func(v ...string) http.Header { return http.Header{"Cache-Control": v} }
	f(none, http.Header{})
	f(with(func(d *d) { d.NoStore, d.NoCache, d.NoTransform, d.OnlyIfCached = true, true, true, true }), cc("no-store,no-cache", "no-transform, only-if-cached"))
	f(with(func(d *d) { d.MaxAge, d.MinFresh, d.MaxStale, d.StaleIfError = 0, 1e9, 2e9, 3e9 }), cc("max-age=0, min-fresh=1, max-stale=2, stale-if-error=3"))
	f(with(func(d *d) { d.MaxStale = 1 << 31 * time.Second }), cc("max-stale"))
	f(with(func(d *d) { d.MaxAge = 0 }), cc("max-age=x, max-stale=x, min-fresh=x"))
	f(with(func(d *d) { d.MinFresh, d.MaxStale = 5e9, 1e9 }), cc("min-fresh=5, min-fresh=1, max-stale=1, max-stale=5"))
	f(with(func(d *d) { d.NoCache = true }), http.Header{"Pragma": {"x, No-Cache"}})
	f(with(func(d *d) { d.MaxAge = 5e9 }), http.Header{"Pragma": {"no-cache"}, "Cache-Control": {"max-age=5"}})
}

func TestParseTargeted(t *testing.T) {
	f := func(want func(*freshness.Control), lines ...string) {
		t.Helper()
		c := control(func(c *freshness.Control) { c.Targeted = true })
		if want != nil {
			want(&c)
		}
		got, ok := freshness.ParseTargeted(lines)
		if ok != (want != nil) {
			t.Errorf("ParseTargeted(%q) = %v, want %v", lines, ok, want != nil)
		} else if diff := cmp.Diff(c, got); ok && diff != "" {
			t.Errorf("ParseTargeted(%q): %s", lines, diff)
		}
	}
	type c = freshness.Control
	f(nil)
	f(nil, "")
	f(nil, "max-age=60, &")
	f(nil, "Max-Age=60")
	f(nil, "max-age=60,")
	f(func(c *c) { c.MaxAge = time.Minute }, "max-age=60;a=1, other, list=(1 2)")
	f(func(c *c) { c.MaxAge = 0 }, "max-age=60, max-age=0")
	f(func(c *c) { c.NoStore, c.MaxAge = true, time.Minute }, "max-age=60", "no-store")
	f(func(*c) {}, "no-store=?0, private=?0")
	for _, bad := range []string{"max-age", "max-age=-1", `max-age="60"`, "max-age=x", "max-age=1.5", "max-age=(60)"} {
		f(func(c *c) { c.MaxAge = 0 }, bad)
	}
	f(func(c *c) { c.NoCacheFields, c.StaleIfError = []string{"X-A"}, 1e9 }, `no-cache="x-a", stale-if-error=1, stale-while-revalidate=x`)
	f(func(c *c) { c.Private = true }, "private")
	f(func(c *c) { c.Private = true }, `private=""`)
}

func TestResponseControlPrefersTheTargetedField(t *testing.T) {
	h := http.Header{"Cache-Control": {"no-store"}, "Cdn-Cache-Control": {"max-age=60"}}
	if c := freshness.ResponseControl(h); c.NoStore || c.MaxAge != time.Minute {
		t.Errorf("ResponseControl(%v) = %+v", h, c)
	}
	h.Set("Cdn-Cache-Control", "max-age=60=")
	if c := freshness.ResponseControl(h); !c.NoStore {
		t.Errorf("ResponseControl(%v) = %+v", h, c)
	}
}

func TestParseDate(t *testing.T) {
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, good := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "sun, 06 NOV 1994 08:49:37 gmt", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		if got, ok := freshness.ParseDate(good); !ok || !got.Equal(want) {
			t.Errorf("ParseDate(%q) = %v, %v", good, got, ok)
		}
	}
	for _, bad := range []string{"", "0", "-1", "Sun, 06 Nov 1994 08:49:37 EST", "Sun, 06 Nov 1994 08:49:37 +0000", "Sunday, 06-Nov-94 08:49:37 PST", "Sun, 06 Nov 1994 08:49:61 GMT", "06 Nov 1994 08:49:37 GMT", "784111777"} {
		if got, ok := freshness.ParseDate(bad); ok {
			t.Errorf("ParseDate(%q) = %v", bad, got)
		}
	}
}
