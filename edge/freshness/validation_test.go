package freshness_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/edge/freshness"
)

func TestNotModified(t *testing.T) {
	f := func(want bool, status int, stored, request []string) {
		t.Helper()
		r := response(status, stored...)
		if got := r.NotModified(fields(request...)); got != want {
			t.Errorf("%d %q: NotModified(%q) = %v", status, stored, request, got)
		}
	}
	tag, weak, dated := []string{`Etag: "a"`}, []string{`Etag: W/"a"`}, []string{"Last-Modified: {-1000}"}
	f(false, 200, tag, nil)
	f(true, 200, tag, []string{`If-None-Match: "a"`})
	f(true, 200, tag, []string{`If-None-Match: W/"a"`})
	f(true, 200, weak, []string{`If-None-Match: "a"`})
	f(true, 200, tag, []string{`If-None-Match: "x" ,,W/"y", "a"`})
	f(true, 200, tag, []string{`If-None-Match: "x"`, `If-None-Match: "a"`})
	f(true, 200, tag, []string{"If-None-Match: *"})
	f(true, 200, nil, []string{"If-None-Match: *"})
	f(false, 200, nil, []string{`If-None-Match: "a"`})
	f(false, 200, tag, []string{`If-None-Match: a`})
	f(false, 200, tag, []string{`If-None-Match: "x, "a"`})
	f(false, 404, tag, []string{`If-None-Match: "a"`})
	f(true, 204, tag, []string{`If-None-Match: "a"`})
	f(false, 200, []string{`Etag: "a"`, "Last-Modified: {-1000}"}, []string{`If-None-Match: "b"`, "If-Modified-Since: {-10}"})
	f(true, 200, dated, []string{"If-Modified-Since: {-1000}"})
	f(false, 200, dated, []string{"If-Modified-Since: {-1001}"})
	f(false, 200, dated, []string{"If-Modified-Since: x"})
	f(false, 200, dated, []string{"If-Modified-Since: {-10}", "If-Modified-Since: {-10}"})
	f(true, 200, []string{"Date: {-10}"}, []string{"If-Modified-Since: {-10}"})
	f(false, 200, []string{"Date: {-10}"}, []string{"If-Modified-Since: {-11}"})
}

func TestRangeApplies(t *testing.T) {
	f := func(want bool, stored []string, request ...string) {
		t.Helper()
		r := response(200, stored...)
		if got := r.RangeApplies(fields(request...)); got != want {
			t.Errorf("%q: RangeApplies(%q) = %v", stored, request, got)
		}
	}
	tag, dated := []string{`Etag: "a"`}, []string{"Last-Modified: {-1000}"}
	f(true, nil)
	f(true, tag, `If-Range: "a"`)
	f(false, tag, `If-Range: "b"`)
	f(false, tag, `If-Range: W/"a"`)
	f(false, []string{`Etag: W/"a"`}, `If-Range: W/"a"`)
	f(false, nil, `If-Range: "a"`)
	f(false, tag, `If-Range: "a"`, `If-Range: "a"`)
	f(true, dated, "If-Range: {-1000}")
	f(false, dated, "If-Range: {-999}")
	f(false, dated, "If-Range: x")
	f(false, []string{"Last-Modified: {0}"}, "If-Range: {0}")
	f(true, []string{"Last-Modified: {-1}"}, "If-Range: {-1}")
}

func TestConditions(t *testing.T) {
	f := func(want http.Header, selected *freshness.Response, others ...*freshness.Response) {
		t.Helper()
		h := fields(`If-None-Match: "theirs"`, "If-Modified-Since: {-5}", "Range: bytes=0-1", `If-Range: "x"`)
		freshness.Unconditional(h)
		freshness.Conditions(h, selected, others)
		if diff := cmp.Diff(want, h); diff != "" {
			t.Errorf("Conditions: %s", diff)
		}
	}
	a, b, dated, bad := response(200, `Etag: "a"`, "Last-Modified: {-9}"), response(200, `Etag: W/"b"`), response(200, "Last-Modified: {-9}"), response(200, "Etag: a", "Last-Modified: x")
	f(http.Header{}, nil)
	f(http.Header{}, &bad)
	f(fields("If-Modified-Since: {-9}"), &dated)
	f(fields("If-Modified-Since: {-9}"), &dated, &b)
	f(fields("If-Modified-Since: {-9}", `If-None-Match: "a", W/"b"`), &a, &b, &a)
	f(fields(`If-None-Match: "a", W/"b"`), nil, &a, &b, &dated, &bad)
}

