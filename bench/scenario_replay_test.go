package bench_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
)

func TestReplay(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{})
	defer o.Close()
	origin, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	all := httptest.NewServer(oneRead(o.URL)) // a cache without limit
	defer all.Close()
	none := httptest.NewServer(httputil.NewSingleHostReverseProxy(origin))
	defer none.Close()
	patient := func(o *bench.Options) { o.For = time.Minute }
	f := func(trace, base string, cache int64, ours, lru string) {
		t.Helper()
		r := do(t, bench.Replay{Origin: origin, Trace: trace, Requests: 300, Scale: 1, Cache: cache}, patient, base)
		if got := r.Settings["byte hit ratio"]; !r.Passed() || r.Requests != 300 || got != ours && (ours != "" || got == "0.0000") {
			t.Errorf("%s: %s, %+v", trace, got, r.Checks)
		}
		if got := r.Settings["byte hit ratio of LRU"]; got != lru && (lru != "same" || got != r.Settings["byte hit ratio"]) {
			t.Errorf("%s: LRU %s, want %s", trace, got, lru)
		}
	}
	f("films", none.URL, 1, "0.0000", "0.0000")
	f("live", none.URL, 0, "0.0000", "")
	f("tail", all.URL+"/t/ticket", 1<<40, "", "same")
	f("mixed", all.URL, 1<<40, "", "same")
	f("clips", all.URL+"/t/ticket/", 1<<40, "", "same")
}

func TestReplayRefuses(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	origin, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := func(p bench.Replay, kind weir.Kind) {
		t.Helper()
		_, err := bench.Do(t.Context(), p, bench.Options{For: time.Second, Connections: 1}, []bench.Target{target(t, s.URL)})
		if weir.KindOf(err) != kind {
			t.Errorf("%+v: %v, want %v", p, err, kind)
		}
	}
	f(bench.Replay{Trace: "films", Requests: 1, Scale: 1}, weir.Invalid)
	f(bench.Replay{Origin: origin, Trace: "films", Requests: 0, Scale: 1}, weir.Invalid)
	f(bench.Replay{Origin: origin, Trace: "films", Requests: 1, Scale: 65}, weir.Invalid)
	f(bench.Replay{Origin: origin, Trace: "x", Requests: 1, Scale: 1}, weir.Invalid)
	f(bench.Replay{Origin: origin, Trace: "films", Requests: 1, Scale: 1}, weir.Unavailable) // this one counts no reads
}
