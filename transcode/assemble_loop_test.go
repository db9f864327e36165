package transcode_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// finish claims every task of testPlan's job in turn, or those before one of another kind, and records what it made, calling
// after once a record.
func (h *house) finish(t testing.TB, after func(records int), kinds ...weir.TaskKind) {
	t.Helper()
	all, page := recordsOf(t, testPlan())
	done := 0
	for _, task := range testPlan().Tasks {
		if len(kinds) > 0 && !slices.Contains(kinds, task.Kind) {
			return
		}
		c := h.claim(t)
		for i, r := range all {
			if r.Task != c.Task.N {
				continue
			}
			result, err := transcode.ParseResult(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range result.Outputs {
				p, err := page(o.Page.Key)
				if err != nil {
					t.Fatal(err)
				}
				h.putPage(t, o.Page.Key, p)
			}
			r.Job = c.Job.ID
			final := i+1 == len(all) || all[i+1].Task != r.Task
			if err := h.ledger.Record(t.Context(), c, r, final); err != nil {
				t.Fatal(err)
			}
			done++
			after(done)
		}
	}
}

func (h *house) putPage(t testing.TB, key string, p weir.Page) {
	t.Helper()
	b, err := weir.EncodePage(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.blobs.Put(t.Context(), key, bytes.NewReader(b), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) assembler() *transcode.Assembler {
	return &transcode.Assembler{Jobs: h.ledger, Blobs: h.blobs, Now: h.now, Log: h.log}
}

func TestAssemblerFollowsTheRecords(t *testing.T) {
	h := newHouse(t)
	h.planned(t, "asset")
	a := h.assembler()
	segments := -1
	h.finish(t, func(int) {
		if err := a.Assemble(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.blobs.Stat(t.Context(), weir.HeadKey("default", "asset", 1)); err != nil {
			return // not playable yet
		}
		got := headOf(t, h.blobs, "asset", 1)
		if got.Segments < segments || got.State == weir.Deleted {
			t.Errorf("%d segments became %d", segments, got.Segments)
		}
		segments = got.Segments
	})
	if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Complete || got.Segments != 10 || got.Tracks[0].Peak == 0 {
		t.Errorf("head is %s with %d segments, want a complete one with 10", got.State, got.Segments)
	}
	if job, _ := h.job(t, "asset"); job.State != weir.JobDone {
		t.Errorf("job is %s, want done", job.State)
	}
	kinds := ""
	last := int64(0)
	for _, f := range h.await(t, "asset", weir.FactAssetComplete) {
		kinds += f.Type + " "
		if f.Revision <= last || f.Subject != "asset" {
			t.Errorf("fact %s of %s has revision %d after %d", f.Type, f.Subject, f.Revision, last)
		}
		last = f.Revision
	}
	if want := weir.FactAssetPlayable + " " + weir.FactAssetComplete + " "; kinds != want {
		t.Errorf("facts %q, want %q", kinds, want)
	}
	if jobs, err := h.ledger.Unassembled(t.Context(), 9); len(jobs) != 0 || err != nil {
		t.Errorf("Unassembled() = %d jobs, %v; want none", len(jobs), err)
	}
}

func TestAssemblersRace(t *testing.T) {
	h := newHouse(t)
	h.planned(t, "asset")
	h.finish(t, func(int) {
		var racers sync.WaitGroup
		for range 3 {
			racers.Go(func() {
				if err := h.assembler().Assemble(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		racers.Wait()
	})
	if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Complete {
		t.Errorf("head is %s, want complete", got.State)
	}
	if job, _ := h.job(t, "asset"); job.State != weir.JobDone {
		t.Errorf("job is %s, want done", job.State)
	}
}

// TestAssemblerAfterEveryCrash stops an assembler at each of its points, as kill -9 would, and has another one go on.
func TestAssemblerAfterEveryCrash(t *testing.T) {
	for _, point := range []string{"assemble.before-head", "assemble.after-head", "assemble.before-told", "assemble.after-told"} {
		t.Run(point, func(t *testing.T) {
			h := newHouse(t)
			h.planned(t, "asset")
			h.finish(t, func(int) { h.crash(t, point) })
			if err := h.assembler().Assemble(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Complete {
				t.Errorf("head is %s, want complete", got.State)
			}
			seen := map[string]bool{}
			for _, f := range h.await(t, "asset", weir.FactAssetComplete) {
				seen[f.Type] = true
			}
			if !seen[weir.FactAssetPlayable] {
				t.Error("no fact said that the asset is playable")
			}
		})
	}
}

// crash runs an assembler that ends abruptly at a point.
func (h *house) crash(t testing.TB, point string) {
	defer func() {
		if r := recover(); r != nil && r != point {
			panic(r)
		}
	}()
	a := h.assembler()
	a.At = func(p string) {
		if p == point {
			panic(point)
		}
	}
	_ = a.Assemble(t.Context())
}

func TestAssemblerDoesNotRaiseTheDead(t *testing.T) {
	h := newHouse(t)
	h.planned(t, "asset")
	h.finish(t, func(n int) {
		if n == 3 {
			if err := transcode.Bury(t.Context(), h.blobs, "default", "asset", 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.assembler().Assemble(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Deleted {
		t.Errorf("head is %s, want a tombstone", got.State)
	}
}

func TestAssemblerOutlivesABadJob(t *testing.T) {
	h := newHouse(t)
	h.planned(t, "bad")
	c := h.claim(t)
	if err := h.ledger.Record(t.Context(), c, weir.Record{Job: c.Job.ID, Task: c.Task.N, Body: []byte("{")}, true); err != nil {
		t.Fatal(err)
	}
	for range len(testPlan().Tasks) - 1 {
		h.claim(t) // and hold it
	}
	h.planned(t, "asset")
	h.finish(t, func(n int) {})
	if err := h.assembler().Assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Complete {
		t.Errorf("head is %s, want complete", got.State)
	}
	if got := fmt.Sprint(keysOf(t, h.blobs, "media/default/bad/")); got != "[]" {
		t.Errorf("objects of the bad job: %s", got)
	}
}
