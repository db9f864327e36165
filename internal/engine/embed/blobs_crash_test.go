package embed_test

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
)

var (
	oldContent = strings.Repeat("old", 100_000)
	newContent = strings.Repeat("brand-new", 150_000)
	firstPart  = strings.Repeat("part", 5<<18)
)

// A process killed at any point of a put leaves the old object or the new one, and nothing else.
func TestBlobsSurviveKill(t *testing.T) {
	f := func(arg string, want map[string]string) {
		t.Run(arg, func(t *testing.T) {
			dir := t.TempDir()
			upload := putOld(t, dir)
			cmd := child(t, "put", dir, arg)
			cmd.Env = append(cmd.Env, "WEIR_TEST_UPLOAD="+upload)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wantKilled(t, cmd)
			b := openBlobs(t, dir)
			if diff := cmp.Diff(want, contents(t, b), cmp.Comparer(equalQuietly)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if left, err := os.ReadDir(filepath.Join(dir, ".tmp")); err != nil || len(left) > 0 {
				t.Errorf("in .tmp are %v, %v, want nothing", left, err)
			}
			finishUpload(t, b, upload)
		})
	}
	before := map[string]string{"d/old": oldContent}
	with := func(key, content string) map[string]string {
		m := maps.Clone(before)
		m[key] = content
		return m
	}
	f("replace at reading", before)
	f("replace at blobs.before-rename", before)
	f("replace at blobs.after-rename", with("d/old", newContent))
	f("create at reading", before)
	f("create at blobs.before-rename", before)
	f("create at blobs.after-rename", with("new/dir/new", newContent))
	f("take at blobs.before-rename", before)
	f("take at blobs.after-rename", with("d/old", newContent))
	f("part at reading", before)
	f("part at blobs.before-part", before)
	f("complete at blobs.before-rename", before)
	f("complete at blobs.after-rename", with("d/upload", firstPart+"tail"))
}

// putOld stores one object and an upload of two parts, and returns the upload's id.
func putOld(t *testing.T, dir string) string {
	t.Helper()
	b, err := embed.OpenBlobs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "d/old", strings.NewReader(oldContent), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	u, err := b.Upload(t.Context(), "d/upload", "")
	if err != nil {
		t.Fatal(err)
	}
	for n, content := range map[int]string{1: firstPart, 2: "tail"} {
		if _, err := u.Part(t.Context(), n, strings.NewReader(content), int64(len(content))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return u.ID()
}

// finishUpload does what a caller does after a crash: resume and complete.
func finishUpload(t *testing.T, b *embed.Blobs, id string) {
	t.Helper()
	u, err := b.Upload(t.Context(), "d/upload", id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Complete(t.Context(), 2, weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, b)["d/upload"]; got != firstPart+"tail" {
		t.Errorf("the completed upload has %d bytes, want %d", len(got), len(firstPart+"tail"))
	}
}

// What a put returned for is there after a kill, whole, or something later is.
func TestBlobsKeepWhatWasStored(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "put-forever", dir, "")
	lines := startChild(t, cmd)
	last := 0
	for last < 25 {
		n, err := strconv.Atoi(said(t, lines, "stored"))
		if err != nil {
			t.Fatal(err)
		}
		last = n
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wantKilled(t, cmd)
	got := contents(t, openBlobs(t, dir))["d/k"]
	n, err := strconv.Atoi(got[:min(8, len(got))])
	if err != nil || n < last || got != version(n) {
		t.Errorf("stored is version %d (%d bytes, whole: %v), want one from %d on", n, len(got), got == version(n), last)
	}
}

// contents reads every object.
func contents(t *testing.T, b weir.Blobs) map[string]string {
	t.Helper()
	infos, err := b.List(t.Context(), "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, info := range infos {
		r, _, err := b.Get(t.Context(), info.Key, 0, -1, info.ETag)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		all[info.Key] = string(content)
	}
	return all
}

// equalQuietly keeps cmp from printing megabytes line by line.
func equalQuietly(a, b string) bool { return slices.Equal([]byte(a), []byte(b)) }
