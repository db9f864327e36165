package embed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/weirstream/weir"
)

// Get implements [weir.Blobs]. The reader keeps the object it opened, whatever replaces it, and fails once ctx ends.
func (b *Blobs) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return nil, weir.ObjectInfo{}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, weir.ObjectInfo{}, fmt.Errorf("get %q: %w", key, err)
	}
	f, info, err := b.open(key)
	if err != nil {
		return nil, weir.ObjectInfo{}, fmt.Errorf("get %q: %w", key, keyError(err, key))
	}
	n, err = cutRange(info, off, n, ifMatch)
	if err != nil {
		return nil, weir.ObjectInfo{}, errors.Join(err, f.Close())
	}
	return &objectReader{Reader: ctxReader{ctx, io.NewSectionReader(f, off, n)}, Closer: f}, info, nil
}

func (b *Blobs) open(key string) (*os.File, weir.ObjectInfo, error) {
	f, err := b.root.Open(key)
	if err != nil {
		return nil, weir.ObjectInfo{}, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, weir.ObjectInfo{}, errors.Join(err, f.Close())
	}
	return f, objectInfo(key, fi), nil
}

// cutRange is the length of the asked range that exists.
func cutRange(info weir.ObjectInfo, off, n int64, ifMatch string) (int64, error) {
	switch {
	case ifMatch != "" && ifMatch != info.ETag:
		return 0, weir.Errorf(weir.Precondition, "object %q is not the one expected", info.Key)
	case off < 0, off >= info.Size && (off > 0 || info.Size > 0):
		return 0, weir.Errorf(weir.BadRange, "object %q has %d bytes, none from %d on", info.Key, info.Size, off)
	case n < 0 || n > info.Size-off:
		return info.Size - off, nil
	}
	return n, nil
}

type objectReader struct {
	io.Reader
	io.Closer
}

// ctxReader fails with ctx's error once ctx has ended.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// objectInfo describes a file. Replacing an object changes inode and modification time, hence the ETag.
func objectInfo(key string, fi fs.FileInfo) weir.ObjectInfo {
	etag := fmt.Sprintf("%x-%x-%x", fi.ModTime().UnixNano(), fi.Sys().(*syscall.Stat_t).Ino, fi.Size())
	return weir.ObjectInfo{Key: key, Size: fi.Size(), ETag: etag, Modified: fi.ModTime()}
}

func checkKey(key string) error {
	if !weir.ValidKey(key) {
		return weir.Errorf(weir.Invalid, "%q is not a valid object key", key)
	}
	return nil
}

// keyError gives what the file system says about a key's path its kind.
func keyError(err error, key string) error {
	switch {
	case errors.Is(err, syscall.EISDIR), errors.Is(err, errUnderObject):
		return weir.Errorf(weir.Conflict, "object %q cannot be: another object's key continues it, or it another's", key)
	case errors.Is(err, fs.ErrExist):
		return weir.Errorf(weir.Precondition, "object %q exists already", key)
	case keyIsMissing(err):
		return weir.Errorf(weir.NotFound, "object %q does not exist", key)
	}
	return diskError(err)
}

func keyIsMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// diskError gives an error that is about space its kind and leaves others as they are. Paths of this machine are in the
// cause only, since the detail is shown to clients.
func diskError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &weir.Error{Kind: weir.Full, Detail: "the disk is full", Err: err}
	case errors.Is(err, syscall.EFBIG):
		return &weir.Error{Kind: weir.TooLarge, Detail: "larger than a file may be here", Err: err}
	}
	return err
}
