package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	weir "github.com/weirstream/weir"
)

// finishTimeout bounds the time from an upload's last byte to its master.
const finishTimeout = time.Hour

// finish makes the master of an upload whose bytes are all here, and its asset received. The caller holds the upload's
// lock. It may be cut anywhere and called again: the master's key follows from the asset, so a second put replaces the
// first by the same bytes, and only the transaction that stores the state puts the fact. Errors: Unprocessable (another
// sha256 than promised: the asset is failed), Gone (deleted meanwhile); after others the upload stays and is tried again.
func (s *Service) finish(ctx context.Context, r Record) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	id := r.Asset.ID
	s.c.At("ingest.before-master-put")
	sum, err := s.putMaster(ctx, r)
	if errors.Is(err, errMismatch) {
		reason := "The file that arrived is not the one that was announced: its SHA-256 differs. Upload it again."
		if err := s.fail(ctx, id, reason); err != nil {
			return r, fmt.Errorf("fail upload: %w", err)
		}
		return r, weir.Errorf(weir.Unprocessable, "%s", reason)
	}
	if errors.Is(err, fs.ErrNotExist) { // the file is gone: deleted before it could be read?
		if now, loadErr := s.c.Store.Load(ctx, id); loadErr == nil && ended(now) != nil {
			return now, ended(now)
		}
	}
	if err != nil {
		return r, err
	}
	s.c.At("ingest.after-master-put")
	s.c.At("ingest.before-received")
	r, err = s.change(ctx, id, func(r *Record) (string, error) {
		if r.Asset.State != weir.AssetUploading {
			return "", errSettled
		}
		r.Asset.State = weir.AssetReceived
		r.Asset.Master.SHA256, r.Asset.Master.Created = sum, s.c.Now().UTC()
		return weir.FactMasterReady, nil
	})
	if errors.Is(err, errSettled) && r.Asset.State != weir.AssetReceived {
		// Deleted while it was put: nobody will ever name this object.
		if err := s.c.Blobs.Delete(ctx, weir.MasterKey(id)); err != nil {
			return r, fmt.Errorf("delete master of a deleted asset: %w", err)
		}
		return r, ended(r)
	}
	if err != nil && !errors.Is(err, errSettled) {
		return r, fmt.Errorf("receive master: %w", err)
	}
	s.c.At("ingest.after-received")
	return r, s.removeFiles(id)
}

// ended is why an asset takes no more bytes.
func ended(r Record) error {
	switch r.Asset.State {
	case weir.AssetDeleted:
		return errDeleted
	case weir.AssetFailed:
		return weir.Errorf(weir.Unprocessable, "%s", r.Asset.Reason)
	}
	return nil
}

// putMaster stores the upload's bytes and returns their sha256. errMismatch: they are not the promised ones, and nothing is
// stored.
func (s *Service) putMaster(ctx context.Context, r Record) (string, error) {
	f, err := os.Open(s.path(r.Asset.ID))
	if err != nil {
		return "", fmt.Errorf("open upload: %w", err)
	}
	defer func() { _ = f.Close() }()
	check := &checked{ctx: ctx, r: f, hash: sha256.New(), left: r.Asset.Master.Size, want: r.Declared}
	if taker, ok := s.c.Blobs.(weir.FileTaker); ok { // then the file is read once and not copied
		if _, err = io.Copy(io.Discard, check); err == nil {
			_, err = taker.TakeFile(ctx, weir.MasterKey(r.Asset.ID), s.path(r.Asset.ID))
		}
	} else {
		known := io.LimitReader(check, r.Asset.Master.Size+1) // stores that part an object have to know how long it may be
		_, err = s.c.Blobs.Put(ctx, weir.MasterKey(r.Asset.ID), known, weir.PutOptions{})
	}
	switch {
	case check.mismatch:
		return "", errMismatch
	case err != nil:
		return "", fmt.Errorf("put master: %w", err)
	}
	return check.sum(), nil
}

var errMismatch = errors.New("the sha256 differs from the promised one")

// checked hashes what is read through it and turns the end into errMismatch if the bytes are not the promised ones, so
// that the put they go to stores nothing.
type checked struct {
	ctx      context.Context // ends the reading
	r        io.Reader
	hash     hash.Hash
	left     int64  // bytes that must still come
	want     string // "" accepts any
	mismatch bool
}

// Read returns errMismatch in place of io.EOF.
func (c *checked) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.hash.Write(b[:n])
	c.left -= int64(n)
	switch {
	case c.left < 0:
		return n, weir.Errorf(weir.Internal, "upload has more bytes than were announced")
	case errors.Is(err, io.EOF) && c.left != 0:
		return n, weir.Errorf(weir.Internal, "upload has %d bytes too few", c.left)
	case errors.Is(err, io.EOF) && c.want != "" && c.want != c.sum():
		c.mismatch = true
		return n, errMismatch
	}
	return n, err
}

func (c *checked) sum() string { return hex.EncodeToString(c.hash.Sum(nil)) }

// path is the file with an upload's bytes.
func (s *Service) path(id string) string { return filepath.Join(s.c.Dir, id) }

// removeFiles forgets the bytes of an upload; what a crash leaves is removed by the sweep.
func (s *Service) removeFiles(id string) error {
	for _, name := range []string{s.path(id), s.path(id) + infoSuffix} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove upload: %w", err)
		}
	}
	return nil
}
