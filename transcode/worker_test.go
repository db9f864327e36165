package transcode_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/sandbox"
)

// filmRecords is how many records the job of plannedFilm has in the end: a still, 6 chunks, 6 of audio.
const filmRecords = 13

// complete assembles and checks that everything is listed, once.
func (h *house) complete(t testing.TB, asset string, segments int) weir.Head {
	t.Helper()
	if err := h.assembler().Assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := headOf(t, h.blobs, asset, 1)
	if got.State != weir.Complete || got.Segments != segments {
		t.Fatalf("head is %s with %d segments, want a complete one with %d", got.State, got.Segments, segments)
	}
	seen := map[string]bool{}
	for _, r := range h.records(t, asset) {
		result, err := transcode.ParseResult(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range result.Outputs {
			key := o.Rendition + " " + o.Page.Key
			if seen[key] {
				t.Errorf("%s is recorded twice", key)
			}
			seen[key] = true
		}
	}
	return got
}

func TestWorkerMakesAFilm(t *testing.T) {
	h := newHouse(t)
	p := h.plannedFilm(t, "film")
	w := h.worker(t, "one")
	w.Slots = 2
	h.work(t, w, "film", filmRecords)
	head := h.complete(t, "film", 6)
	if len(head.Tracks) != 2 || head.Poster == nil {
		t.Fatalf("head has %d tracks and poster %v", len(head.Tracks), head.Poster)
	}
	for _, tr := range head.Tracks {
		if tr.Codec == "" || tr.Peak < tr.Average || tr.Average < 1 || len(tr.Pages) != 6 {
			t.Errorf("track %+v", tr)
		}
	}
	if head.Tracks[1].EditOffset == 0 || head.Tracks[0].Width != 160 || head.Tracks[0].Codec[:5] != "avc1." {
		t.Errorf("tracks %+v", head.Tracks)
	}
	_, tasks := h.job(t, "film")
	for _, task := range tasks {
		if task.State != weir.TaskDone || task.Attempt != 1 {
			t.Errorf("task %d is %s after %d attempts", task.N, task.State, task.Attempt)
		}
	}
	if entries, err := os.ReadDir(w.Dir); !os.IsNotExist(err) {
		t.Errorf("scratch is left: %v, %v", entries, err)
	}
	for _, v := range p.Video {
		h.decode(t, head, v.ID, 150)
	}
	h.decode(t, head, p.Audio[0].ID, (6*48000+1024+1023)/1024)
}

// TestWorkerDies drops a worker at each of its points and has another go on after the lease.
func TestWorkerDies(t *testing.T) {
	for _, tt := range []struct {
		point string
		nth   int
	}{{"worker.claimed", 3}, {"worker.encoded", 2}, {"worker.init-put", 2}, {"worker.chunk-put", 2}, {"worker.page-put", 1},
		{"worker.before-record", 4}, {"worker.after-record", 2}, {"worker.still-put", 1}, {"worker.audio-chunk-put", 2}} {
		t.Run(tt.point, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.plannedFilm(t, "film")
			first := h.worker(t, "first")
			there, _ := hold(t, first, tt.point, tt.nth)
			start(t, first)
			<-there
			before := h.records(t, "film")
			h.move(time.Minute)
			after := h.work(t, h.worker(t, "second"), "film", filmRecords)
			h.complete(t, "film", 6)
			kept := map[string]string{}
			for _, r := range after {
				kept[recordName(r)] = string(r.Body)
			}
			for _, r := range before {
				if kept[recordName(r)] != string(r.Body) {
					t.Errorf("record %d of task %d changed", r.Seq, r.Task)
				}
			}
			_, tasks := h.job(t, "film")
			again := 0
			for _, task := range tasks {
				again += task.Attempt - 1
			}
			if again > 1 {
				t.Errorf("%d attempts were repeated, want only the lost one", again)
			}
		})
	}
}

// Objects that are away are no fault of the job's: however long it lasts, no attempt counts, and the job does not fail.
func TestWorkerOutlivesAnOutage(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	w := h.worker(t, "one")
	gone := &away{Blobs: w.Blobs}
	gone.puts.Store(12)
	w.Blobs, w.Poll, w.MaxAttempts = gone, 10*time.Millisecond, 1
	h.work(t, w, "film", filmRecords)
	h.complete(t, "film", 6)
	_, tasks := h.job(t, "film")
	for _, task := range tasks {
		if task.State != weir.TaskDone || task.Attempt != 1 {
			t.Errorf("task %d is %s after %d attempts, want one", task.N, task.State, task.Attempt)
		}
	}
	if left := gone.puts.Load(); left >= 0 {
		t.Errorf("the objects were asked for %d puts fewer than they refuse", left)
	}
}

