package transcode_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

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
	facts := h.await(t, weir.FactAssetComplete, weir.FactAssetFailed)
	if last := facts[len(facts)-1]; last.Type != weir.FactAssetComplete {
		t.Fatalf("the last fact is %s: %s", last.Type, last.Data)
	}
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

func TestServiceRefusesWhatIsNoFilm(t *testing.T) {
	h := newHouse(t)
	h.serve(t, nil)
	h.say(t, weir.FactMasterReady, h.upload(t, "text", []byte("this is a text, whatever its name says\n")), 1)
	h.await(t, weir.FactAssetFailed)
	if job, _ := h.job(t, "text"); job.State != weir.JobFailed || job.Reason == "" || job.Reason == "the file could not be examined" {
		t.Errorf("job is %s: %q, want the reason", job.State, job.Reason)
	}
	if got := keysOf(t, h.blobs, "media/"); len(got) != 0 {
		t.Errorf("objects %v were made", got)
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
