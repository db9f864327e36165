package embed_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestBlobs(t *testing.T) {
	enginetest.Blobs(t, func(t *testing.T) weir.Blobs { return openBlobs(t, t.TempDir()) })
}

func openBlobs(t *testing.T, dir string) *embed.Blobs {
	t.Helper()
	b, err := embed.OpenBlobs(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(filepath.Join(dir, ".tmp")); err != nil || len(left) > 0 {
			t.Errorf("in .tmp are %v, %v, want nothing", left, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestBlobsHaveOneOwner(t *testing.T) {
	dir := t.TempDir()
	openBlobs(t, dir)
	if _, err := embed.OpenBlobs(dir); weir.KindOf(err) != weir.Conflict {
		t.Errorf("a second OpenBlobs = %v, want a conflict", err)
	}
}

// Equal content put within one tick of the kernel's clock, on inodes used again, still has an ETag of its own.
func TestBlobsETagsDiffer(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	b.Now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	seen := map[string]int{}
	for i := range 50 {
		info := putText(t, b, "k", "same")
		if before, ok := seen[info.ETag]; ok {
			t.Fatalf("ETag %q of put %d was that of put %d", info.ETag, i, before)
		}
		seen[info.ETag] = i
		if stat, err := b.Stat(t.Context(), "k"); err != nil || stat != info {
			t.Fatalf("Stat = %+v, %v, want %+v", stat, err, info)
		}
	}
}

func TestBlobsLocalPath(t *testing.T) {
	dir := t.TempDir()
	b := openBlobs(t, dir)
	putText(t, b, "masters/m", "bytes")
	path, err := b.LocalPath("masters/m")
	if err != nil || path != filepath.Join(dir, "masters", "m") {
		t.Errorf("LocalPath = %q, %v", path, err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "bytes" {
		t.Errorf("the file holds %q, %v", content, err)
	}
	for key, kind := range map[string]weir.Kind{"masters": weir.NotFound, "masters/x": weir.NotFound, "../x": weir.Invalid, ".lock": weir.Invalid} {
		if _, err := b.LocalPath(key); weir.KindOf(err) != kind {
			t.Errorf("LocalPath(%q) = %v, want kind %v", key, err, kind)
		}
	}
	if free, err := b.FreeBytes(t.Context()); err != nil || free <= 0 {
		t.Errorf("FreeBytes = %d, %v", free, err)
	}
}

// Directories come and go with objects, and nothing but objects is listed.
func TestBlobsDirectories(t *testing.T) {
	dir := t.TempDir()
	b := openBlobs(t, dir)
	putText(t, b, "a/b/c/d", "1")
	putText(t, b, "a/e", "2")
	if err := b.Delete(t.Context(), "a/b/c/d"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "a")); err != nil || len(entries) != 1 {
		t.Errorf("in a are %v, %v, want e alone", entries, err)
	}
	putText(t, b, "a/b/c/d", "3") // the directories are made again
	if diff := cmp.Diff(map[string]string{"a/b/c/d": "3", "a/e": "2"}, contents(t, b)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// Many puts and deletes in one directory: it is removed and made again under their feet, and each put still works.
func TestBlobsDirectoriesRace(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			key := fmt.Sprintf("d/e/%d", i)
			for range 20 {
				if _, err := b.Put(t.Context(), key, strings.NewReader("x"), weir.PutOptions{CreateOnly: i%2 == 0}); err != nil {
					t.Error(err)
				}
				if err := b.Delete(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := contents(t, b); len(got) > 0 {
		t.Errorf("left are %v", got)
	}
}

// What nobody went on with for more than a week is given back; what rested for less is there.
func TestBlobsDropAbandonedUploads(t *testing.T) {
	dir := t.TempDir()
	ids := map[string]weir.Kind{}
	for days, kind := range map[int]weir.Kind{6: weir.Internal, 8: weir.NotFound} {
		ids[putOldUpload(t, dir, days)] = kind
	}
	b := openBlobs(t, dir)
	for id, want := range ids {
		_, err := b.Upload(t.Context(), "d/upload", id)
		if weir.KindOf(err) != want || (err == nil) != (want == weir.Internal) {
			t.Errorf("Upload = %v, want kind %v", err, want)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".uploads")); err != nil || len(left) != 1 {
		t.Errorf("uploads left: %v, %v", left, err)
	}
}

// putOldUpload starts an upload that has rested for days.
func putOldUpload(t *testing.T, dir string, days int) string {
	t.Helper()
	id, then := putOld(t, dir), time.Now().AddDate(0, 0, -days)
	if err := os.Chtimes(filepath.Join(dir, ".uploads", id), then, then); err != nil {
		t.Fatal(err)
	}
	return id
}

// A symbolic link that someone put into the folder leads nowhere.
func TestBlobsDoNotFollowLinksOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	b := openBlobs(t, dir)
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"file": secret, "folder": outside, "up": "../" + filepath.Base(outside)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file", "folder/secret", "up/secret"} {
		if r, _, err := b.Get(t.Context(), key, 0, -1, ""); err == nil {
			t.Errorf("Get(%q) opens a file outside: %v", key, r.Close())
		}
		if _, err := b.LocalPath(key); err == nil {
			t.Errorf("LocalPath(%q) names a file outside", key)
		}
	}
	for _, key := range []string{"folder/new", "up/new"} {
		if _, err := b.Put(t.Context(), key, strings.NewReader("x"), weir.PutOptions{}); err == nil {
			t.Errorf("Put(%q) writes outside", key)
		}
	}
	putText(t, b, "file", "replaces the link, not its target")
	if content, err := os.ReadFile(secret); err != nil || string(content) != "secret" {
		t.Errorf("the file outside holds %q, %v", content, err)
	}
	if got := contents(t, b); len(got) != 1 {
		t.Errorf("listed are %v, want the one object", got)
	}
}

func BenchmarkBlobsPut(b *testing.B) {
	blobs, err := embed.OpenBlobs(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	content := strings.Repeat("x", 64<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := blobs.Put(b.Context(), "media/a/k", strings.NewReader(content), weir.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlobsGet(b *testing.B) {
	blobs, err := embed.OpenBlobs(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := blobs.Put(b.Context(), "media/a/k", strings.NewReader(strings.Repeat("x", 1<<20)), weir.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 1<<20)
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	for b.Loop() {
		r, _, err := blobs.Get(b.Context(), "media/a/k", 0, -1, "")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r, buffer); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func putText(t *testing.T, b *embed.Blobs, key, content string) weir.ObjectInfo {
	t.Helper()
	info, err := b.Put(t.Context(), key, strings.NewReader(content), weir.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}
