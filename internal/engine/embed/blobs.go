package embed

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirstream/weir"
)

// Names in the folder that no key can have, because a segment of a key never starts with a dot.
const (
	tempDir    = ".tmp"     // files being written; emptied when the folder is opened
	uploadsDir = ".uploads" // multipart uploads under way, one directory each; they survive a restart, unless abandoned
	blobsLock  = ".lock"    // held while the folder is open
)

// Blobs is [weir.Blobs] on a directory: the object "a/b" is the file a/b. Being a directory it has one restriction that
// S3 lacks and MinIO shares: a key that continues another after a slash ("a" and "a/b") is a Conflict.
//
// A put writes a file under .tmp, syncs it, moves it to its place and syncs the directory. One process has the directory
// open at a time, so conditions are checked under locks in memory. Lock order: keys, then tree.
type Blobs struct {
	At  func(point string) // if not nil, called at the named points of a put: tests kill the process there
	Now func() time.Time   // time.Now if nil

	dir  string
	root *os.Root
	lock *os.File
	seed maphash.Seed
	keys [64]sync.Mutex // by hash of the key: makes a condition and the change it guards one step
	tree tree
	last atomic.Int64 // the latest modification time given, unix nanoseconds
}

var (
	_ weir.Blobs      = (*Blobs)(nil)
	_ weir.LocalFiles = (*Blobs)(nil)
	_ weir.FileTaker  = (*Blobs)(nil)
	_ weir.FreeSpace  = (*Blobs)(nil)
)

// OpenBlobs opens the directory, creating it (mode 0700) if need be, and removes what interrupted puts left. A directory
// that is open already, here or in another process, is a Conflict.
func OpenBlobs(dir string) (*Blobs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open blobs: %w", diskError(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	b := &Blobs{dir: dir, root: root, seed: maphash.MakeSeed(), tree: tree{root: root}}
	if b.lock, err = acquire(root, blobsLock, "object folder "+dir); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if err := b.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("open blobs %s: %w", dir, diskError(err)), b.Close())
	}
	return b, nil
}

func (b *Blobs) prepare() error {
	if err := b.root.RemoveAll(tempDir); err != nil {
		return err
	}
	for _, name := range []string{tempDir, uploadsDir} {
		if err := b.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := b.dropAbandoned(); err != nil {
		return err
	}
	return errors.Join(syncDir(b.root, "."), syncPath(filepath.Dir(b.dir)))
}

// Close gives the directory up. Readers that Get returned stay usable.
func (b *Blobs) Close() error { return errors.Join(b.root.Close(), b.lock.Close()) }

// Put implements [weir.Blobs]. A full disk is of kind Full, and then, as with every error, nothing is stored.
func (b *Blobs) Put(ctx context.Context, key string, r io.Reader, opts weir.PutOptions) (weir.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return weir.ObjectInfo{}, err
	}
	if err := b.allowed(key, opts); err != nil {
		return weir.ObjectInfo{}, err // before the bytes are read, not only after
	}
	temp, info, err := b.write(ctx, func(f *os.File) error {
		_, err := io.Copy(f, ctxReader{ctx, r})
		return err
	})
	if err != nil {
		return weir.ObjectInfo{}, fmt.Errorf("put %q: %w", key, err)
	}
	return b.commit(ctx, temp, key, info, opts)
}

// write makes a synced file under .tmp, filled by fill, with a modification time no other file of this Blobs has.
func (b *Blobs) write(ctx context.Context, fill func(*os.File) error) (temp string, info fs.FileInfo, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	temp = path.Join(tempDir, weir.NewID(b.now()))
	f, err := b.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, diskError(err)
	}
	err = fill(f)
	if err == nil {
		stamp := b.stamp()
		err = b.root.Chtimes(temp, stamp, stamp)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		info, err = f.Stat()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = b.root.Remove(temp) // what stays is removed at the next open
		return "", nil, diskError(err)
	}
	return temp, info, nil
}

