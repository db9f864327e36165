package embed_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
)

func TestFolderIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	first := openFolder(t, dir)
	if first.Dir != dir || first.Path("x") != filepath.Join(dir, "x") || first.RootKey == [32]byte{} || len(first.Name) != 16 {
		t.Errorf("OpenFolder = %s, a root key: %v, name %q", first.Dir, first.RootKey != [32]byte{}, first.Name)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700, "root.key": 0o600, "name": 0o600, "format": 0o600, "lock": 0o600} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v, want %v", name, fi.Mode(), err, want)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if second := openFolder(t, dir); second.RootKey != first.RootKey || second.Name != first.Name {
		t.Error("opened again it has another root key or name")
	}
	if other := openFolder(t, t.TempDir()); other.RootKey == first.RootKey || other.Name == first.Name {
		t.Error("another folder has the same root key or name")
	}
}

// A folder has one owner, whom others learn of; the end of the owner's process ends it.
func TestFolderHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "hold-folder", dir, "")
	keep, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	pid := said(t, startChild(t, cmd), "held by")
	_, err = embed.OpenFolder(dir)
	want := fmt.Sprintf("the data folder %s is in use by process %s since 2", dir, pid)
	if weir.KindOf(err) != weir.Conflict || !strings.HasPrefix(weir.Detail(err), want) {
		t.Errorf("OpenFolder = %v (kind %v), want %q...", err, weir.KindOf(err), want)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wantKilled(t, cmd)
	openFolder(t, dir)
	if _, err := embed.OpenFolder(dir); weir.KindOf(err) != weir.Conflict { // in one process, too
		t.Errorf("OpenFolder = %v", err)
	}
}

// A newer program takes the steps the folder has not had; an older one refuses what a newer one wrote.
func TestFolderFormats(t *testing.T) {
	dir := t.TempDir()
	var ran []string
	step := func(name string, err error) func(*os.Root) error {
		return func(root *os.Root) error {
			ran = append(ran, name)
			return errors.Join(err, root.WriteFile("root.key", make([]byte, 32), 0o600), root.WriteFile("name", []byte("n\n"), 0o600))
		}
	}
	broken := errors.New("broken")
	f := func(want string, steps ...func(*os.Root) error) error {
		t.Helper()
		ran = nil
		folder, err := embed.OpenFolderInSteps(dir, steps)
		if diff := cmp.Diff(want, strings.Join(ran, " ")); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		if err != nil {
			return err
		}
		return folder.Close()
	}
	one, two, three := step("1", nil), step("2", nil), step("3", nil)
	want := func(err, cause error) {
		t.Helper()
		if !errors.Is(err, cause) {
			t.Errorf("OpenFolder = %v, want %v", err, cause)
		}
	}
	want(f("1", one), nil)
	want(f("", one), nil)
	want(f("2 3", one, two, step("3", broken)), broken)
	want(f("3", one, two, three), nil) // 2 is not run again
	err := f("", one, two)
	sentence := "the data folder " + dir + " has format 3 and this program knows formats up to 2: use the newer program that wrote it"
	if weir.KindOf(err) != weir.Conflict || weir.Detail(err) != sentence {
		t.Errorf("OpenFolder = %v, want %q", err, sentence)
	}
	want(f("", one, two, three), nil) // the refusal changed nothing
}

// A folder without its root key is refused: a new key would make every secret in it unreadable for good.
func TestFolderRefusesDamage(t *testing.T) {
	f := func(name string, damage func(path string) error, sentence string) {
		t.Helper()
		dir := t.TempDir()
		folder, err := embed.OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(folder.Close(), damage(filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := embed.OpenFolder(dir); err == nil || weir.KindOf(err) != weir.Conflict || !strings.Contains(weir.Detail(err), sentence) {
				t.Errorf("OpenFolder = %v (%v), want %q", err, weir.KindOf(err), sentence)
			}
		}
	}
	overwrite := func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) }
	f("root.key", os.Remove, "restore it from a backup")
	f("root.key", overwrite, "restore it from a backup")
	f("format", overwrite, "does not hold a format version")
	f("name", func(path string) error { return os.WriteFile(path, []byte("../x"), 0o600) }, "does not hold a name")
}

// A crash between the root key and the record of the format loses nothing.
func TestFolderFinishesFirstStart(t *testing.T) {
	dir := t.TempDir()
	folder, err := embed.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(folder.Close(), os.Remove(filepath.Join(dir, "format")), os.WriteFile(filepath.Join(dir, "format.new"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if again := openFolder(t, dir); again.RootKey != folder.RootKey {
		t.Error("the root key changed")
	}
}

func openFolder(t *testing.T, dir string) *embed.Folder {
	t.Helper()
	f, err := embed.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	})
	return f
}
