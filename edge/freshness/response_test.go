package freshness_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/edge/freshness"
)

// now is the time of every test.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// fields reads "Name: value" lines; {-90} becomes the date 90 s before now.
func fields(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if strings.HasPrefix(value, "{") {
			d, err := time.ParseDuration(strings.Trim(value, "{}") + "s")
			if err != nil {
				panic(err)
			}
			value = now.Add(d).Format(http.TimeFormat)
		}
		h.Add(name, value)
	}
	return h
}

func response(status int, lines ...string) freshness.Response {
	return freshness.NewResponse(status, fields(lines...), now, now)
}

func TestLifetimeAndAge(t *testing.T) {
	f := func(lifetime, age int, lines ...string) {
		t.Helper()
		r := response(200, lines...)
		if r.Lifetime != time.Duration(lifetime)*time.Second || r.Age(now) != time.Duration(age)*time.Second {
			t.Errorf("%q: lifetime %v, age %v, want %d s, %d s", lines, r.Lifetime, r.Age(now), lifetime, age)
		}
	}
	f(0, 0)
	f(60, 0, "Cache-Control: max-age=60")
	f(5, 0, "Cache-Control: max-age=60, s-maxage=5", "Expires: {900}")
	f(60, 0, "Cache-Control: max-age=60", "Expires: 0")
	f(900, 0, "Date: {0}", "Expires: {900}")
	f(200, 100, "Date: {-100}", "Expires: {100}")
	f(0, 0, "Expires: {-5}")
	f(0, 0, "Expires: 0")
	f(0, 0, "Expires: {900}", "Expires: {800}")
	f(900, 0, "Expires: {900}", "Expires: {900}")
	f(0, 0, "Cdn-Cache-Control: public", "Expires: {900}")
	f(100, 0, "Last-Modified: {-1000}")
	f(90, 100, "Date: {-100}", "Last-Modified: {-1000}")
	f(86400, 0, "Last-Modified: {-99999999}")
	f(0, 0, "Last-Modified: {100}")
	f(0, 0, "Last-Modified: never")
	f(60, 70, "Cache-Control: max-age=60", "Age: 70")
	f(60, 70, "Cache-Control: max-age=60", "Age: 70, 1", "Age: 2")
	f(60, 0, "Cache-Control: max-age=60", "Age: x")
	f(60, 0, "Cache-Control: max-age=60", "Age: -5")
	f(60, 1<<31, "Cache-Control: max-age=60", "Age: 99999999999999")
	f(60, 80, "Cache-Control: max-age=60", "Age: 70", "Date: {-80}")
	f(60, 70, "Cache-Control: max-age=60", "Age: 70", "Date: {-50}")
	f(60, 0, "Cache-Control: max-age=60", "Date: {500}")
	f(60, 0, "Cache-Control: max-age=60", "Date: x")
}

func TestAgeGrowsWithDelayAndResidence(t *testing.T) {
	r := freshness.NewResponse(200, fields("Age: 10", "Cache-Control: max-age=60"), now.Add(-3*time.Second), now)
	if got := r.Age(now.Add(5 * time.Second)); got != 18*time.Second {
		t.Errorf("Age = %v, want 10 s, and 3 s on the way, and 5 s here", got)
	}
	if got := r.TTL(now.Add(5 * time.Second)); got != 42*time.Second {
		t.Errorf("TTL = %v", got)
	}
	if got := r.Age(now.Add(-time.Hour)); got != 13*time.Second {
		t.Errorf("Age of a clock set back = %v", got)
	}
}

func TestDateIsAdded(t *testing.T) {
	for _, lines := range [][]string{nil, {"Date: x"}} {
		if r := response(200, lines...); r.Header.Get("Date") != now.Format(http.TimeFormat) || !r.Date.Equal(now) {
			t.Errorf("NewResponse(%q) has the Date %q", lines, r.Header.Get("Date"))
		}
	}
}