// commit makes the temporary file the object, if the conditions hold, or removes it.
func (b *Blobs) commit(ctx context.Context, temp, key string, info fs.FileInfo, opts weir.PutOptions) (weir.ObjectInfo, error) {
	defer b.root.Remove(temp) // gone already after a rename
	mu := b.lockFor(key)
	mu.Lock()
	defer mu.Unlock()
	if err := b.allowed(key, opts); err != nil {
		return weir.ObjectInfo{}, err
	}
	if err := ctx.Err(); err != nil {
		return weir.ObjectInfo{}, fmt.Errorf("put %q: %w", key, err)
	}
	b.at("blobs.before-rename")
	err := b.tree.place(temp, key, opts.CreateOnly, func() { b.at("blobs.after-rename") })
	if err != nil {
		return weir.ObjectInfo{}, fmt.Errorf("put %q: %w", key, keyError(err, key))
	}
	return objectInfo(key, info), nil
}

// allowed checks the conditions of a put against what is stored now.
func (b *Blobs) allowed(key string, opts weir.PutOptions) error {
	if opts == (weir.PutOptions{}) {
		return nil
	}
	info, err := b.stat(key)
	switch {
	case err != nil && weir.KindOf(err) != weir.NotFound:
		return err
	case opts.CreateOnly && err == nil:
		return weir.Errorf(weir.Precondition, "object %q exists already", key)
	case opts.IfMatch != "" && (err != nil || info.ETag != opts.IfMatch):
		return weir.Errorf(weir.Precondition, "object %q is not the one expected", key)
	}
	return nil
}

// Stat implements [weir.Blobs].
func (b *Blobs) Stat(ctx context.Context, key string) (weir.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return weir.ObjectInfo{}, err
	}
	if err := ctx.Err(); err != nil {
		return weir.ObjectInfo{}, fmt.Errorf("stat %q: %w", key, err)
	}
	return b.stat(key)
}

func (b *Blobs) stat(key string) (weir.ObjectInfo, error) {
	fi, err := b.root.Lstat(key)
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return weir.ObjectInfo{}, fmt.Errorf("stat %q: %w", key, keyError(err, key))
	}
	return objectInfo(key, fi), nil
}

// Delete implements [weir.Blobs]. It removes the directories it emptied, too.
func (b *Blobs) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	mu := b.lockFor(key)
	mu.Lock()
	defer mu.Unlock()
	if _, err := b.stat(key); weir.KindOf(err) == weir.NotFound {
		return nil
	} else if err != nil {
		return err
	}
	if err := b.tree.remove(key); err != nil {
		return fmt.Errorf("delete %q: %w", key, diskError(err))
	}
	return nil
}

// LocalPath implements [weir.LocalFiles]. The file is never changed in place, only replaced or removed: whoever has it
// open keeps the object it opened.
func (b *Blobs) LocalPath(key string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	if _, err := b.stat(key); err != nil {
		return "", err
	}
	return filepath.Join(b.dir, filepath.FromSlash(key)), nil
}

// FreeBytes implements [weir.FreeSpace] for the file system of the directory.
func (b *Blobs) FreeBytes(context.Context) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(b.dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", b.dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

func (b *Blobs) lockFor(key string) *sync.Mutex {
	return &b.keys[maphash.String(b.seed, key)%uint64(len(b.keys))]
}

func (b *Blobs) at(point string) {
	if b.At != nil {
		b.At(point)
	}
}

func (b *Blobs) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// stamp is now, or a nanosecond after the stamp before. The kernel's own clock ticks in milliseconds and inodes are used
// again at once, so without it a third version of an object could have the ETag of the first.
func (b *Blobs) stamp() time.Time {
	for {
		last := b.last.Load()
		next := max(b.now().UnixNano(), last+1)
		if b.last.CompareAndSwap(last, next) {
			return time.Unix(0, next)
		}
	}
}
