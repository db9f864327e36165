package systemtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/engine/enginetest"
)

// What a viewer may notice of a fault.
const (
	goesOnWithin = 15 * time.Second // from the fault, or from one second of film to the next
	longWait     = 2 * time.Second  // at most one is longer
)

// TestStack plays a clip in a loop through nginx and TLS in Chromium, while one part of the installation after the other
// is killed, restarted or held: one stack for all faults. Nothing acknowledged is lost, no segment is listed twice, and
// the viewer hardly notices.
func TestStack(t *testing.T) {
	s := startStack(t)
	master := clip(t, 30, "640x360", 30)
	short := clip(t, 8, "320x180", 30)
	film := s.ingest(master, "Film").complete()
	s.awaitTitle(film.Asset)
	s.verifyListed(film, 15)
	v := watch(t, s.url, film.Asset)
	done := map[string]ingested{"film": film} // all that was acknowledged

	fault := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			from := v.now()
			s.t, v.t = t, t
			defer func() { s.t, v.t = s.whole, s.whole }()
			f(t)
			v.plays(4, goesOnWithin)
			n, longest := v.longWaits(from, longWait)
			if n > 1 || longest > goesOnWithin {
				t.Errorf("the viewer waited over %v %d times, the longest time %v; once and %v are bearable", longWait, n, longest, goesOnWithin)
			}
			t.Logf("the viewer waited %d times over %v; the longest time was %v", n, longWait, longest)
			s.verifyTitles(done)
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	// underLoad ingests a clip and reads segments while f breaks something; both must come through.
	underLoad := func(name string, f func(t *testing.T)) {
		fault(name, func(t *testing.T) {
			load := s.read(film)
			u := s.ingest(short, name)
			f(t)
			got := u.complete()
			load.stop()
			s.awaitTitle(got.Asset)
			s.verifyListed(got, 4)
			done[name] = got
		})
	}

	fault("KillWorkerMidChunk", func(t *testing.T) { s.killWorker(t, v, master, done) })
	fault("KillEdgeMidSegment", func(t *testing.T) { s.killEdge(t, v) })
	fault("KillControlPlane", func(t *testing.T) { s.killControl(t, v, film) })
	underLoad("RestartRedis", func(t *testing.T) { restart(t, "redis") })
	underLoad("RestartKafka", func(t *testing.T) { restart(t, "kafka") })
	underLoad("RestartConsul", func(t *testing.T) { restart(t, "consul") })
	underLoad("PausePostgres", func(t *testing.T) {
		enginetest.Control(t, "pause", "postgres")
		defer enginetest.Control(t, "resume", "postgres")
		v.plays(10, goesOnWithin) // it lasts 10 s of film, which are at least 10 s
	})
	asked := s.requests()
	v.plays(16, goesOnWithin)
	if s.requests() == asked {
		t.Error("the viewer plays from memory, so no fault could have reached it")
	}
	s.verifyListed(film, 15)
}

// requests is how many requests the edges that run now have answered.
func (s *stack) requests() (sum int) {
	for _, edge := range s.edges {
		sum += requests(s.t, edge)
	}
	return sum
}

func restart(t *testing.T, engine string) {
	enginetest.Control(t, "kill", engine)
	enginetest.Control(t, "up", engine)
}

// verifyTitles wants every acknowledged title to be complete.
func (s *stack) verifyTitles(want map[string]ingested) {
	s.t.Helper()
	for _, got := range want {
		s.awaitTitle(got.Asset)
	}
	titles, err := s.titles()
	if err != nil {
		s.t.Fatal(err)
	}
	if len(titles) != len(want) {
		s.t.Errorf("there are titles %v, want those of %v", titles, want)
	}
}

// killWorker has a worker die with a chunk stored and not recorded, while it holds the lease. The other one goes on.
func (s *stack) killWorker(t *testing.T, v *viewer, master string, done map[string]ingested) {
	s.workerA.stop()
	s.workerA = s.serve("worker-a", "worker.chunk-put", append([]string{"--roles", "transcode"}, encodeFlags...)...)
	u := s.ingest(master, "Worker")
	if err := s.workerA.waitKilled(time.Minute); err != nil {
		t.Fatalf("the worker never stored a chunk: %v\n%s", err, tail(s.workerA.log.String(), 3000))
	}
	v.plays(2, goesOnWithin)
	got := u.complete()
	s.verifyListed(got, 15)
	done["Worker"] = got
	s.workerA = s.serve("worker-a", "", append([]string{"--roles", "transcode"}, encodeFlags...)...)
}

