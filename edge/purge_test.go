package edge_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/rulings"
)

// judge is rulings that a test makes, numbered.
type judge struct {
	*rulings.Rulings
	number uint64
}

func newJudge() *judge { return &judge{rulings.New(), 0} }

func (j *judge) rule(at time.Time, r ...weir.Ruling) {
	j.number++
	j.Apply(weir.Rulings{Version: weir.RulingsVersion, Number: j.number, Time: at, Rulings: r})
}

func (j *judge) purge(by weir.PurgeBy, soft bool, values ...string) {
	j.rule(time.Now(), weir.Ruling{Purge: &weir.Purge{Organisation: weir.DefaultOrganisation, By: by, Values: values, Soft: soft}})
}

// A purged asset is read anew, and its bytes are fetched again, whatever the clock says; while the store is away a hard purge
// leaves nothing to serve, a soft one what there was.
func TestPurgeOfAnAsset(t *testing.T) {
	j := newJudge()
	s := start(t, 1000, func(e *edge.Server) { e.Rulings = j.Rulings })
	s.list(weir.Complete, 6)
	for _, by := range []struct {
		by    weir.PurgeBy
		value []string
	}{{weir.ByAsset, []string{assetID}}, {weir.ByRevision, []string{assetID + "/1"}}, {weir.ByOrganisation, nil}} {
		s.wantStatus(200, videoID+"/1.m4s")
		heads, chunks := s.store.heads(), s.store.count(".cmf")
		s.wantStatus(200, videoID+"/1.m4s")
		if s.store.heads() != heads || s.store.count(".cmf") != chunks {
			t.Fatalf("a hit asked the store")
		}
		j.purge(by.by, false, by.value...)
		s.wantStatus(200, videoID+"/1.m4s")
		if h, c := s.store.heads()-heads, s.store.count(".cmf")-chunks; h != 1 || c != 1 {
			t.Errorf("after a purge by %v: the head was looked at %d times and chunks %d times, want once each", by.by, h, c)
		}
	}
	j.purge(weir.ByAsset, true, assetID)
	s.store.set(damage(-1))
	s.wantStatus(200, videoID+"/1.m4s") // soft: the bytes stay
	s.store.set(nil)
	j.purge(weir.ByURL, false, assetID+"/1/clear/hls/main.m3u8")
	heads := s.store.heads()
	s.wantStatus(200, "hls/main.m3u8")
	if s.store.heads() != heads+1 {
		t.Errorf("a purged address was answered without a look at the head")
	}
}

// Who asks after a purge does not get what was being fetched before it.
func TestPurgeDuringAFill(t *testing.T) {
	j := newJudge()
	s := start(t, 1000, func(e *edge.Server) { e.Rulings = j.Rulings })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	reading, goOn := make(chan struct{}, 1), make(chan struct{})
	first := true
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if r != nil && strings.HasSuffix(key, ".cmf") && first {
			first = false
			reading <- struct{}{}
			<-goOn
		}
		return r, nil
	})
	var both sync.WaitGroup
	both.Go(func() { s.wantStatus(200, videoID+"/1.m4s") })
	<-reading
	j.purge(weir.ByAsset, false, assetID)
	both.Go(func() { s.wantStatus(200, videoID+"/1.m4s") })
	for end := time.Now().Add(10 * time.Second); s.metric("weir_edge_cache_collapsed_total") < 1 && time.Now().Before(end); {
		runtime.Gosched()
	}
	close(goOn)
	both.Wait()
	if got := s.store.count(".cmf"); got != 2 {
		t.Errorf("chunks were read %d times, want 2: once before the purge and once after it", got)
	}
}

// While the store is away, what was purged costs one read a second, not one a request.
func TestPurgeWhileTheStoreIsAway(t *testing.T) {
	j := newJudge()
	s := start(t, 1000, func(e *edge.Server) { e.Rulings = j.Rulings })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	s.advance(time.Millisecond)
	s.store.set(func(string, io.ReadCloser) (io.ReadCloser, error) {
		return nil, weir.Errorf(weir.Unavailable, "away")
	})
	for _, soft := range []bool{true, false} {
		j.purge(weir.ByAsset, soft, assetID)
		want := 503
		if soft {
			want = 200
		}
		s.wantStatus(want, "hls/main.m3u8")
		heads := s.store.heads()
		for range 5 {
			s.wantStatus(want, "hls/main.m3u8")
		}
		if n := s.store.heads() - heads; n != 0 {
			t.Errorf("soft %v: the head was asked for %d times within a second of a failure", soft, n)
		}
		s.advance(2 * time.Second)
	}
	s.store.set(nil)
	s.advance(2 * time.Second)
	s.wantStatus(200, "hls/main.m3u8")
}