func recordName(r weir.Record) string { return fmt.Sprintf("%d/%d", r.Task, r.Seq) }

// TestWorkerComesBackTooLate lets a worker go on after another took its task over: what it says no longer counts.
func TestWorkerComesBackTooLate(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	first := h.worker(t, "first")
	first.Masters.Blobs = &farBlobs{Blobs: h.blobs} // as on S3: a copy
	there, release := hold(t, first, "worker.before-record", 2)
	stop := start(t, first)
	<-there
	h.move(time.Minute)
	after := h.work(t, h.worker(t, "second"), "film", filmRecords)
	release()
	stop()
	if got := h.records(t, "film"); len(got) != len(after) {
		t.Errorf("%d records became %d", len(after), len(got))
	}
	h.complete(t, "film", 6)
}

// TestWorkerResumesAudio stops a worker after two chunks of sound. Another encodes the track again, to the same bytes or
// to others: what is recorded stays.
func TestWorkerResumesAudio(t *testing.T) {
	t.Run("same bytes", func(t *testing.T) { resumesAudio(t, sandbox.Run) })
	t.Run("other bytes", func(t *testing.T) {
		resumesAudio(t, func(ctx context.Context, c sandbox.Command) error {
			if i := slices.Index(c.Args, "-b:a"); i >= 0 {
				c.Args = slices.Clone(c.Args)
				c.Args[i+1] = "64000"
			}
			return sandbox.Run(ctx, c)
		})
	})
}

func resumesAudio(t *testing.T, run func(context.Context, sandbox.Command) error) {
	h := newHouse(t)
	p := h.plannedFilm(t, "film")
	first := h.worker(t, "first")
	first.Runner = run
	there, _ := hold(t, first, "worker.audio-recorded", 2)
	start(t, first)
	<-there
	audio := func() (list []weir.Record) {
		for _, r := range h.records(t, "film") {
			if p.Tasks[r.Task-1].Kind == weir.TaskAudio {
				list = append(list, r)
			}
		}
		return list
	}
	if n := len(audio()); n != 2 {
		t.Fatalf("%d audio records before the crash, want 2", n)
	}
	stamp := h.objects(t, "film")
	h.move(time.Minute)
	h.work(t, h.worker(t, "second"), "film", filmRecords)
	head := h.complete(t, "film", 6)
	for i, r := range audio() {
		if r.Seq != i {
			t.Errorf("audio record %d has seq %d", i, r.Seq)
		}
	}
	for key, etag := range h.objects(t, "film") {
		if old, ok := stamp[key]; ok && old != etag {
			t.Errorf("object %s was put again", key)
		}
	}
	h.decode(t, head, p.Audio[0].ID, (6*48000+1024+1023)/1024)
}

