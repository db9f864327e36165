package embed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstream/weir"
)

// A taken file is an object like any other, as often as it is taken, and stays one when the file's own name goes.
func TestBlobsTakeFile(t *testing.T) {
	b, file := openBlobs(t, t.TempDir()), filepath.Join(t.TempDir(), "upload")
	old := putText(t, b, "masters/m", "old")
	if err := os.WriteFile(file, []byte("taken"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a crash may make the caller do it again
		info, err := b.TakeFile(t.Context(), "masters/m", file)
		if err != nil || info.Size != 5 || info.ETag == old.ETag {
			t.Fatalf("TakeFile = %+v, %v", info, err)
		}
		if stat, err := b.Stat(t.Context(), "masters/m"); err != nil || stat != info {
			t.Errorf("Stat = %+v, %v, want %+v", stat, err, info)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, b); len(got) != 1 || got["masters/m"] != "taken" {
		t.Errorf("objects are %v", got)
	}
	path, err := b.LocalPath("masters/m")
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("the object's mode is %v, %v, want it private", fi.Mode(), err)
	}
}

func TestBlobsTakeOnlyFiles(t *testing.T) {
	b, dir := openBlobs(t, t.TempDir()), t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/etc/hostname", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, link, filepath.Join(dir, "missing")} {
		if _, err := b.TakeFile(t.Context(), "k", name); err == nil {
			t.Errorf("TakeFile(%q) took it", name)
		}
	}
	if _, err := b.TakeFile(t.Context(), "../k", link); weir.KindOf(err) != weir.Invalid {
		t.Errorf("TakeFile to a bad key = %v, want invalid", err)
	}
	if got := contents(t, b); len(got) != 0 {
		t.Errorf("objects are %v, want none", got)
	}
}
