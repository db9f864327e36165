package edge_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/overload"
)

// burden is the load that an edge is made to see.
type burden struct {
	t      testing.TB
	load   atomic.Pointer[overload.Load]
	looked chan struct{}
}

func (b *burden) on(e *edge.Server) {
	b.load.Store(&overload.Load{})
	b.looked = make(chan struct{})
	edge.SetLoad(e, func() overload.Load {
		select {
		case b.looked <- struct{}{}:
		default:
		}
		return *b.load.Load()
	})
}

// set returns when the edge has seen the load.
func (b *burden) set(load overload.Load) {
	b.t.Helper()
	b.load.Store(&load)
	for range 3 { // the first look may have read the load before, and the next one begins when the last is over
		select {
		case <-b.looked:
		case <-time.After(20 * time.Second):
			b.t.Fatal("the edge does not look at its load")
		}
	}
}

var (
	busy       = overload.Load{Fills: 0.9}
	overloaded = overload.Load{QueueWait: 5 * time.Second}
)

// wantShed checks that an answer is a refusal for load.
func wantShed(t *testing.T, what string, a answer) {
	t.Helper()
	var p struct{ Type, Detail string }
	err := json.Unmarshal(a.body, &p)
	after := a.header.Get("Retry-After")
	if a.status != 503 || err != nil || !strings.HasSuffix(p.Type, "/unavailable") || !strings.Contains("123", after) || after == "" ||
		a.header.Get(status) != "weir; fwd=uri-miss; detail=overload" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %v %s", what, a.status, a.header, a.body)
	}
}

func TestOverload(t *testing.T) {
	b := &burden{t: t}
	s, ended := ahead(t, b.on)
	s.get(videoID + "/1.m4s")
	wait(t, ended, 1) // segment 2

	b.set(busy)
	if a := s.get(videoID+"/2.m4s", `CMCD-Request: nor="4.m4s"`); a.header.Get(status) != hit {
		t.Errorf("busy, a hit: %d %q", a.status, a.header.Get(status))
	}
	if a := s.get(videoID + "/4.m4s"); a.status != 200 || a.header.Get(status) == hit {
		t.Errorf("busy, a miss: %d %q, want it served and not fetched ahead", a.status, a.header.Get(status))
	}
	if n := s.prefetched("started"); n != 1 || s.metric("weir_edge_load_level") != 1 || s.metric("weir_edge_shed_total", "kind=prefetch") != 2 {
		t.Errorf("busy: %d prefetches in all, level %v, shed %v", n, s.metric("weir_edge_load_level"), s.metric("weir_edge_shed_total"))
	}

	b.set(overloaded)
	for _, n := range []string{"1", "2", "4"} {
		if a := s.get(videoID + "/" + n + ".m4s"); a.status != 200 || a.header.Get(status) != hit {
			t.Errorf("overloaded, segment %s is in memory: %d %q", n, a.status, a.header.Get(status))
		}
	}
	wantShed(t, "a segment", s.get(videoID+"/3.m4s"))
	wantShed(t, "a range of one", s.get(videoID+"/3.m4s", "Range: bytes=0-9"))
	wantShed(t, "a track", s.get(audioID+"/track.mp4", "Range: bytes=5000-"))
	wantShed(t, "a picture", s.get("poster.jpg"))
	for _, rest := range []string{"hls/main.m3u8", "hls/" + videoID + ".m3u8", "dash/main.mpd", videoID + "/init.mp4"} {
		s.wantStatus(200, rest) // the index is in memory
	}
	if a := s.do("HEAD", s.url(videoID+"/3.m4s")); a.status != 200 {
		t.Errorf("HEAD = %d: it needs no bytes", a.status)
	}
	if got := s.metric("weir_edge_shed_total", "kind=miss"); got != 4 || s.metric("weir_edge_load_level") != 2 {
		t.Errorf("%v misses shed at level %v, want 4 at 2", got, s.metric("weir_edge_load_level"))
	}
	if !strings.Contains(s.log.String(), "load level changed") {
		t.Error("nothing in the log")
	}
}

