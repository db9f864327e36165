package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/transcode"
)

// testPlan is 10 s of picture in two chunks.
func testPlan() transcode.Plan {
	rate := weir.Rational{Num: 25, Den: 1}
	return transcode.Plan{Version: 1, Tool: "tool", Preset: "veryfast",
		Source: transcode.Source{SHA256: strings.Repeat("5a", 32), Demuxer: "mov", OriginDen: 1,
			Video: &transcode.VideoSource{Width: 640, Height: 360, Rate: rate, Frames: 250}},
		Grid: transcode.Grid{Rate: rate, Frames: 250, SegmentFrames: 50},
		Video: []transcode.Video{{ID: "low", Rung: weir.Rung{Name: "360p", Codec: "h264", Width: 640, Height: 360,
			MaxRate: 800_000, BufferSize: 1_600_000}}},
		Chunks: []transcode.Chunk{{Frames: 100, Segments: 2}, {FirstFrame: 100, Frames: 150, FirstSegment: 2, Segments: 3}},
		Tasks:  []transcode.Spec{{Kind: weir.TaskVideo, Total: 100}, {Kind: weir.TaskVideo, Chunk: 1, Total: 150}}}
}

// putHead lists segments of a revision of the asset.
func putHead(t *testing.T, blobs weir.Blobs, revision, segments int) {
	t.Helper()
	b, err := weir.EncodeHead(weir.Head{Version: 1, Organisation: "org", Asset: "asset", Revision: revision, State: weir.Growing,
		TargetDuration: 2, Duration: weir.Rational{Num: 10, Den: 1}, FirstSegment: 1, Segments: segments})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blobs.Put(t.Context(), weir.HeadKey("org", "asset", revision), strings.NewReader(string(b)), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// An asset's status on its way through the real ledger and objects.
func TestJobStatus(t *testing.T) {
	e, err := engine.Open(t.Context(), engine.Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, now := context.Background(), time.Now().UTC()
	j := jobStatus{e.Ledger, e.Blobs}
	f := func(want ingest.JobStatus) {
		t.Helper()
		got, err := j.Status(ctx, "asset")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Status: %v (-want +got):\n%s", err, diff)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	claim := func() weir.Claim {
		t.Helper()
		c, err := e.Ledger.Claim(ctx, transcode.ClaimRequest{Worker: "worker", Tools: []string{"tool"}, Now: now, Until: now.Add(time.Minute)})
		must(err)
		return c
	}
	if _, err := j.Status(ctx, "asset"); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Status without a job: %v, want NotFound", err)
	}
	must(e.Ledger.Create(ctx, weir.Job{ID: "job", Organisation: "org", Asset: "asset", Master: weir.Master{ID: "asset"}, State: weir.JobPending, Created: now, Updated: now}))
	f(ingest.JobStatus{State: weir.JobPending})
	planning := claim()
	f(ingest.JobStatus{State: weir.JobPending, Probing: true})

	plan := testPlan()
	must(e.Ledger.Planned(ctx, planning, plan.Encode(), plan.LedgerTasks("job")))
	want := ingest.JobStatus{State: weir.JobRunning, TotalSegments: 5, Duration: weir.Rational{Num: 10, Den: 1},
		Renditions: []ingest.Rendition{{Name: "360p", Kind: weir.Video, Total: 250}}}
	f(want)
	must(e.Ledger.Heartbeat(ctx, claim(), 40, now.Add(time.Minute)))
	want.Renditions[0].Done = 40
	f(want)

	// What can be played is what the newest head with segments lists.
	putHead(t, e.Blobs, transcode.FirstRevision, 2)
	want.Segments = 2
	f(want)
	must(e.Ledger.Cancel(ctx, "asset", now))
	got, err := j.Status(ctx, "asset")
	if err != nil || got.State != weir.JobCancelled || got.Segments != 2 {
		t.Errorf("Status of a cancelled job = %+v, %v", got, err)
	}
}

// A head that is damaged is told, not taken for an asset without segments.
func TestJobStatusOfADamagedHead(t *testing.T) {
	e, err := engine.Open(t.Context(), engine.Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	key := weir.HeadKey("org", "asset", transcode.FirstRevision)
	if _, err := e.Blobs.Put(t.Context(), key, strings.NewReader("{"), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	if err := e.Ledger.Create(t.Context(), weir.Job{ID: "job", Organisation: "org", Asset: "asset", Master: weir.Master{ID: "asset"}, State: weir.JobPending, Created: now, Updated: now}); err != nil {
		t.Fatal(err)
	}
	if got, err := (jobStatus{e.Ledger, e.Blobs}).Status(t.Context(), "asset"); weir.KindOf(err) != weir.Internal || err == nil {
		t.Errorf("Status = %+v, %v, want an internal error", got, err)
	}
}