func TestValidated(t *testing.T) {
	f := func(want bool, stored string, only bool, got ...string) {
		t.Helper()
		r := response(200, stored)
		if v := r.Validated(fields(got...), only); v != want {
			t.Errorf("%q: Validated(%q, %v) = %v", stored, got, only, v)
		}
	}
	f(true, `Etag: "a"`, false, `Etag: "a"`)
	f(false, `Etag: "a"`, true, `Etag: "b"`)
	f(true, `Etag: "a"`, false, `Etag: W/"a"`)
	f(true, `Etag: W/"a"`, false, `Etag: W/"a"`)
	f(false, `Etag: W/"a"`, false, `Etag: "a"`)
	f(true, "Last-Modified: {-9}", false, "Last-Modified: {-9}")
	f(false, "Last-Modified: {-9}", true, "Last-Modified: {-8}")
	f(true, `Etag: "a"`, true)
	f(false, `Etag: "a"`, false)
}

func TestFreshen(t *testing.T) {
	old := response(200, "Cache-Control: max-age=1", `Etag: "a"`, "X-Old: 1", "X-Both: old", "Content-Encoding: gzip", "Age: 50", "Date: {-90}")
	later := now.Add(time.Minute)
	r := old.Freshen(fields("Cache-Control: max-age=60, private=\"x-secret\"", "X-Both: new", "X-Secret: 1", "Content-Encoding: br", "Content-Length: 5", "Content-Range: bytes 0-1/2", "Content-Type: a/b"), later, later)
	want := fields("Cache-Control: max-age=60, private=\"x-secret\"", `Etag: "a"`, "X-Old: 1", "X-Both: new", "Content-Encoding: gzip", "Content-Type: a/b", "Date: {60}")
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Errorf("Freshen: %s", diff)
	}
	if r.Lifetime != time.Minute || r.Age(later) != 0 || old.Header.Get("X-Both") != "old" {
		t.Errorf("Freshen: lifetime %v, age %v, and the old one has %v", r.Lifetime, r.Age(later), old.Header)
	}
}

func TestSameAsHead(t *testing.T) {
	f := func(want bool, size int64, got ...string) {
		t.Helper()
		r := response(200, `Etag: "a"`, "Last-Modified: {-9}")
		if same := r.SameAsHead(fields(got...), size); same != want {
			t.Errorf("SameAsHead(%q, %d) = %v", got, size, same)
		}
	}
	f(true, 10)
	f(true, 10, "Content-Length: 10", `Etag: "a"`, "Last-Modified: {-9}")
	f(true, -1, "Content-Length: 11")
	f(false, 10, "Content-Length: 11")
	f(false, 10, "Content-Length: x")
	f(false, 10, `Etag: "b"`)
	f(false, 10, "Last-Modified: {-8}")
}

func TestInvalidated(t *testing.T) {
	target, err := url.Parse("http://a.test/dir/x?q=1")
	if err != nil {
		t.Fatal(err)
	}
	f := func(want, method string, status int, lines ...string) {
		t.Helper()
		var got []string
		for _, u := range freshness.Invalidated(method, target, status, fields(lines...)) {
			got = append(got, u.String())
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("Invalidated(%s, %d, %q) = %s, want %s", method, status, lines, s, want)
		}
	}
	f("http://a.test/dir/x?q=1", "POST", 200)
	f("http://a.test/dir/x?q=1", "MYSTERY", 303)
	f("", "POST", 404)
	f("", "POST", 500)
	for _, safe := range []string{"GET", "HEAD", "OPTIONS", "TRACE"} {
		f("", safe, 200, "Location: /y")
	}
	f("http://a.test/dir/x?q=1 http://a.test/y http://a.test/dir/z", "PUT", 201, "Location: /y#frag", "Content-Location: z")
	f("http://a.test/dir/x?q=1 http://A.test/y", "PUT", 201, "Location: http://A.test/y")
	f("http://a.test/dir/x?q=1", "PUT", 201, "Location: http://b.test/y", "Content-Location: https://a.test/y")
	f("http://a.test/dir/x?q=1", "PUT", 201, "Location: http://%zz/", "Content-Location: /a", "Content-Location: /b")
}

