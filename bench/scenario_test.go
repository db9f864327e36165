package bench_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
)

func check(t *testing.T, r bench.Result, what string) bench.Verdict {
	t.Helper()
	for _, c := range r.Checks {
		if strings.Contains(c.What, what) {
			return c
		}
	}
	t.Fatalf("%s demands nothing about %q: %+v", r.Scenario, what, r.Checks)
	return bench.Verdict{}
}

// oneRead is a cache of the simplest kind: everyone waits for one read.
func oneRead(origin string) http.Handler {
	var mu sync.Mutex
	bodies := map[string]func() []byte{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		body := bodies[r.URL.Path]
		if body == nil {
			body = sync.OnceValue(func() []byte {
				resp, err := http.Get(origin + strings.TrimPrefix(r.URL.Path, "/t/ticket"))
				if err != nil {
					return nil
				}
				defer resp.Body.Close()
				b, _ := io.ReadAll(resp.Body)
				return b
			})
			bodies[r.URL.Path] = body
		}
		mu.Unlock()
		_, _ = w.Write(body())
	})
}

func TestHerd(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{Delay: 5 * time.Millisecond})
	defer o.Close()
	cache := httptest.NewServer(oneRead(o.URL))
	defer cache.Close()
	origin, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	herd := func(o *bench.Options) { o.Connections, o.For = 20, 10*time.Second }
	r := do(t, bench.Herd{Origin: origin}, herd, cache.URL+"/t/ticket/bench/64k/a.m4s", cache.URL+"/bench/64k/b.m4s")
	if !r.Passed() || r.Requests != 40 || r.Connections != 40 {
		t.Errorf("one read a herd: %+v, %d requests, %v", r.Checks, r.Requests, r.Errors)
	}
	if m := r.Main(); m.TTFB.Curve[0].Ms < 5 {
		t.Errorf("a first byte after %g ms, and the origin waits 5", m.TTFB.Curve[0].Ms)
	}
	r = do(t, bench.Herd{Origin: origin}, herd, o.URL+"/bench/64k/c.m4s")
	if c := check(t, r, "read once"); r.Passed() || !strings.HasPrefix(c.Got, "20 reads") {
		t.Errorf("no cache: %+v", c)
	}
}

func TestHerdFindsWrongBodies(t *testing.T) {
	good := bench.Body("/bench/4k/a.m4s", 4096)
	bad := bytes.Clone(good)
	bad[4000] ^= 1
	f := func(body []byte, want string) {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
		defer s.Close()
		r := do(t, bench.Herd{}, nil, s.URL+"/bench/4k/a.m4s")
		if want == "" && !r.Passed() || want != "" && r.Errors[want] != 2 {
			t.Errorf("a body of %d bytes: %v, want %q", len(body), r.Errors, want)
		}
	}
	f(good, "")
	f(bad, "corrupt")
	f(good[:4095], "silently-short")
	f(append(bytes.Clone(good), 0), "corrupt")
}

// Of a URL that is not bench's own, the first body is what the others must be.
func TestCheckOfUnknownBodies(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++ // one connection: one at a time
		_, _ = w.Write([]byte{'a', byte('a' + n/3%2)})
	}))
	defer s.Close()
	r := do(t, bench.Hot{}, func(o *bench.Options) { o.Connections, o.Client, o.For = 1, bench.Check, 50*time.Millisecond }, s.URL+"/x.m4s")
	if r.Requests < 2 || r.Errors["corrupt"] == 0 {
		t.Errorf("%d right, %v", r.Requests, r.Errors)
	}
}

// Every fault of the origin is one that a client without a cache between sees as such.
func TestFaultsAreVisible(t *testing.T) {
	for name, want := range map[string]string{"truncate": "short", "reset": "short", "chunked": "short", "length": "short", "error": "status-503", "slow": ""} {
		faults, err := bench.NewFaults([]string{name}, 1, 20*time.Millisecond, 1)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(&bench.Origin{Faults: faults})
		s.Config.ErrorLog = nil
		s.Start()
		r := do(t, bench.BrokenOrigin{}, nil, s.URL+"/bench/100k/a.m4s", s.URL+"/bench/50k/b.m4s")
		s.Close()
		if r.Errors["corrupt"]+r.Errors["silently-short"] > 0 || !check(t, r, "corrupt").OK || !check(t, r, "silently").OK {
			t.Errorf("%s: %v", name, r.Errors)
		}
		if want == "" && (r.Failed() > 0 || r.Requests == 0) || want != "" && r.Errors[want] == 0 {
			t.Errorf("%s: %d right, %v, want %q", name, r.Requests, r.Errors, want)
		}
	}
}

// A cache that hands on what it got of a broken read as if it were all is caught.
func TestFaultsCatchALiar(t *testing.T) {
	faults, err := bench.NewFaults([]string{"truncate"}, 0.5, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	o := httptest.NewServer(&bench.Origin{Faults: faults})
	defer o.Close()
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get(o.URL + r.URL.Path)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		_, _ = w.Write(b)
	}))
	defer liar.Close()
	r := do(t, bench.BrokenOrigin{}, nil, liar.URL+"/bench/100k/a.m4s")
	if r.Passed() || r.Errors["silently-short"] == 0 {
		t.Errorf("passed %v, %v", r.Passed(), r.Errors)
	}
}

