package transcode_test

import (
	"context"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

func (h *house) planner(woken *int) *transcode.Planner {
	return &transcode.Planner{Jobs: h.ledger, Blobs: h.blobs, Now: h.now, Log: h.log, Wake: func(context.Context) { *woken++ }}
}

func TestPlannerMakesOneJobAnAsset(t *testing.T) {
	h, woken := newHouse(t), 0
	p := h.planner(&woken)
	a := weir.Asset{ID: "a", Organisation: "default", Master: weir.Master{ID: "m", Size: 7}}
	for range 3 {
		if err := p.Handle(t.Context(), h.message(t, weir.FactMasterReady, a, 1)); err != nil {
			t.Fatal(err)
		}
	}
	job, tasks := h.job(t, "a")
	if job.State != weir.JobPending || job.Master.ID != "m" || job.Master.Size != 7 || len(tasks) != 1 || tasks[0].Kind != weir.TaskPlan {
		t.Errorf("job %+v with tasks %+v", job, tasks)
	}
	if n, err := h.ledger.Claimable(t.Context(), h.now()); n != 1 || err != nil {
		t.Errorf("Claimable() = %d, %v; want 1", n, err)
	}
	if woken != 3 {
		t.Errorf("woken %d times, want 3", woken)
	}
}

func TestPlannerDropsADeletedAsset(t *testing.T) {
	h, woken := newHouse(t), 0
	p := h.planner(&woken)
	a := weir.Asset{ID: "a", Organisation: "default", Master: weir.Master{ID: "m"}}
	for _, kind := range []string{weir.FactMasterReady, weir.FactAssetDeleted, weir.FactMasterReady, weir.FactAssetDeleted} { // delivered twice
		if err := p.Handle(t.Context(), h.message(t, kind, a, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if job, _ := h.job(t, "a"); job.State != weir.JobCancelled {
		t.Errorf("job is %s, want cancelled", job.State)
	}
	if got := headOf(t, h.blobs, "a", 1); got.State != weir.Deleted {
		t.Errorf("head is %s, want a tombstone", got.State)
	}
	never := weir.Asset{ID: "never", Organisation: "default"}
	if err := p.Handle(t.Context(), h.message(t, weir.FactAssetDeleted, never, 1)); err != nil {
		t.Fatal(err)
	}
	if got := headOf(t, h.blobs, "never", 1); got.State != weir.Deleted {
		t.Errorf("head of an asset without a job is %s, want a tombstone", got.State)
	}
}

// TestPlannerHearsOfADeletionFirst: the fact of the master was set aside, and comes when its asset is deleted.
func TestPlannerHearsOfADeletionFirst(t *testing.T) {
	h, woken := newHouse(t), 0
	p := h.planner(&woken)
	a := weir.Asset{ID: "a", Organisation: "default", Master: weir.Master{ID: "m"}}
	for _, kind := range []string{weir.FactAssetDeleted, weir.FactMasterReady, weir.FactMasterReady} {
		if err := p.Handle(t.Context(), h.message(t, kind, a, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if job, _ := h.job(t, "a"); job.State != weir.JobCancelled {
		t.Errorf("job is %s, want cancelled", job.State)
	}
	// and when the other planner is between its steps
	b := weir.Asset{ID: "b", Organisation: "default", Master: weir.Master{ID: "m"}}
	late := h.planner(&woken)
	p.At = when("planner.after-cancel", func() {
		if err := late.Handle(t.Context(), h.message(t, weir.FactMasterReady, b, 1)); err != nil {
			t.Error(err)
		}
	})
	if err := p.Handle(t.Context(), h.message(t, weir.FactAssetDeleted, b, 2)); err != nil {
		t.Fatal(err)
	}
	if job, _ := h.job(t, "b"); job.State != weir.JobCancelled {
		t.Errorf("job made meanwhile is %s, want cancelled", job.State)
	}
}

// TestPlannerBuriesWhatFailed: a job fails when some segments are listed already. Its fact may come twice, and after a
// planner died over it.
func TestPlannerBuriesWhatFailed(t *testing.T) {
	h, woken := newHouse(t), 0
	h.planned(t, "asset")
	h.finish(t, func(int) {
		if err := h.assembler().Assemble(t.Context()); err != nil {
			t.Fatal(err)
		}
	}, weir.TaskVideo, weir.TaskAudio) // not the still
	if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Growing || got.Segments != 10 {
		t.Fatalf("head is %s with %d segments, want it growing", got.State, got.Segments)
	}
	p, failed := h.planner(&woken), h.message(t, weir.FactAssetFailed, weir.Asset{ID: "asset", Organisation: "default"}, 11)
	if err := p.Handle(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Growing {
		t.Errorf("head of a job that did not fail is %s", got.State)
	}
	if err := h.ledger.Fail(t.Context(), h.claim(t), "the server's disk is full", true, 1); err != nil {
		t.Fatal(err)
	}
	p.At = func(point string) { panic(point) }
	func() {
		defer func() { _ = recover() }()
		_ = p.Handle(t.Context(), failed)
	}()
	p.At = nil
	for range 2 {
		if err := p.Handle(t.Context(), failed); err != nil {
			t.Fatal(err)
		}
		if err := h.assembler().Assemble(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := headOf(t, h.blobs, "asset", 1); got.State != weir.Deleted || len(got.Tracks) != 0 {
			t.Errorf("head is %s with %d tracks, want a tombstone", got.State, len(got.Tracks))
		}
	}
	if err := p.Handle(t.Context(), h.message(t, weir.FactAssetFailed, weir.Asset{ID: "unknown", Organisation: "default"}, 1)); err != nil {
		t.Errorf("Handle of an unknown asset's failure: %v", err)
	}
}

func TestPlannerSkipsWhatItCannotRead(t *testing.T) {
	h, woken := newHouse(t), 0
	p := h.planner(&woken)
	bad := h.message(t, weir.FactMasterReady, weir.Asset{ID: "../x", Organisation: "default"}, 1)
	other := h.message(t, weir.FactTitleCreated, weir.Asset{ID: "a", Organisation: "default"}, 1)
	for _, m := range []weir.Message{{Value: []byte("{")}, {Value: []byte(`{"type":"ingest.master.ready","data":7}`)}, bad, other} {
		if err := p.Handle(t.Context(), m); err != nil {
			t.Errorf("Handle(%s): %v, want nil", m.Value, err)
		}
	}
	if n, err := h.ledger.Claimable(t.Context(), h.now()); n != 0 || err != nil || woken != 0 {
		t.Errorf("Claimable() = %d, %v, woken %d; want nothing", n, err, woken)
	}
}
