package freshness_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/edge/freshness"
)

// FuzzCacheControl: a directive that forbids is never lost by what stands after it in the list, and times are in bounds.
func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{"", "max-age=60", `private="x-a, b", no-cache`, `ext="a, \"b", s-maxage="5"`, "max-age=60, max-age=61", "=,;\"", "no-cache=\"", "stale-if-error=99999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := freshness.ParseControl([]string{s})
		for _, d := range []time.Duration{c.MaxAge, c.SMaxAge, c.StaleWhileRevalidate, c.StaleIfError} {
			if d < freshness.Absent || d > 1<<31*time.Second {
				t.Fatalf("ParseControl(%q) has %v", s, d)
			}
		}
		if before := freshness.ParseControl([]string{"no-store, private," + s}); !before.NoStore || !before.Private && len(before.PrivateFields) > 0 {
			t.Fatalf("ParseControl(no-store, private,%q) = %+v", s, before)
		}
		if c.NoCache && c.NoCacheFields != nil || c.Private && c.PrivateFields != nil {
			t.Fatalf("ParseControl(%q) = %+v", s, c)
		}
		d := freshness.ParseDemand(http.Header{"Cache-Control": {s}})
		if strict := freshness.ParseDemand(http.Header{"Cache-Control": {"no-store," + s}}); !strict.NoStore || strict.MaxStale != d.MaxStale {
			t.Fatalf("ParseDemand(no-store,%q) = %+v, %+v without", s, strict, d)
		}
	})
}

// FuzzTargeted: what cannot be read is ignored as a whole, and bounds hold.
func FuzzTargeted(f *testing.F) {
	for _, s := range []string{"", "max-age=60", "max-age=60;a, no-store", "a=(1 2);b", "no-cache=\"x\"", "max-age=1.5", "max-age=-1", "A=1", "max-age=60,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := freshness.ParseTargeted([]string{s})
		if !ok && !cmp.Equal(c, freshness.Control{}) {
			t.Fatalf("ParseTargeted(%q) = %+v, false", s, c)
		}
		if ok && (c.MaxAge < freshness.Absent || c.MaxAge > 1<<31*time.Second || !c.Targeted) {
			t.Fatalf("ParseTargeted(%q) = %+v", s, c)
		}
	})
}

// FuzzVary: a request matches the response it got, unless all is varied on, and does not match with another value.
func FuzzVary(f *testing.F) {
	f.Add("x-a", "1", "2")
	f.Add("x-a, *", "", "a, b")
	f.Add("Accept-Encoding", "gzip , br", "GZIP,br")
	f.Add(",,x-a,X-A", `"a,`, `\`)
	f.Fuzz(func(t *testing.T, vary, one, two string) {
		first, second := http.Header{"X-A": {one}, "Accept-Encoding": {two}}, http.Header{"X-A": {two}, "Accept-Encoding": {one}}
		v := freshness.NewVary(http.Header{"Vary": {vary}}, first)
		all := false
		for _, name := range v.Names {
			all = all || name == "*"
		}
		if v.Matches(first) == all {
			t.Fatalf("Vary %q: the request matches itself: %v", vary, !all)
		}
		if v.Matches(second) != (!all && freshness.Key(v.Names, first) == freshness.Key(v.Names, second)) {
			t.Fatalf("Vary %q: Matches and Key differ for %q and %q", vary, one, two)
		}
	})
}

// FuzzTags: a tag that is listed is found whatever stands before it as a whole member, and "" never is.
func FuzzTags(f *testing.F) {
	for _, s := range []string{"", `"a"`, `W/"a", "b"`, "*", `"a`, `a", "b"`, ",,\t\"x\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s = strings.Trim(s, " \t"); s != "*" && freshness.TagListed([]string{s}, "", true) {
			t.Fatalf("TagListed(%q) finds no tag", s)
		}
		strong, weak := freshness.TagListed([]string{s}, `"a"`, false), freshness.TagListed([]string{s}, `"a"`, true)
		if strong && !weak {
			t.Fatalf("TagListed(%q): strong but not weak", s)
		}
		if !freshness.TagListed([]string{`"z", W/"a", ` + s}, `"a"`, true) {
			t.Fatalf("TagListed before %q is lost", s)
		}
		r := freshness.NewResponse(200, http.Header{"Etag": {s}}, now, now)
		if tag := r.ETag(); tag != "" && (tag != s || !freshness.TagListed([]string{tag}, tag, true)) {
			t.Fatalf("ETag of %q is %q", s, tag)
		}
	})
}

// FuzzResponse: whatever the fields say, what is forbidden is not stored, and a stale response is not fresh.
func FuzzResponse(f *testing.F) {
	f.Add(200, "max-age=60", "5", "Wed, 04 Mar 2026 05:06:00 GMT", "", "", "a")
	f.Add(404, "", "", "", "Wed, 04 Mar 2026 05:07:00 GMT", "Wed, 04 Mar 2025 05:07:00 GMT", "*")
	f.Add(206, "public, s-maxage=1, stale-while-revalidate=9", "-1", "x", "0", "y", "")
	f.Fuzz(func(t *testing.T, status int, control, age, date, expires, modified, vary string) {
		h := http.Header{"Cache-Control": {control}, "Age": {age}, "Date": {date}, "Expires": {expires}, "Last-Modified": {modified}, "Vary": {vary}}
		r := freshness.NewResponse(status, h, now.Add(-time.Second), now)
		if r.Lifetime < 0 || r.Age(now) < time.Second || r.Age(now) > 1<<31*time.Second {
			t.Fatalf("%v: lifetime %v, age %v", h, r.Lifetime, r.Age(now))
		}
		if ok, _ := r.Storable("GET", false, freshness.ParseDemand(http.Header{})); ok && (r.Control.Private || r.Control.NoStore && !r.Control.MustUnderstand || status == 206) {
			t.Fatalf("%d %v is storable", status, h)
		}
		later := now.Add(r.Lifetime)
		if use, _ := r.Reuse(freshness.ParseDemand(http.Header{}), later); use == freshness.Fresh {
			t.Fatalf("%v is fresh after its lifetime of %v", h, r.Lifetime)
		}
		if _, ok := freshness.ParseDate(r.Header.Get("Date")); !ok {
			t.Fatalf("%v: Date is %q", h, r.Header.Get("Date"))
		}
	})
}