// Who waits for a fill that another's request began is served, and a track that is being sent is not cut.
func TestOverloadCutsNothing(t *testing.T) {
	b := &burden{t: t}
	asked, answers := make(chan struct{}, 8), make(chan struct{})
	s, _ := ahead(t, b.on, func(e *edge.Server) { e.NoPrefetch = true })
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if r != nil && strings.HasSuffix(key, ".cmf") {
			asked <- struct{}{}
			<-answers
		}
		return r, nil
	})
	got := make(chan answer, 2)
	go func() { got <- s.get(videoID + "/track.mp4") }()
	<-asked
	b.set(overloaded)
	go func() { got <- s.get(videoID + "/1.m4s") }()
	for s.metric("weir_edge_cache_collapsed_total") == 0 && s.metric("weir_edge_shed_total") == 0 { // until the second one is there
		b.set(overloaded)
	}
	close(answers)
	for range 2 {
		a := <-got
		if want := bytes.Join(s.bytes[videoID], nil); a.status != 200 || !bytes.HasSuffix(a.body, want) && !bytes.Equal(a.body, s.bytes[videoID][0]) {
			t.Errorf("%d with %d bytes", a.status, len(a.body))
		}
	}
}

func TestGenericOverload(t *testing.T) {
	b := &burden{t: t}
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", map[string]string{"/fresh": "max-age=1000", "/stale": "max-age=0, stale-while-revalidate=1000", "/old": "max-age=0",
			"/strict": "max-age=0, must-revalidate"}[r.URL.Path])
		w.Header().Set("ETag", `"1"`)
		_, _ = io.WriteString(w, "bytes of "+r.URL.Path)
	}, b.on)
	for _, path := range []string{"/fresh", "/stale", "/old", "/strict"} {
		m.do("GET", path)
	}
	b.set(overloaded)
	asked := len(m.asked())
	f := func(method, path string, want int, wantStatus string, headers ...string) {
		t.Helper()
		code, header, body := m.do(method, path, headers...)
		if code != want || !strings.Contains(header.Get(status), wantStatus) || code == 200 && method == "GET" && body != "bytes of "+path {
			t.Errorf("%s %s: %d %q %q, want %d %q", method, path, code, header.Get(status), body, want, wantStatus)
		}
		if after := header.Get("Retry-After"); code == 503 && (after == "" || !strings.Contains("123", after)) {
			t.Errorf("%s %s: Retry-After %q", method, path, after)
		}
	}
	f("GET", "/fresh", 200, "weir; hit")
	f("HEAD", "/fresh", 200, "weir; hit")
	f("GET", "/stale", 200, "weir; hit")
	f("GET", "/old", 200, "detail=overload") // stale, as if the origin was away
	f("GET", "/strict", 503, "weir; fwd=stale; detail=overload")
	f("GET", "/new", 503, "weir; fwd=uri-miss; detail=overload")
	f("HEAD", "/new", 503, "weir; fwd=uri-miss; detail=overload")
	f("GET", "/new", 504, "", "Cache-Control: only-if-cached")
	if now := len(m.asked()); now != asked {
		t.Errorf("the origin was asked %v", m.asked()[asked:])
	}
	f("POST", "/new", 200, "fwd=method") // it is no miss
	b.set(overload.Load{})
}

func TestLoadOf(t *testing.T) {
	f := func(s cache.Stats, inFlight float64, wait time.Duration, want overload.Load) {
		t.Helper()
		if got := edge.LoadOf(s, 1000, inFlight, wait, 7); got != want {
			t.Errorf("LoadOf(%+v, %v, %v) = %+v, want %+v", s, inFlight, wait, got, want)
		}
	}
	f(cache.Stats{}, 0, 0, overload.Load{Scheduler: 7})
	f(cache.Stats{EntryBytes: 900, Filling: 100, Loose: 200, Dead: 50, Bytes: 1250}, 0.5, 0, overload.Load{Memory: 0.35, Fills: 0.5, Scheduler: 7})
	f(cache.Stats{}, 1, time.Second, overload.Load{Fills: 1, QueueWait: time.Second, Scheduler: 7})
	f(cache.Stats{}, 0.9, time.Hour, overload.Load{Fills: 0.9, Scheduler: 7}) // and nobody waits
}