func TestVary(t *testing.T) {
	f := func(want bool, vary string, stored, request []string) {
		t.Helper()
		v := freshness.NewVary(fields("Vary: "+vary), fields(stored...))
		if got := v.Matches(fields(request...)); got != want {
			t.Errorf("Vary %q of %q: Matches(%q) = %v", vary, stored, request, got)
		}
	}
	f(true, "", []string{"X-A: 1"}, nil)
	f(true, "x-a", []string{"X-A: 1"}, []string{"X-A: 1"})
	f(false, "x-a", []string{"X-A: 1"}, []string{"X-A: 2"})
	f(false, "x-a", []string{"X-A: 1"}, nil)
	f(false, "x-a", nil, []string{"X-A: "})
	f(true, "x-a, X-A,,", nil, nil)
	f(true, "x-a", []string{"X-A: a , b"}, []string{"X-A: a", "X-A: b"})
	f(false, "x-a", []string{"X-A: a b"}, []string{"X-A: a, b"})
	f(false, "x-a", []string{`X-A: "a,b"`}, []string{`X-A: "a, b"`})
	f(false, "x-a", []string{"X-A: a"}, []string{"X-A: A"})
	f(true, "accept-encoding", []string{"Accept-Encoding: gzip;q=1, BR"}, []string{"Accept-Encoding: GZIP; q=1,br"})
	f(false, "*", nil, nil)
	f(false, "x-a, *", []string{"X-A: 1"}, []string{"X-A: 1"})
}

func TestChoose(t *testing.T) {
	type variant struct {
		vary string
		date string
	}
	f := func(want int, variants ...variant) {
		t.Helper()
		request := fields("X-A: 1")
		var rs []freshness.Response
		var vs []freshness.Vary
		for _, v := range variants {
			name, value, _ := strings.Cut(v.vary, "=")
			rs = append(rs, response(200, "Date: "+v.date))
			vs = append(vs, freshness.NewVary(fields("Vary: "+name), fields(name+": "+value)))
		}
		got := freshness.Choose(len(rs), request, func(i int) (*freshness.Response, freshness.Vary) { return &rs[i], vs[i] })
		if got != want {
			t.Errorf("Choose(%v) = %d, want %d", variants, got, want)
		}
	}
	f(-1)
	f(-1, variant{"X-A=2", "{0}"})
	f(1, variant{"X-A=2", "{0}"}, variant{"X-A=1", "{-9}"})
	f(0, variant{"X-A=1", "{0}"}, variant{"X-A=1", "{-9}"})
	f(1, variant{"X-A=1", "{-9}"}, variant{"X-A=1", "{0}"})
	f(0, variant{"X-A=1", "{-9}"}, variant{"", "{0}"})
	f(1, variant{"X-A=2", "{-9}"}, variant{"", "{0}"})
}

func TestForward(t *testing.T) {
	h := fields("Connection: close, x-hop", "Connection: Keep-Alive,, ", "X-Hop: 1", "Keep-Alive: 5", "Te: trailers", "Trailer: x", "Transfer-Encoding: chunked",
		"Upgrade: h2c", "Proxy-Authorization: x", "Proxy-Connection: x", "X-End: 1", "Cache-Control: no-store")
	freshness.Forward(h)
	if diff := cmp.Diff(fields("X-End: 1", "Cache-Control: no-store"), h); diff != "" {
		t.Errorf("Forward: %s", diff)
	}
}

func TestStoredFields(t *testing.T) {
	h := fields(`Cache-Control: no-cache="x-a", private="x-b"`, "X-A: 1", "X-B: 2", "X-C: 3")
	got := freshness.StoredFields(h, freshness.ResponseControl(h))
	if got.Get("X-A") != "" || got.Get("X-B") != "" || got.Get("X-C") != "3" || h.Get("X-A") != "1" {
		t.Errorf("StoredFields = %v, and %v is left", got, h)
	}
}

func TestCacheStatus(t *testing.T) {
	f := func(want string, s freshness.CacheStatus) {
		t.Helper()
		s.Cache = "weir"
		if got := string(s.Append([]byte("x, "))); got != "x, "+want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
	f("weir", freshness.CacheStatus{})
	f("weir; hit; ttl=30", freshness.CacheStatus{Hit: true, TTL: 30*time.Second + 1, HasTTL: true})
	f("weir; hit; ttl=-4; detail=x", freshness.CacheStatus{Hit: true, TTL: -4 * time.Second, HasTTL: true, Detail: "x"})
	f("weir; fwd=uri-miss; fwd-status=200; ttl=60; stored; collapsed",
		freshness.CacheStatus{Fwd: freshness.FwdURIMiss, FwdStatus: 200, TTL: time.Minute, HasTTL: true, Stored: true, Collapsed: true})
}
