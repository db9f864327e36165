package embed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/weirstream/weir"
)

// S3's bounds on parts, held here too so that what works on a laptop works there.
const (
	maxPart     = 10000
	minPartSize = 5 << 20
)

// uploadRest is how long an upload may rest before the next open of the folder removes it.
const uploadRest = 7 * 24 * time.Hour

// keyFile holds an upload's key; its parts lie beside it, named by their numbers.
const keyFile = "key"

// upload is one directory under .uploads. It is made by one rename and ended by another, so it is there whole or not.
type upload struct {
	blobs *Blobs
	key   string
	id    string
}

// Upload implements [weir.Blobs]. Resuming an id that is not of an upload of this key, or of one that ended, is NotFound.
func (b *Blobs) Upload(ctx context.Context, key, id string) (weir.Upload, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("upload %q: %w", key, err)
	}
	u := &upload{blobs: b, key: key, id: id}
	if id == "" {
		u.id = weir.NewID(b.now())
		if err := u.start(); err != nil {
			return nil, fmt.Errorf("start upload of %q: %w", key, diskError(err))
		}
		return u, nil
	}
	if !weir.ValidID(id) {
		return nil, u.missing()
	}
	stored, err := b.root.ReadFile(u.path(keyFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && string(stored) != key {
		return nil, u.missing()
	}
	if err != nil {
		return nil, fmt.Errorf("resume upload of %q: %w", key, err)
	}
	return u, nil
}

func (u *upload) start() error {
	root, temp := u.blobs.root, path.Join(tempDir, u.id)
	if err := root.Mkdir(temp, 0o700); err != nil {
		return err
	}
	err := errors.Join(writeSynced(root, path.Join(temp, keyFile), []byte(u.key)), syncDir(root, temp))
	if err == nil {
		err = root.Rename(temp, u.path(""))
	}
	if err != nil {
		return errors.Join(err, root.RemoveAll(temp))
	}
	return syncDir(root, uploadsDir)
}

// dropAbandoned removes uploads in which nothing happened for too long. The time is that of the latest part: putting one
// changes its directory.
func (b *Blobs) dropAbandoned() error {
	entries, err := fs.ReadDir(b.root.FS(), uploadsDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && b.now().Sub(info.ModTime()) > uploadRest {
			err = b.root.RemoveAll(path.Join(uploadsDir, e.Name()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ID implements [weir.Upload].
func (u *upload) ID() string { return u.id }

// Part implements [weir.Upload]. A reader that does not yield exactly size bytes is Invalid.
func (u *upload) Part(ctx context.Context, n int, r io.Reader, size int64) (string, error) {
	if n < 1 || n > maxPart || size < 0 {
		return "", weir.Errorf(weir.Invalid, "part %d of %d bytes cannot be: parts are numbered from 1 to %d", n, size, maxPart)
	}
	temp, info, err := u.blobs.write(ctx, func(f *os.File) error {
		got, err := io.Copy(f, io.LimitReader(ctxReader{ctx, r}, size+1))
		if err == nil && got != size {
			err = weir.Errorf(weir.Invalid, "part %d is not of %d bytes", n, size)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("upload part %d of %q: %w", n, u.key, err)
	}
	defer u.blobs.root.Remove(temp) // gone already after a rename
	u.blobs.at("blobs.before-part")
	if err := u.blobs.root.Rename(temp, u.path(strconv.Itoa(n))); err != nil {
		return "", fmt.Errorf("upload part %d of %q: %w", n, u.key, u.ended(err))
	}
	if err := syncDir(u.blobs.root, u.path("")); err != nil {
		return "", fmt.Errorf("upload part %d of %q: %w", n, u.key, u.ended(err))
	}
	return objectInfo("", info).ETag, nil
}

// Parts implements [weir.Upload].
func (u *upload) Parts(ctx context.Context) (map[int]weir.ObjectInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("parts of %q: %w", u.key, err)
	}
	dir, err := u.blobs.root.Open(u.path(""))
	if err != nil {
		return nil, fmt.Errorf("parts of %q: %w", u.key, u.ended(err))
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return nil, fmt.Errorf("parts of %q: %w", u.key, err)
	}
	parts := make(map[int]weir.ObjectInfo, len(names))
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil {
			continue // the key file
		}
		fi, err := u.blobs.root.Lstat(u.path(name))
		if err != nil {
			return nil, fmt.Errorf("parts of %q: %w", u.key, u.ended(err))
		}
		parts[n] = objectInfo("", fi)
	}
	return parts, nil
}

// Complete implements [weir.Upload]. Invalid: a part is missing, or one but the last breaks S3's rules of size; the
// upload stays. It needs the object's size in free space once more, because only whole uploads may survive a crash.
func (u *upload) Complete(ctx context.Context, n int, opts weir.PutOptions) (weir.ObjectInfo, error) {
	if err := u.check(ctx, n); err != nil {
		return weir.ObjectInfo{}, err
	}
	if err := u.blobs.allowed(u.key, opts); err != nil {
		return weir.ObjectInfo{}, err
	}
	temp, info, err := u.blobs.write(ctx, func(f *os.File) error {
		for i := 1; i <= n; i++ {
			if err := u.appendPart(ctx, f, i); err != nil {
				return fmt.Errorf("part %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		return weir.ObjectInfo{}, fmt.Errorf("complete upload of %q: %w", u.key, err)
	}
	object, err := u.blobs.commit(ctx, temp, u.key, info, opts)
	if err != nil {
		return weir.ObjectInfo{}, err
	}
	if err := u.Abort(context.WithoutCancel(ctx)); err != nil {
		return weir.ObjectInfo{}, err
	}
	return object, nil
}

// check holds the parts against S3's rules.
func (u *upload) check(ctx context.Context, n int) error {
	if n < 1 || n > maxPart {
		return weir.Errorf(weir.Invalid, "an upload has 1 to %d parts, not %d", maxPart, n)
	}
	parts, err := u.Parts(ctx)
	if err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		part, ok := parts[i]
		switch {
		case !ok:
			return weir.Errorf(weir.Invalid, "part %d of %d is missing", i, n)
		case i < n && (part.Size != parts[1].Size || part.Size < minPartSize):
			return weir.Errorf(weir.Invalid, "part %d has %d bytes: all but the last have one size, at least %d", i, part.Size, minPartSize)
		}
	}
	return nil
}

// copyStep is how much the kernel copies between two looks at the context.
const copyStep = 64 << 20

// appendPart copies a part to the end of f. Between two files io.Copy is copy_file_range: no byte passes through here,
// and file systems that can share extents do.
func (u *upload) appendPart(ctx context.Context, f *os.File, n int) error {
	part, err := u.blobs.root.Open(u.path(strconv.Itoa(n)))
	if err != nil {
		return u.ended(err)
	}
	for err == nil {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(f, part, copyStep)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, part.Close())
}

// Abort implements [weir.Upload]. An upload that has ended is no error.
func (u *upload) Abort(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("abort upload of %q: %w", u.key, err)
	}
	root, temp := u.blobs.root, path.Join(tempDir, weir.NewID(u.blobs.now()))
	if err := root.Rename(u.path(""), temp); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("end upload of %q: %w", u.key, diskError(err))
	}
	if err := errors.Join(syncDir(root, uploadsDir), root.RemoveAll(temp)); err != nil {
		return fmt.Errorf("end upload of %q: %w", u.key, err)
	}
	return nil
}

func (u *upload) path(name string) string { return path.Join(uploadsDir, u.id, name) }

func (u *upload) missing() error {
	return weir.Errorf(weir.NotFound, "there is no upload %q of %q", u.id, u.key)
}

// ended turns a missing file into the reason for it: the upload was completed or aborted.
func (u *upload) ended(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return u.missing()
	}
	return diskError(err)
}

// writeSynced makes a new file of mode 0600 and syncs it. Its directory is the caller's to sync.
func writeSynced(root *os.Root, name string, content []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
