package transcode_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/sandbox"
)

// serve runs the whole role until the test ends or stop is called.
func (h *house) serve(t testing.TB, change func(*transcode.Service)) (stop func()) {
	t.Helper()
	tool, err := ffmpeg.Version(t.Context(), sandbox.Run)
	if err != nil {
		t.Fatal(err)
	}
	s := &transcode.Service{ID: "one", Claims: h.ledger, Jobs: h.ledger, Blobs: h.blobs, Bus: h.bus, Runner: sandbox.Run, Tool: tool,
		Policy: testPolicy, Dir: filepath.Join(t.TempDir(), "work"), Slots: 2, Now: h.now, Log: h.log}
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var run sync.WaitGroup
	run.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		run.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// TestServiceFromFactToFacts takes a master from its fact to the fact that it is complete, with two renditions.
func TestServiceFromFactToFacts(t *testing.T) {
	h := newHouse(t)
	h.serve(t, nil)
	a := h.film(t, "film", "288x288")
	h.say(t, weir.FactMasterReady, a, 1)
	h.await(t, "film", weir.FactAssetComplete)
	head := headOf(t, h.blobs, "film", 1)
	if head.State != weir.Complete || head.Segments != 6 || len(head.Tracks) != 3 || head.Duration != (weir.Rational{Num: 6, Den: 1}) {
		t.Errorf("head is %s with %d segments of %d tracks, %s s", head.State, head.Segments, len(head.Tracks), head.Duration)
	}
	for _, tr := range head.Tracks {
		want := 150
		if tr.Kind == weir.Audio {
			want = (6*48000 + 1024 + 1023) / 1024
		}
		h.decode(t, head, tr.Rendition, want)
	}
	job, tasks := h.job(t, "film")
	status, err := transcode.StatusOf(job, tasks)
	if err != nil || job.State != weir.JobDone {
		t.Fatalf("job is %s, %v", job.State, err)
	}
	for _, r := range status.Renditions {
		if r.Done != r.Total || r.Total == 0 {
			t.Errorf("rendition %s: %d of %d", r.Name, r.Done, r.Total)
		}
	}
}

// TestServiceWithHalfAFilm takes a master without sound and one without a picture.
func TestServiceWithHalfAFilm(t *testing.T) {
	h := newHouse(t)
	h.serve(t, nil)
	for _, tt := range []struct {
		id, source string
		kind       weir.TrackKind
		poster     bool
		want       int
	}{
		{"silent", "testsrc2=duration=3:rate=25:size=160x90", weir.Video, true, 75},
		{"dark", "sine=duration=3:frequency=440:sample_rate=44100", weir.Audio, false, (3*48000 + 1024 + 1023) / 1024},
	} {
		h.say(t, weir.FactMasterReady, h.render(t, tt.id, tt.source), 1)
		h.await(t, tt.id, weir.FactAssetComplete)
		head := headOf(t, h.blobs, tt.id, 1)
		if len(head.Tracks) != 1 || head.Tracks[0].Kind != tt.kind || head.Segments < 3 || (head.Poster != nil) != tt.poster {
			t.Fatalf("%s: head has %d segments, tracks %+v, poster %v", tt.id, head.Segments, head.Tracks, head.Poster)
		}
		h.decode(t, head, head.Tracks[0].Rendition, tt.want)
	}
}

func TestServiceRefusesWhatIsNoFilm(t *testing.T) {
	h := newHouse(t)
	buried := make(chan struct{})
	h.serve(t, func(s *transcode.Service) { s.At = when("planner.after-bury", func() { close(buried) }) })
	h.say(t, weir.FactMasterReady, h.upload(t, "text", []byte("this is a text, whatever its name says\n")), 1)
	h.await(t, "text", weir.FactAssetFailed)
	if job, _ := h.job(t, "text"); job.State != weir.JobFailed || job.Reason == "" || job.Reason == "the file could not be examined" {
		t.Errorf("job is %s: %q, want the reason", job.State, job.Reason)
	}
	<-buried
	if diff := cmp.Diff([]string{"media/default/text/heads/1.json"}, keysOf(t, h.blobs, "media/")); diff != "" {
		t.Errorf("objects, -want +got:\n%s", diff)
	}
}

// when is a kill point's function that calls f at each time the point is reached.
func when(point string, f func()) func(string) {
	return func(p string) {
		if p == point {
			f()
		}
	}
}

// TestServiceRunsOutOfDisk has the disk full when some of the film is listed: the job ends with that reason, what was
// listed is gone at once, and its objects after the grace time.
func TestServiceRunsOutOfDisk(t *testing.T) {
	h := newHouse(t)
	a := h.film(t, "film", "160x90")
	listed, buried, collected := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var told sync.Once
	h.serve(t, func(s *transcode.Service) {
		s.Failed, s.Grace, s.Slots = h.ledger, time.Second, 1
		chunks := atomic.Int32{}
		s.Runner = func(ctx context.Context, c sandbox.Command) error {
			if slices.Contains(c.Args, "libx264") && chunks.Add(1) > 2 { // the first, then the sound, then the second
				h.move(time.Minute) // past the rest after a failed attempt
				<-listed
				return &sandbox.ExitError{Tool: "ffmpeg", Code: 1, Stderr: "No space left on device"}
			}
			return sandbox.Run(ctx, c)
		}
		s.At = func(point string) {
			switch point {
			case "assemble.after-head":
				told.Do(func() { close(listed) })
			case "planner.after-bury":
				close(buried)
			case "collect.before-collected":
				close(collected)
			}
		}
	})
	h.say(t, weir.FactMasterReady, a, 1)
	h.await(t, "film", weir.FactAssetFailed)
	if job, _ := h.job(t, "film"); job.State != weir.JobFailed || job.Reason != "the server's disk is full" {
		t.Errorf("job is %s: %q", job.State, job.Reason)
	}
	<-buried
	if got := headOf(t, h.blobs, "film", 1); got.State != weir.Deleted {
		t.Errorf("head is %s, want a tombstone", got.State)
	}
	h.move(time.Minute)
	<-collected
	if diff := cmp.Diff([]string{"media/default/film/heads/1.json"}, keysOf(t, h.blobs, "media/")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// TestServiceDeletesInMidJob deletes an asset while it is being encoded, and lets the grace time pass.
func TestServiceDeletesInMidJob(t *testing.T) {
	h := newHouse(t)
	a := h.film(t, "film", "160x90")
	encoded, buried, deleted := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	g := &graves{}
	collected := make(chan struct{}, 99)
	h.serve(t, func(s *transcode.Service) {
		s.Deleted, s.Grace = g, time.Second
		s.At = func(point string) {
			switch point {
			case "worker.encoded":
				once.Do(func() {
					close(encoded)
					<-deleted
				})
			case "planner.after-bury":
				close(buried)
			case "collect.before-collected":
				collected <- struct{}{}
			}
		}
	})
	h.say(t, weir.FactMasterReady, a, 1)
	<-encoded
	a.State, a.Deleted = weir.AssetDeleted, h.now()
	h.say(t, weir.FactAssetDeleted, a, 2)
	<-buried
	close(deleted)
	if got := headOf(t, h.blobs, "film", 1); got.State != weir.Deleted {
		t.Errorf("head is %s, want a tombstone", got.State)
	}
	if job, _ := h.job(t, "film"); job.State != weir.JobCancelled {
		t.Errorf("job is %s, want cancelled", job.State)
	}
	g.add(a)
	h.move(time.Minute)
	<-collected
	if got := keysOf(t, h.blobs, "masters/"); len(got) != 0 {
		t.Errorf("masters %v are left", got)
	}
}