func TestStorable(t *testing.T) {
	f := func(want string, r freshness.Response, method string, authorized bool, demand string) {
		t.Helper()
		d := freshness.ParseDemand(fields("Cache-Control: " + demand))
		ok, reason := r.Storable(method, authorized, d)
		if ok != (want == "") || reason != want {
			t.Errorf("%d %v: Storable(%s, %v, %q) = %v, %q, want %q", r.Status, r.Header, method, authorized, demand, ok, reason, want)
		}
	}
	get := func(want string, status int, lines ...string) {
		t.Helper()
		f(want, response(status, lines...), "GET", false, "")
	}
	get("", 200, "Cache-Control: max-age=60")
	get("", 200, "Last-Modified: {-1000}")
	get("", 200, "Etag: \"a\"")
	get("expired", 200)
	get("expired", 200, "Cache-Control: max-age=0")
	get("", 200, "Cache-Control: max-age=0", "Etag: \"a\"")
	get("", 200, "Cache-Control: max-age=0, stale-while-revalidate=9")
	get("expired", 200, "Cache-Control: max-age=0, stale-while-revalidate=9, must-revalidate")
	get("no-store", 200, "Cache-Control: max-age=60, no-store")
	get("", 200, "Cache-Control: max-age=60, no-store, must-understand")
	get("must-understand", 299, "Cache-Control: max-age=60, no-store, must-understand")
	get("private", 200, "Cache-Control: max-age=60, private")
	get("", 200, "Cache-Control: max-age=60, private=\"x-a\"")
	get("vary", 200, "Cache-Control: max-age=60", "Vary: a, *")
	get("set-cookie", 200, "Cache-Control: max-age=60", "Set-Cookie: a=1")
	get("", 200, "Cache-Control: max-age=60, public", "Set-Cookie: a=1")
	get("content-range", 200, "Cache-Control: max-age=60", "Content-Range: bytes 0-1/2")
	get("status", 206, "Cache-Control: max-age=60")
	get("status", 304, "Cache-Control: max-age=60")
	get("status", 103, "Cache-Control: max-age=60")
	get("status", 302, "Last-Modified: {-1000}")
	get("", 302, "Cache-Control: max-age=60")
	get("", 302, "Cache-Control: public", "Last-Modified: {-1000}")
	get("", 500, "Expires: {60}")
	for _, status := range []int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501} {
		get("", status, "Last-Modified: {-1000}")
	}
	r := response(200, "Cache-Control: max-age=60")
	f("method", r, "POST", false, "")
	f("authorization", r, "GET", true, "")
	f("request-no-store", r, "GET", false, "no-store")
	for _, more := range []string{"public", "must-revalidate", "s-maxage=5"} {
		f("", response(200, "Cache-Control: max-age=60, "+more), "GET", true, "")
	}
}

func TestReuse(t *testing.T) {
	f := func(want freshness.Use, demanded bool, age int, control, demand string) {
		t.Helper()
		r := response(200, "Cache-Control: "+control)
		got, d := r.Reuse(freshness.ParseDemand(fields("Cache-Control: "+demand)), now.Add(time.Duration(age)*time.Second))
		if got != want || d != demanded {
			t.Errorf("%q after %d s for %q: Reuse = %v, %v, want %v, %v", control, age, demand, got, d, want, demanded)
		}
	}
	f(freshness.Fresh, false, 59, "max-age=60", "")
	f(freshness.Validate, false, 60, "max-age=60", "")
	f(freshness.Validate, false, 0, "no-cache, max-age=60", "max-stale")
	f(freshness.Validate, true, 5, "max-age=60", "no-cache")
	f(freshness.Validate, true, 5, "max-age=60", "max-age=4")
	f(freshness.Fresh, false, 5, "max-age=60", "max-age=5")
	f(freshness.Validate, true, 5, "max-age=60", "min-fresh=56")
	f(freshness.Fresh, false, 5, "max-age=60", "min-fresh=55")
	f(freshness.Stale, false, 70, "max-age=60", "max-stale")
	f(freshness.Stale, false, 70, "max-age=60", "max-stale=10")
	f(freshness.Validate, false, 71, "max-age=60", "max-stale=10")
	f(freshness.Validate, false, 70, "max-age=60", "max-stale=10, max-age=65")
	f(freshness.Validate, false, 70, "max-age=60", "max-stale=10, min-fresh=1")
	f(freshness.Refresh, false, 69, "max-age=60, stale-while-revalidate=10", "")
	f(freshness.Validate, false, 70, "max-age=60, stale-while-revalidate=10", "")
	f(freshness.Validate, false, 61, "max-age=60, stale-while-revalidate=10", "no-cache")
	for _, strict := range []string{"must-revalidate", "proxy-revalidate", "s-maxage=60"} {
		f(freshness.Validate, false, 61, "max-age=60, stale-while-revalidate=10, "+strict, "max-stale")
	}
}

func TestStaleOnError(t *testing.T) {
	f := func(want bool, age int, control, demand string, away bool) {
		t.Helper()
		r := response(200, "Cache-Control: "+control)
		d := freshness.ParseDemand(fields("Cache-Control: " + demand))
		if got := r.StaleOnError(d, now.Add(time.Duration(age)*time.Second), away, 100*time.Second); got != want {
			t.Errorf("%q after %d s for %q, away %v: StaleOnError = %v", control, age, demand, away, got)
		}
	}
	f(false, 61, "max-age=60", "", false)
	f(true, 69, "max-age=60, stale-if-error=10", "", false)
	f(false, 70, "max-age=60, stale-if-error=10", "", false)
	f(true, 69, "max-age=60", "stale-if-error=10", false)
	f(true, 159, "max-age=60", "", true)
	f(false, 160, "max-age=60", "", true)
	f(true, 5, "max-age=60", "", true)
	f(false, 61, "max-age=60", "no-cache", true)
	for _, strict := range []string{"must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"} {
		f(false, 61, "max-age=60, stale-if-error=10, "+strict, "stale-if-error=10", true)
	}
}
