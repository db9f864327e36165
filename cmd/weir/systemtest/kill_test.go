package systemtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	contract "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
)

// killPoints are the places at which the process is killed with -9; the number is which time it gets there.
var killPoints = []string{
	"ingest.mid-upload", "ingest.before-master-put", "ingest.after-master-put", "ingest.before-received", "ingest.after-received",
	"blobs.before-rename:3", "blobs.after-rename:3",
	"relay.before-publish", "relay.after-publish",
	"planner.before-create", "planner.after-create",
	"worker.claimed:2", "worker.planned", "worker.encoded:2",
	"worker.init-put:2", "worker.chunk-put:2", "worker.page-put:3", "worker.before-record:3", "worker.after-record:2",
	"worker.audio-chunk-put:2", "worker.audio-recorded:2",
	"assemble.before-head:2", "assemble.after-head:2",
}

// outcome is what must not depend on a crash.
type outcome struct {
	Tracks []string // name, codec, frames
	Timing map[string][][2]int64
	Frames map[string]string // hash of every decoded frame
}

func outcomeOf(t *testing.T, data, asset string) outcome {
	t.Helper()
	l := readHead(t, data, asset)
	if l.head.State != contract.Complete {
		t.Fatalf("head is %s, want complete", l.head.State)
	}
	verifyTiling(t, l)
	o := outcome{Timing: map[string][][2]int64{}, Frames: map[string]string{}}
	for _, track := range l.head.Tracks {
		o.Tracks = append(o.Tracks, fmt.Sprintf("%s %s %d", track.Name, track.Codec, l.frames(track)))
		for _, s := range l.segments[track.Rendition] {
			o.Timing[track.Rendition] = append(o.Timing[track.Rendition], [2]int64{s.Start, s.Duration})
		}
		o.Frames[track.Rendition] = frameHashes(t, data, track)
	}
	return o
}

// frameHashes decodes a track's objects, init segment first, and returns the hash of every frame.
func frameHashes(t *testing.T, data string, track contract.Track) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "track.mp4")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	copyObject := func(key string) {
		b, err := os.ReadFile(filepath.Join(data, "blobs", filepath.FromSlash(key)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for i, ref := range track.Pages {
		b, err := os.ReadFile(filepath.Join(data, "blobs", filepath.FromSlash(ref.Key)))
		if err != nil {
			t.Fatal(err)
		}
		page, err := contract.ParsePage(b)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			copyObject(page.Init)
		}
		copyObject(page.Object)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return tool(t, "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-map", "0", "-f", "framemd5", "-")
}

// doneTasks maps the tasks of the only asset's job that are done to the fence they were done under.
func doneTasks(t *testing.T, data, asset string) map[int]int64 {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), filepath.Join(data, "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ledger := &embed.Ledger{DB: db}
	_, tasks, err := ledger.Job(t.Context(), asset)
	if contract.KindOf(err) == contract.NotFound {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	done := map[int]int64{}
	for _, task := range tasks {
		if task.State == contract.TaskDone {
			done[task.N] = task.Fence
		}
	}
	return done
}

// freePort is a port that nobody listens on just now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var killFlags = []string{"--max-height", "180", "--segment-seconds", "1", "--chunk-seconds", "2", "--lease", "1s"}

// TestKill9 kills the process at every named point while `weir ingest` goes on, starts it again, and wants what an
// undisturbed run made: the client finishes with exit code 0 without knowing.
func TestKill9(t *testing.T) {
	master := clip(t, 10, "320x180", 30)
	calm := t.TempDir()
	s := serve(t, calm, killFlags...)
	got := s.ingest(master)
	s.stop()
	want := outcomeOf(t, calm, got.Asset)
	if l := readHead(t, calm, got.Asset); len(l.head.Tracks[0].Pages) < 5 {
		t.Fatalf("the clip is cut into %d chunks, want at least 5", len(l.head.Tracks[0].Pages))
	}
	for _, point := range killPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			killAt(t, point, master, want)
		})
	}
}

func killAt(t *testing.T, point, master string, want outcome) {
	data, at := t.TempDir(), freePort(t)
	flags := append([]string{"--listen", at}, killFlags...)
	first, err := tryServe(t, data, []string{"WEIR_KILL_AT=" + point}, flags...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	var out, errOut strings.Builder
	client := exec.CommandContext(ctx, weirBin, "ingest", master, "--server", "http://"+at, "--json")
	client.Stdout, client.Stderr = &out, &errOut
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	if err := first.waitKilled(60 * time.Second); err != nil {
		t.Fatalf("%s was never reached: %v\n%s", point, err, tail(first.log.String(), 3000))
	}
	asset := onlyAsset(t, data)
	before := doneTasks(t, data, asset)

	second, err := tryServe(t, data, nil, flags...)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Wait(); err != nil {
		t.Fatalf("weir ingest across the crash: %v\n%s%s\nserver log:\n%s", err, out.String(), errOut.String(), tail(second.log.String(), 3000))
	}
	second.stop()
	if asset == "" {
		asset = onlyAsset(t, data)
	}
	if d := cmp.Diff(want, outcomeOf(t, data, asset)); d != "" {
		t.Errorf("the asset differs from the undisturbed run's (-want +got):\n%s", tail(d, 3000))
	}
	after := doneTasks(t, data, asset)
	for n, fence := range before {
		if after[n] != fence {
			t.Errorf("task %d was done under fence %d before the crash and again under %d", n, fence, after[n])
		}
	}
}

// onlyAsset is the id of the asset that the data folder knows of, "" if it has none yet.
func onlyAsset(t *testing.T, data string) string {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), filepath.Join(data, "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var id string
	rows, err := db.Reader().QueryContext(t.Context(), "SELECT id FROM asset LIMIT 2")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if n > 1 {
		t.Fatalf("the crash made a second asset")
	}
	return id
}