// objects are the ETags of all objects of an asset but its heads.
func (h *house) objects(t testing.TB, asset string) map[string]string {
	t.Helper()
	list, err := h.blobs.List(t.Context(), weir.AssetPrefix("default", asset), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, o := range list {
		if !strings.Contains(o.Key, "/heads/") {
			m[o.Key] = o.ETag
		}
	}
	return m
}

func TestWorkerDropsADeletedAsset(t *testing.T) {
	h, woken := newHouse(t), 0
	h.plannedFilm(t, "film")
	w := h.worker(t, "one")
	there, release := hold(t, w, "worker.chunk-put", 1)
	stop := start(t, w)
	<-there
	if err := h.planner(&woken).Handle(t.Context(), h.message(t, weir.FactAssetDeleted, weir.Asset{ID: "film", Organisation: "default"}, 2)); err != nil {
		t.Fatal(err)
	}
	before := len(h.records(t, "film"))
	release()
	stop()
	if after := len(h.records(t, "film")); after != before {
		t.Errorf("%d records became %d after the deletion", before, after)
	}
	if n, err := h.ledger.Claimable(t.Context(), h.now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("Claimable() = %d, %v; want 0", n, err)
	}
	if err := h.assembler().Assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := headOf(t, h.blobs, "film", 1); got.State != weir.Deleted {
		t.Errorf("head is %s, want a tombstone", got.State)
	}
}

func TestWorkerStopsGracefully(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	w := h.worker(t, "one")
	running := make(chan struct{})
	w.Runner = func(ctx context.Context, _ sandbox.Command) error {
		close(running)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	stop := start(t, w)
	<-running
	stop()
	_, tasks := h.job(t, "film")
	for _, task := range tasks[1:] {
		if task.State != weir.TaskReady || task.Attempt != 0 || task.Worker != "" {
			t.Errorf("task %d is %s of %q after %d attempts; want it given back", task.N, task.State, task.Worker, task.Attempt)
		}
	}
}

// TestWorkerGivesUp runs a tool that always fails: a poster is done without, a chunk fails the job after three attempts.
func TestWorkerGivesUp(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	w := h.worker(t, "one")
	w.Poll = time.Millisecond
	w.Runner = func(_ context.Context, c sandbox.Command) error {
		if slices.Contains(c.Args, "mjpeg") {
			return nil // content, but without a picture
		}
		h.move(time.Minute)
		return &sandbox.ExitError{Tool: "ffmpeg", Code: 1, Stderr: "secret text of the tool"}
	}
	start(t, w)
	h.await(t, "film", weir.FactAssetFailed)
	job, tasks := h.job(t, "film")
	if job.State != weir.JobFailed || job.Reason != "the picture could not be encoded" {
		t.Errorf("job is %s: %q", job.State, job.Reason)
	}
	if tasks[1].Kind != weir.TaskStill || tasks[1].State != weir.TaskDone || tasks[2].Attempt != 3 {
		t.Errorf("still %+v, chunk %+v", tasks[1], tasks[2])
	}
}

func TestWorkerSaysThatTheDiskIsFull(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	w := h.worker(t, "one")
	w.MaxAttempts = 1
	w.Runner = func(context.Context, sandbox.Command) error {
		return &sandbox.ExitError{Tool: "ffmpeg", Code: 1, Stderr: "av_interleaved_write_frame(): No space left on device"}
	}
	start(t, w)
	h.await(t, "film", weir.FactAssetFailed)
	if job, _ := h.job(t, "film"); job.Reason != "the server's disk is full" {
		t.Errorf("reason is %q", job.Reason)
	}
}

// TestWorkerDoesNotTryAPoisonedTask: one that took six workers with it fails its job instead of a seventh.
func TestWorkerDoesNotTryAPoisonedTask(t *testing.T) {
	h := newHouse(t)
	h.planned(t, "asset")
	for range 6 {
		h.claim(t)
		if err := h.ledger.Void(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w := h.worker(t, "one")
	w.Tool = "tool"
	w.Runner = func(context.Context, sandbox.Command) error {
		t.Error("the tool was run")
		return nil
	}
	start(t, w)
	h.await(t, "asset", weir.FactAssetFailed)
	if job, _ := h.job(t, "asset"); job.Reason != "the picture could not be encoded" {
		t.Errorf("reason is %q", job.Reason)
	}
}

// tiring is a ledger that tells of heartbeats and may refuse them.
type tiring struct {
	transcode.Claims
	beats chan int64
	fail  error
}

func (c *tiring) Heartbeat(ctx context.Context, claim weir.Claim, progress int64, until time.Time) error {
	select {
	case c.beats <- progress:
	case <-ctx.Done():
	}
	if c.fail != nil {
		return c.fail
	}
	return c.Claims.Heartbeat(ctx, claim, progress, until)
}

func TestWorkerBeats(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	w, c := h.worker(t, "one"), &tiring{Claims: h.ledger, beats: make(chan int64)}
	w.Claims, w.Lease = c, 30*time.Millisecond
	w.Runner = func(ctx context.Context, cmd sandbox.Command) error {
		if slices.Contains(cmd.Args, "mjpeg") {
			return &sandbox.ExitError{Tool: "ffmpeg", Code: 1} // no poster: go on to the chunk
		}
		for _, line := range []string{"frame=7", "out_time_us=1000", "progress=continue"} {
			cmd.OnStderrLine(line)
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	start(t, w)
	for <-c.beats != 7 { // the chunk's first beat with progress
	}
	<-c.beats // it is in the ledger when the next one comes
	_, tasks := h.job(t, "film")
	if got := tasks[2]; got.State != weir.TaskLeased || got.Progress != 7 || got.Attempt != 1 {
		t.Errorf("task %+v, want it held with a progress of 7", got)
	}
}

func TestWorkerLosesItsTask(t *testing.T) {
	h := newHouse(t)
	h.plannedFilm(t, "film")
	w, c := h.worker(t, "one"), &tiring{Claims: h.ledger, beats: make(chan int64, 9), fail: weir.Errorf(weir.Conflict, "the fence was lost")}
	w.Claims, w.Lease = c, 30*time.Millisecond
	ended := make(chan error, 9)
	w.Runner = func(ctx context.Context, _ sandbox.Command) error {
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return context.Cause(ctx)
	}
	start(t, w)
	if err := <-ended; weir.KindOf(err) != weir.Conflict {
		t.Errorf("the tool was stopped by %v, want the lost fence", err)
	}
}
