package transcode_test

import (
	"context"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// replan takes the plans of all jobs back whose tools are not these.
func (h *house) replan(t testing.TB, want int, tools ...string) {
	t.Helper()
	now := h.now()
	if n, err := h.ledger.Replan(t.Context(), tools, now, now); n != want || err != nil {
		t.Fatalf("Replan() = %d, %v; want %d", n, err, want)
	}
}

// TestAssemblerReplacesARevision plans a job anew when half of it is listed. The first revision stays as it is until the
// second can be played, and is buried then, also by an assembler that follows one that died at any of its points.
func TestAssemblerReplacesARevision(t *testing.T) {
	for _, point := range []string{"none", "assemble.before-head", "assemble.after-head", "assemble.before-told", "assemble.after-told"} {
		t.Run(point, func(t *testing.T) {
			h := newHouse(t)
			h.planned(t, "asset")
			late := h.assembler()
			h.finish(t, func(int) {
				if err := late.Assemble(t.Context()); err != nil {
					t.Fatal(err)
				}
			}, weir.TaskVideo, weir.TaskAudio)
			h.replan(t, 1, "another")
			p := testPlan()
			if err := h.ledger.Planned(t.Context(), h.claim(t), p.Encode(), p.LedgerTasks("job-asset")); err != nil {
				t.Fatal(err)
			}
			h.finish(t, func(int) {
				h.crash(t, point)
				if err := h.assembler().Assemble(t.Context()); err != nil {
					t.Fatal(err)
				}
				first, want := headOf(t, h.blobs, "asset", 1), weir.Growing
				if _, err := h.blobs.Stat(t.Context(), weir.HeadKey("default", "asset", 2)); err == nil {
					want = weir.Deleted
				}
				if first.State != want {
					t.Errorf("first revision is %s, want %s", first.State, want)
				}
			})
			if got := headOf(t, h.blobs, "asset", 2); got.State != weir.Complete || got.Segments != 10 || got.Revision != 2 {
				t.Errorf("second revision is %s with %d segments", got.State, got.Segments)
			}
			ascending(t, h.await(t, "asset", weir.FactAssetComplete))
		})
	}
}

// ascending checks that no fact looks older than one before it.
func ascending(t testing.TB, facts []weir.Fact) {
	t.Helper()
	last := int64(0)
	for _, f := range facts {
		if f.Source == "transcode" && f.Revision < last {
			t.Errorf("fact %s has revision %d after %d", f.Type, f.Revision, last)
		}
		last = f.Revision
	}
}

// TestAssemblerOfASupersededPlan lets one that read a job before it was planned anew go on after the next revision is out.
func TestAssemblerOfASupersededPlan(t *testing.T) {
	h := newHouse(t)
	h.planned(t, "asset")
	h.finish(t, func(int) {}, weir.TaskVideo, weir.TaskAudio)
	late, replaced := h.assembler(), false
	late.At = func(point string) {
		if point != "assemble.before-head" || replaced {
			return
		}
		replaced = true
		h.replan(t, 1, "another")
		p := testPlan()
		if err := h.ledger.Planned(t.Context(), h.claim(t), p.Encode(), p.LedgerTasks("job-asset")); err != nil {
			t.Fatal(err)
		}
		h.finish(t, func(int) {})
		if err := h.assembler().Assemble(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := late.Assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first, second := headOf(t, h.blobs, "asset", 1), headOf(t, h.blobs, "asset", 2); first.State != weir.Deleted || second.State != weir.Complete {
		t.Errorf("revisions are %s and %s, want deleted and complete", first.State, second.State)
	}
	if job, _ := h.job(t, "asset"); job.State != weir.JobDone || job.Revision != 2 {
		t.Errorf("job is %s at revision %d", job.State, job.Revision)
	}
}

// TestBuryWhatMayStillCome: a tombstone stands in the place of every revision that a late assembler could write.
func TestBuryWhatMayStillCome(t *testing.T) {
	h, woken := newHouse(t), 0
	h.planned(t, "asset")
	h.replan(t, 1, "another")
	gone := h.message(t, weir.FactAssetDeleted, weir.Asset{ID: "asset", Organisation: "default"}, 2)
	if err := h.planner(&woken).Handle(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	for revision := 1; revision <= 2; revision++ {
		if got := headOf(t, h.blobs, "asset", revision); got.State != weir.Deleted {
			t.Errorf("revision %d is %s, want a tombstone", revision, got.State)
		}
	}
}

// watched is a ledger that tells how many jobs were planned anew.
type watched struct {
	transcode.Jobs
	replanned chan<- int
}

func (w watched) Replan(ctx context.Context, tools []string, now, before time.Time) (int, error) {
	n, err := w.Jobs.Replan(ctx, tools, now, before)
	w.replanned <- n
	return n, err
}

// TestServicePlansAnew has the tool of a film's plan go away when half of the film is made: after ten minutes another
// version makes all of it, in a revision of its own.
func TestServicePlansAnew(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	h.work(t, h.worker(t, "of the old tool"), "film", 7)
	if err := h.assembler().Assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.replan(t, 0, testTool)
	if got := headOf(t, h.blobs, "film", 1); got.State != weir.Growing || got.Segments < 1 {
		t.Fatalf("first revision is %s with %d segments", got.State, got.Segments)
	}
	swept := make(chan int, 9)
	stop := h.serve(t, func(s *transcode.Service) { s.Jobs = watched{h.ledger, swept} })
	if n := <-swept; n != 0 {
		t.Errorf("%d jobs were planned anew before their time", n)
	}
	stop()
	h.move(10*time.Minute + time.Second)
	h.serve(t, nil)
	ascending(t, h.await(t, "film", weir.FactAssetComplete))
	head := headOf(t, h.blobs, "film", 2)
	if head.State != weir.Complete || head.Segments != 6 || head.Poster == nil {
		t.Errorf("second revision is %s with %d segments", head.State, head.Segments)
	}
	if got := headOf(t, h.blobs, "film", 1); got.State != weir.Deleted {
		t.Errorf("first revision is %s, want a tombstone", got.State)
	}
	for _, tr := range head.Tracks {
		want := 150
		if tr.Kind == weir.Audio {
			want = (6*48000 + 1024 + 1023) / 1024
		}
		h.decode(t, head, tr.Rendition, want)
	}
}
