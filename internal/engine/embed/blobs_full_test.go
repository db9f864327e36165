package embed_test

import (
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirstream/weir"
)

const smallDisk = 4 << 20

// A full disk refuses what does not fit, keeps what is there and takes what does fit. The disk is a small tmpfs in a mount
// namespace of a child's own; a machine that allows neither root nor users one gives it files of a limited size instead.
func TestBlobsOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	attempts := []*syscall.SysProcAttr{
		{Cloneflags: unix.CLONE_NEWNS},
		{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: unix.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: unix.Getgid(), Size: 1}}},
		{},
	}
	for _, attr := range attempts {
		cmd := child(t, "full-disk", dir, "")
		cmd.SysProcAttr = attr
		out, err := cmd.Output()
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) {
			continue // no such namespace for us
		}
		t.Logf("%s", out)
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("the child ended with %v", err)
		}
		return
	}
	t.Error("no child could be started")
}

func childFillsDisk(t *testing.T, dir string) {
	kind := limitDisk(t, dir)
	b := openBlobs(t, filepath.Join(dir, "blobs"))
	small, large := strings.Repeat("s", smallDisk/4), strings.Repeat("l", 2*smallDisk)
	put := func(key, content string) error {
		_, err := b.Put(t.Context(), key, strings.NewReader(content), weir.PutOptions{})
		return err
	}
	if err := put("d/k", small); err != nil {
		t.Fatal(err)
	}
	u, err := b.Upload(t.Context(), "d/k", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // leftovers would fill the disk
		if err := put("d/k", large); weir.KindOf(err) != kind {
			t.Errorf("Put of %d bytes = %v (kind %v), want kind %v", len(large), err, weir.KindOf(err), kind)
		}
		if err := put("other/k", large); weir.KindOf(err) != kind {
			t.Errorf("Put of %d bytes = %v (kind %v), want kind %v", len(large), err, weir.KindOf(err), kind)
		}
		if _, err := u.Part(t.Context(), 1, strings.NewReader(large), int64(len(large))); weir.KindOf(err) != kind {
			t.Errorf("Part of %d bytes = %v (kind %v), want kind %v", len(large), err, weir.KindOf(err), kind)
		}
	}
	if got := contents(t, b); len(got) != 1 || got["d/k"] != small {
		t.Errorf("%d objects; the old one has %d bytes, want %d", len(got), len(got["d/k"]), len(small))
	}
	if err := put("d/k2", small); err != nil {
		t.Errorf("Put of what fits = %v", err)
	}
	if free, err := b.FreeBytes(t.Context()); err != nil || kind == weir.Full && (free < smallDisk/4 || free > smallDisk/2) {
		t.Errorf("FreeBytes = %d, %v, want about %d", free, err, smallDisk/2)
	}
	// Here the disk has room for the file, but not for it and a copy; there it is on another disk.
	here, there := filepath.Join(dir, "upload"), filepath.Join(filepath.Dir(dir), "elsewhere")
	for _, name := range []string{here, there} {
		content := name
		if name == here {
			content = strings.Repeat("h", smallDisk*3/8)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.TakeFile(t.Context(), "d/taken", name); err != nil || contents(t, b)["d/taken"] != content {
			t.Errorf("TakeFile(%q) = %v; the object is another", name, err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// limitDisk makes dir a small disk, or else files small, and returns the kind of error that exceeding it is.
func limitDisk(t *testing.T, dir string) weir.Kind {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") // so that nothing outside sees the next mount
	if err == nil {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m")
	}
	if err == nil {
		t.Log("on a tmpfs of 4 MiB")
		return weir.Full
	}
	t.Logf("with files of at most 4 MiB, since mounting is not allowed: %v", err)
	signal.Ignore(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: smallDisk, Max: smallDisk}); err != nil {
		t.Fatal(err)
	}
	return weir.TooLarge
}