// killEdge has the edge that serves the viewer die in the middle of a segment's bytes.
func (s *stack) killEdge(t *testing.T, v *viewer) {
	before := map[string]int{}
	for at, edge := range s.edges {
		before[at] = requests(t, edge)
	}
	v.plays(12, goesOnWithin)
	serving, most := "", 0
	for at, edge := range s.edges {
		if n := requests(t, edge) - before[at]; n > most {
			serving, most = at, n
		}
	}
	if serving == "" {
		t.Fatal("no edge answers the viewer")
	}
	index := 0
	if strings.Contains(s.edges[serving].cmd.String(), "edge-1") {
		index = 1
	}
	s.edges[serving].stop() // gracefully: the viewer goes on with the other one, and comes back
	s.startEdge(index, serving, "edge.mid-segment:3")
	if err := s.edges[serving].waitKilled(2 * time.Minute); err != nil {
		t.Fatalf("the edge sent no third segment: %v\n%s", err, tail(s.edges[serving].log.String(), 3000))
	}
	v.plays(8, goesOnWithin)
	s.startEdge(index, serving, "")
}

// killControl: playback needs no control plane, and what it knew is there again when it is.
func (s *stack) killControl(t *testing.T, v *viewer, film ingested) {
	titles, err := s.titles()
	if err != nil {
		t.Fatal(err)
	}
	s.control.kill()
	v.plays(12, goesOnWithin)
	s.startControl()
	var after map[string]string
	s.until("the control plane", time.Minute, func() error { after, err = s.titles(); return err })
	if !maps.Equal(titles, after) {
		t.Errorf("titles after kill -9 = %v, before %v", after, titles)
	}
	if code, out, errOut := weirWith(t, s.environ(), "ticket", film.Asset, "--server", s.url); code != 0 {
		t.Errorf("weir ticket = %d %s%s", code, out, errOut)
	}
}

// reading is a load of segment requests whose bodies are compared with what they were at first.
type reading struct {
	t      *testing.T
	ctx    context.Context
	end    context.CancelFunc
	done   sync.WaitGroup
	counts chan [2]int // answers and failures of a reader
}

// read starts four readers of an asset's segments.
func (s *stack) read(got ingested) *reading {
	s.t.Helper()
	want := map[string][32]byte{}
	for n := 1; n <= 15; n++ {
		for _, track := range s.renditions(got) {
			u := resolve(s.t, got.HLS, fmt.Sprintf("../%s/%d.m4s", track, n))
			b, err := s.get(u, 200)
			if err != nil {
				s.t.Fatal(err)
			}
			want[u] = sha256.Sum256(b)
		}
	}
	ctx, end := context.WithCancel(context.WithoutCancel(s.t.Context()))
	r := &reading{t: s.t, ctx: ctx, end: end, counts: make(chan [2]int, 4)}
	for range 4 {
		r.done.Go(func() { s.readAll(r, want) })
	}
	s.t.Cleanup(r.wait) // also of a test that failed
	return r
}

func (s *stack) readAll(r *reading, want map[string][32]byte) {
	urls := make([]string, 0, len(want))
	for u := range want {
		urls = append(urls, u)
	}
	pace := time.NewTicker(20 * time.Millisecond) // a load, not a flood: everything runs on one machine
	defer pace.Stop()
	var count [2]int
	for {
		select {
		case <-r.ctx.Done():
			r.counts <- count
			return
		case <-pace.C:
		}
		u := urls[rand.IntN(len(urls))]
		b, err := s.get(u, 200)
		switch {
		case err != nil:
			count[1]++
			r.t.Logf("under load: %v", err)
		case sha256.Sum256(b) != want[u]:
			r.t.Errorf("%s has other bytes than before", u)
		default:
			count[0]++
		}
	}
}

// wait ends the load.
func (r *reading) wait() {
	r.end()
	r.done.Wait()
}

// stop ends the load and says how it was. Segments need none of the engines that are broken meanwhile, so none may have failed.
func (r *reading) stop() {
	r.t.Helper()
	r.wait()
	answers, failures := 0, 0
	for range 4 {
		c := <-r.counts
		answers, failures = answers+c[0], failures+c[1]
	}
	if failures > 0 || answers == 0 {
		r.t.Errorf("under load %d segments came and %d requests failed, want none", answers, failures)
	}
}
