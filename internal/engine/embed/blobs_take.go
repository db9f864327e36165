package embed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/weirstream/weir"
)

// TakeFile implements [weir.FileTaker]: the object is a second name of the file, or a copy where the file system cannot
// give it one. A crash leaves the object as it was before or whole, and the file under its own name; doing it again is fine.
func (b *Blobs) TakeFile(ctx context.Context, key, name string) (weir.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return weir.ObjectInfo{}, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // never waits at a pipe
	if err != nil {
		return weir.ObjectInfo{}, fmt.Errorf("take file for %q: %w", key, err)
	}
	defer func() { _ = f.Close() }()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return weir.ObjectInfo{}, errors.Join(weir.Errorf(weir.Invalid, "what is to be taken for %q is not a regular file", key), err)
	}
	temp := path.Join(tempDir, weir.NewID(b.now()))
	switch err := os.Link(name, filepath.Join(b.dir, temp)); {
	case errors.Is(err, syscall.EXDEV), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EMLINK), errors.Is(err, errors.ErrUnsupported):
		return b.Put(ctx, key, f, weir.PutOptions{}) // another file system, or one without links
	case err != nil:
		return weir.ObjectInfo{}, fmt.Errorf("take file for %q: %w", key, diskError(err))
	}
	info, err := b.settle(temp, f)
	if err != nil {
		return weir.ObjectInfo{}, errors.Join(fmt.Errorf("take file for %q: %w", key, diskError(err)), b.root.Remove(temp))
	}
	return b.commit(ctx, temp, key, info, weir.PutOptions{})
}

// settle makes the linked file what write makes of its own: private, stamped and on disk.
func (b *Blobs) settle(temp string, f *os.File) (fs.FileInfo, error) {
	stamp := b.stamp()
	if err := errors.Join(f.Chmod(0o600), b.root.Chtimes(temp, stamp, stamp)); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return f.Stat()
}