// A revoked ticket opens nothing from then on, also one that was verified before.
func TestRevokedTickets(t *testing.T) {
	j := newJudge()
	s := start(t, 1000, func(e *edge.Server) { e.Rulings = j.Rulings })
	s.list(weir.Complete, 6)
	sign := func(ticket weir.Ticket) string {
		ticket.Prefix, ticket.Issued, ticket.Expires = assetID+"/", s.now(), s.now().Add(time.Hour)
		text, err := ticket.Sign(testKey)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	f := func(want int, ticket string) {
		t.Helper()
		if a := s.do("GET", "/t/"+ticket+"/"+assetID+"/1/clear/hls/main.m3u8"); a.status != want {
			t.Errorf("GET = %d %s, want %d", a.status, a.body, want)
		}
	}
	bySession, bySubject, other := sign(weir.Ticket{Session: "s7"}), sign(weir.Ticket{Session: "s8", Subject: "u1"}), sign(weir.Ticket{Session: "s9", Subject: "u2"})
	f(200, bySession)
	f(200, bySubject)
	until := s.now().Add(2 * time.Hour)
	j.rule(s.now(), weir.Ruling{Revocation: &weir.Revocation{Organisation: weir.DefaultOrganisation, Session: "s7", Until: until}},
		weir.Ruling{Revocation: &weir.Revocation{Organisation: weir.DefaultOrganisation, Subject: "u1", Until: until}})
	f(403, bySession)
	f(403, bySubject)
	f(200, other)
	bound := weir.Ticket{Session: "s10", Flags: weir.FlagBound, Network: weir.NetworkOf(netip.MustParseAddr("127.0.0.9"))}
	f(200, sign(bound))
	bound.Network = weir.NetworkOf(netip.MustParseAddr("192.0.2.1"))
	f(403, sign(bound))
}

// A fill that failed answers for the next ones for a moment: a herd does not hammer a store that is broken.
func TestFailedFillsAreRemembered(t *testing.T) {
	s := start(t, 1000, func(e *edge.Server) { e.ErrorPause = time.Minute })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	s.store.set(damage(-1))
	s.wantStatus(503, videoID+"/2.m4s")
	reads := s.store.count(".cmf")
	for range 10 {
		s.wantStatus(503, videoID+"/2.m4s")
	}
	if got := s.store.count(".cmf"); got != reads {
		t.Errorf("%d more reads of what had just failed", got-reads)
	}
	s.wantStatus(503, videoID+"/3.m4s")
}

func TestGenericPurges(t *testing.T) {
	j := newJudge()
	var version atomic.Int64
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "films film-"+strings.Trim(r.URL.Path, "/"))
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, "version %d", version.Add(1))
	}, func(s *edge.Server) { s.Rulings = j.Rulings })
	want := 0
	f := func(target string, fetched bool) {
		t.Helper()
		if fetched {
			want++
		}
		if _, header, got := m.do("GET", target); got != fmt.Sprintf("version %d", want) {
			t.Errorf("GET %s = %q, want version %d (%s)", target, got, want, header.Get("Cache-Status"))
		}
	}
	f("/a?x=1", true)
	f("/a?x=1", false)
	j.purge(weir.ByURL, false, "b")
	f("/a?x=1", false)
	for by, value := range map[weir.PurgeBy]string{weir.ByURL: "a", weir.ByPrefix: "a", weir.ByKey: "film-a"} {
		j.purge(by, false, value)
		f("/a?x=1", true)
		f("/a?x=1", false)
	}
	asked := len(m.asked())
	j.purge(weir.ByKey, true, "films")
	f("/a?x=1", false) // validated, and still what it was
	if n := len(m.asked()) - asked; n != 1 {
		t.Errorf("after a soft purge the origin was asked %d times, want 1", n)
	}
	f("/a?x=1", false)
	j.purge(weir.ByOrganisation, false)
	f("/a?x=1", true)
}

// What was being fetched when a purge came is not served to those who ask after it.
func TestGenericPurgeDuringAFetch(t *testing.T) {
	j := newJudge()
	var version atomic.Int64
	asked, goOn := make(chan struct{}, 2), make(chan struct{})
	m := reflect(t, func(w http.ResponseWriter, _ *http.Request) {
		n := version.Add(1)
		w.Header().Set("Cache-Control", "max-age=60")
		if asked <- struct{}{}; n == 1 {
			<-goOn
		}
		fmt.Fprintf(w, "version %d", n)
	}, func(s *edge.Server) { s.Rulings = j.Rulings })
	old := make(chan string)
	go func() {
		_, _, got := m.do("GET", "/a")
		old <- got
	}()
	<-asked
	j.purge(weir.ByURL, false, "a")
	close(goOn)
	if got := <-old; got != "version 1" {
		t.Errorf("who asked before: %q", got)
	}
	if _, _, got := m.do("GET", "/a"); got != "version 2" {
		t.Errorf("who asked after the purge: %q", got)
	}
}
