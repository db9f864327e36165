package transcode_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ladder"
	"github.com/weirstream/weir/transcode/probe"
	"github.com/weirstream/weir/transcode/sandbox"
)

const testTool = "the ffmpeg of this machine"

// testPolicy cuts every second into a segment and a chunk of its own.
var testPolicy = transcode.Policy{Preset: "ultrafast", SegmentSeconds: 1, ChunkSeconds: 1, Ladder: ladder.Policy{CRF: 35}}

// film is a master of six seconds, size x size at 25 frames a second, with sound, and its asset.
func (h *house) film(t testing.TB, id, size string) weir.Asset {
	t.Helper()
	return h.render(t, id, "testsrc2=duration=6:rate=25:size="+size, "sine=duration=6:frequency=440:sample_rate=48000")
}

// render is a master of these lavfi sources and its asset.
func (h *house) render(t testing.TB, id string, sources ...string) weir.Asset {
	t.Helper()
	file := filepath.Join(t.TempDir(), "film.mp4")
	args := []string{"-v", "error", "-nostdin"}
	for _, s := range sources {
		args = append(args, "-f", "lavfi", "-i", s)
	}
	args = append(args, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", file)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("make a film: %v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return h.upload(t, id, b)
}

// upload stores a master.
func (h *house) upload(t testing.TB, id string, b []byte) weir.Asset {
	t.Helper()
	if _, err := h.blobs.Put(t.Context(), weir.MasterKey(id), bytes.NewReader(b), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return weir.Asset{ID: id, Organisation: "default", State: weir.AssetReceived, Created: h.now(),
		Master: weir.Master{ID: id, Organisation: "default", Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}}
}

// plannedFilm makes a running job of a small film without a worker: 6 chunk tasks, an audio task of 6 chunks and a still.
func (h *house) plannedFilm(t testing.TB, id string) transcode.Plan {
	t.Helper()
	a := h.film(t, id, "160x90")
	err := h.ledger.Create(t.Context(), weir.Job{ID: "job-" + id, Organisation: "default", Asset: id, Master: a.Master, Created: h.now()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := transcode.MakePlan(a.Master.SHA256, probe.Facts{Demuxer: "mov", OriginDen: 12800,
		Video: &probe.Video{Codec: "h264", Width: 160, Height: 90, CodedWidth: 160, CodedHeight: 90, Rate: weir.Rational{Num: 25, Den: 1}, Frames: 150},
		Audio: []probe.Audio{{Index: 1, Codec: "aac", Channels: 1, SampleRate: 48000, EndUS: 6_000_000}}}, testPolicy, testTool)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.ledger.Planned(t.Context(), h.claim(t), p.Encode(), p.LedgerTasks("job-"+id)); err != nil {
		t.Fatal(err)
	}
	return p
}

// worker is one that has the test's tool and runs it for real.
func (h *house) worker(t testing.TB, id string) *transcode.Worker {
	t.Helper()
	dir := t.TempDir()
	return &transcode.Worker{ID: id, Claims: h.ledger, Blobs: h.blobs, Masters: &transcode.Masters{Blobs: h.blobs, Dir: filepath.Join(dir, "masters")},
		Runner: sandbox.Run, Tool: testTool, Policy: testPolicy, Dir: filepath.Join(dir, "scratch"), Slots: 1, Now: h.now, Log: h.log.With("worker", id)}
}

// start runs a worker until stop is called, which waits for its end, or the test's.
func start(t testing.TB, w *transcode.Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var run sync.WaitGroup
	run.Go(func() {
		if err := w.Run(ctx); err != nil {
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

// work runs a worker until the ledger has n records of the job, and returns them.
func (h *house) work(t testing.TB, w *transcode.Worker, asset string, n int) []weir.Record {
	t.Helper()
	recorded := make(chan struct{}, 1)
	w.Recorded = func() {
		select {
		case recorded <- struct{}{}:
		default:
		}
	}
	stop := start(t, w)
	defer stop()
	for {
		if records := h.records(t, asset); len(records) >= n {
			return records
		}
		select {
		case <-recorded:
		case <-t.Context().Done():
			t.Fatal("the test ended")
		}
	}
}

// hold stops the worker at the nth time it reaches a point, as if it had died there, until the test ends. reached is
// closed when it is there.
func hold(t testing.TB, w *transcode.Worker, point string, nth int) (reached <-chan struct{}, release func()) {
	t.Helper()
	there, gone := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	w.At = func(p string) {
		mu.Lock()
		if p != point {
			mu.Unlock()
			return
		}
		nth--
		here := nth == 0
		mu.Unlock()
		if here {
			close(there)
			select {
			case <-gone:
			case <-t.Context().Done():
			}
		}
	}
	return there, sync.OnceFunc(func() { close(gone) })
}

// decode joins a track as a player would and has ffprobe count what is in it, and ffmpeg decode it.
func (h *house) decode(t testing.TB, head weir.Head, rendition string, want int) {
	t.Helper()
	var file []byte
	for _, tr := range head.Tracks {
		for _, ref := range tr.Pages {
			if tr.Rendition == rendition {
				file = h.join(t, file, ref)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "track.mp4")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path).CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != strconv.Itoa(want) {
		t.Errorf("rendition %s has packets %q, %v; want %d", rendition, got, err, want)
	}
	out, err = exec.CommandContext(t.Context(), "ffmpeg", "-v", "warning", "-nostdin", "-xerror", "-i", path, "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("decode rendition %s: %v\n%s", rendition, err, out)
	}
}

// join appends the segments of a page to file, which starts with the init segment, and checks their sums.
func (h *house) join(t testing.TB, file []byte, ref weir.PageRef) []byte {
	t.Helper()
	page, err := weir.ParsePage(h.read(t, ref.Key))
	if err != nil {
		t.Fatal(err)
	}
	if len(file) == 0 {
		file = h.read(t, page.Init)
		if got := crc32.Checksum(file, crc32.MakeTable(crc32.Castagnoli)); got != page.InitCRC {
			t.Errorf("init segment %s has sum %x, want %x", page.Init, got, page.InitCRC)
		}
	}
	chunk := h.read(t, page.Object)
	sum := sha256.Sum256(chunk)
	if got := hex.EncodeToString(sum[:]); got != page.SHA256 || int64(len(chunk)) != page.Length {
		t.Errorf("chunk %s has %d bytes of sha256 %s", page.Object, len(chunk), got)
	}
	for i, s := range page.Segments {
		if got := crc32.Checksum(chunk[s.Offset:s.Offset+s.Length], crc32.MakeTable(crc32.Castagnoli)); got != s.CRC32C {
			t.Errorf("segment %d has sum %x, want %x", page.First+i, got, s.CRC32C)
		}
	}
	return append(file, chunk...)
}

func (h *house) read(t testing.TB, key string) []byte {
	t.Helper()
	r, _, err := h.blobs.Get(t.Context(), key, 0, -1, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