func TestNewFaultsRefuses(t *testing.T) {
	f := func(share float64, stall time.Duration, names ...string) {
		t.Helper()
		if _, err := bench.NewFaults(names, share, stall, 1); weir.KindOf(err) != weir.Invalid {
			t.Errorf("NewFaults(%v, %g, %v) = %v", names, share, stall, err)
		}
	}
	f(2, 0, "reset")
	f(0.5, time.Hour, "reset")
	f(0.5, 0, "nothing")
	f(0.5, 0)
}

func TestFlash(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{})
	defer o.Close()
	r := do(t, bench.Flash{}, func(o *bench.Options) { o.Rate, o.Constant, o.Connections = 200, true, 8 }, o.URL+"/bench/16k/1.m4s", o.URL+"/bench/16k/2.m4s")
	if r.Requests+r.Failed() != 40 || !r.Passed() {
		t.Errorf("%d of 40 requests, %v", r.Requests, r.Errors)
	}
	if _, err := bench.Do(t.Context(), bench.Flash{}, bench.Options{For: time.Second, Connections: 1}, []bench.Target{target(t, o.URL)}); weir.KindOf(err) != weir.Invalid {
		t.Errorf("a crowd without a rate: %v", err)
	}
}

func TestChurn(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{})
	defer o.Close()
	r := do(t, bench.Churn{}, nil, o.URL+"/bench/1k/1.m4s")
	if r.Requests == 0 || r.Connections < r.Requests || !r.Passed() {
		t.Errorf("%d requests over %d connections, %v", r.Requests, r.Connections, r.Errors)
	}
}

func TestTokens(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.RawQuery] = true
		_, _ = w.Write([]byte("x"))
	}))
	defer s.Close()
	urls, err := bench.Expand([]string{s.URL + "/x.m4s?ticket={n}"}, 5, "f")
	if err != nil {
		t.Fatal(err)
	}
	r := do(t, bench.Tokens{}, nil, urls...)
	if len(seen) != 5 || !r.Passed() || strings.Contains(strings.Join(r.Targets, " "), "ticket=1") {
		t.Errorf("%d tickets came, %v, targets %v", len(seen), r.Errors, r.Targets)
	}
}

func TestExpand(t *testing.T) {
	got, err := bench.Expand([]string{"a{n}", "b", "{fresh}-{n}"}, 2, "z")
	if want := "a0 a1 b z-0 z-1"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("Expand = %v, %v, want %s", got, err, want)
	}
	for _, n := range []int{0, 1_000_001} {
		if _, err := bench.Expand([]string{"a{n}"}, n, ""); weir.KindOf(err) != weir.Invalid {
			t.Errorf("Expand of %d: %v", n, err)
		}
	}
}

func TestSlow(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{})
	defer o.Close()
	f := func(rate int, d time.Duration, path, want string) {
		t.Helper()
		r := do(t, bench.Slow{BytesPerSecond: rate}, func(o *bench.Options) { o.For, o.Connections = d, 3 }, o.URL+path)
		if !strings.Contains(r.Notes[0], want) {
			t.Errorf("at %d bytes/s: %v, want %s", rate, r.Notes, want)
		}
	}
	f(10_000_000, 20*time.Second, "/bench/20k/a.m4s", "3 got a whole body, 0 were cut off, 0 were still held")
	f(1000, 100*time.Millisecond, "/bench/20k/a.m4s", "0 got a whole body, 0 were cut off, 3 were still held")
	f(10_000_000, 20*time.Second, "/nothing", "0 got a whole body, 0 were cut off, 0 were still held at the end, 3 did not get in")
}

func TestPlayers(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{})
	defer o.Close()
	hosts := &bench.Hosts{}
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, o.URL+"/hls/moved/main.m3u8", http.StatusFound) // as a foreign token is exchanged
	}))
	defer redirect.Close()
	p := bench.Players{Hosts: hosts, Zipf: 1, Seeks: 1, Abandon: time.Minute}
	r := do(t, p, func(o *bench.Options) { o.For, o.Connections = 300*time.Millisecond, 6 },
		o.URL+"/hls/a/main.m3u8", o.URL+"/live/b/main.m3u8", redirect.URL+"/x.m3u8")
	q := r.QoE
	if q == nil || q.Players != 6 || q.NeverPlayed != 0 || r.Failed() > 0 || q.PlaySeconds == 0 || q.BitRate < 400_000 || len(r.Kinds) != 3 {
		t.Errorf("%+v, %v, %+v", q, r.Errors, r.Checks)
	}
	r = do(t, p, nil, o.URL+"/nothing.m3u8")
	if r.Passed() || r.Errors["status-404"] == 0 {
		t.Errorf("nothing to play: %v, %+v", r.Errors, r.Checks)
	}
}

// Viewers do not follow a manifest to a host that is not ours.
func TestPlayersStayHome(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://192.0.2.1/x.m3u8\n"))
	}))
	defer s.Close()
	r := do(t, bench.Players{Hosts: &bench.Hosts{}, Abandon: time.Minute}, nil, s.URL+"/x.m3u8")
	if r.Errors["forbidden"] == 0 {
		t.Errorf("errors %v", r.Errors)
	}
}
