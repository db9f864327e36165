// Package origin answers what the edge's memory does not hold: it reads heads, index pages and ranges of media objects
// from the object store, whole and verified or not at all.
//
// It keeps nothing. Reads that break are resumed where they stopped, a few times; bytes that fail their checksum are
// read once more and then refused. Other origins (an HTTP server, a peer edge) will stand beside this one.
package origin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"path"
	"strings"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// attempts is how often one range is asked for before its read is given up; retryDelay grows with each.
const (
	attempts   = 4
	retryDelay = 20 * time.Millisecond
)

// MaxInitBytes bounds an init segment (CMAF header).
const MaxInitBytes = 256 << 10

// Origin reads from Blobs. Only Blobs must be set. It is safe for concurrent use. Errors of its methods have the store's
// kinds; bytes that are there but wrong are Unavailable.
type Origin struct {
	Blobs  weir.Blobs
	Shared weir.Cache // of index pages, asked before Blobs; nil is none

	SharedTimeout time.Duration // the most by which Shared may slow a page's read, with looking and storing; must be set with it

	resumed, damaged         atomic.Int64
	sharedHits, sharedMisses atomic.Int64
}

// Counts returns how many reads were asked again after a break, and how many delivered bytes that failed their checksum.
func (o *Origin) Counts() (resumed, damaged int64) { return o.resumed.Load(), o.damaged.Load() }

// SharedCounts returns how many pages came from the shared cache, and how many it was asked for in vain.
func (o *Origin) SharedCounts() (hits, misses int64) {
	return o.sharedHits.Load(), o.sharedMisses.Load()
}

// Head reads the head of a revision unless its ETag is still known, which is not ""; then it returns the zero Head and
// known.
func (o *Origin) Head(ctx context.Context, organisation, asset string, revision int, known string) (weir.Head, string, error) {
	key := weir.HeadKey(organisation, asset, revision)
	info, err := o.Blobs.Stat(ctx, key)
	if err != nil || (known != "" && info.ETag == known) {
		return weir.Head{}, known, err
	}
	b, info, err := o.small(ctx, key, weir.MaxHeadBytes)
	if err != nil {
		return weir.Head{}, "", err
	}
	h, err := weir.ParseHead(b)
	if err != nil {
		return weir.Head{}, "", err
	}
	if h.Organisation != organisation || h.Asset != asset || h.Revision != revision {
		return weir.Head{}, "", weir.Errorf(weir.Internal, "%s is the head of another revision", key)
	}
	return h, info.ETag, nil
}

// Page reads an index page, from the shared cache if it is there.
func (o *Origin) Page(ctx context.Context, key string) (weir.Page, error) {
	p, ok, left := o.sharedPage(ctx, key)
	if ok {
		return p, nil
	}
	b, _, err := o.small(ctx, key, weir.MaxPageBytes)
	if err != nil {
		return weir.Page{}, err
	}
	p, err = weir.ParsePage(b)
	if err == nil && left > 0 && pageOf(key, p) {
		o.sharePage(ctx, key, b, left)
	}
	return p, err
}

// Init reads an init segment whose CRC32C must be sum.
func (o *Origin) Init(ctx context.Context, key string, sum uint32) ([]byte, error) {
	return o.verified(ctx, key, func(b []byte) bool { return crc32c(b) == sum }, func() ([]byte, error) {
		b, _, err := o.small(ctx, key, MaxInitBytes)
		return b, err
	})
}

// Segment reads the n bytes at off of a chunk object, whose CRC32C must be sum.
func (o *Origin) Segment(ctx context.Context, key string, off, n int64, sum uint32) ([]byte, error) {
	return o.verified(ctx, key, func(b []byte) bool { return crc32c(b) == sum }, func() ([]byte, error) {
		return o.readFull(ctx, key, off, n)
	})
}

// Still reads a picture of n bytes. Its name, which is the start of its sha256, must fit.
func (o *Origin) Still(ctx context.Context, key string, n int64) ([]byte, error) {
	name := strings.TrimSuffix(path.Base(key), path.Ext(key))
	return o.verified(ctx, key, func(b []byte) bool {
		sum := sha256.Sum256(b)
		return name != "" && strings.HasPrefix(hex.EncodeToString(sum[:]), name)
	}, func() ([]byte, error) { return o.readFull(ctx, key, 0, n) })
}

// verified returns what read yields once it is good, reading at most twice.
func (o *Origin) verified(ctx context.Context, key string, good func([]byte) bool, read func() ([]byte, error)) ([]byte, error) {
	for range 2 {
		b, err := read()
		if err != nil {
			return nil, err
		}
		if good(b) {
			return b, nil
		}
		o.damaged.Add(1)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, weir.Errorf(weir.Unavailable, "%s fails its checksum", key)
}

// readFull reads exactly n bytes at off. A read that breaks goes on where it stopped, on the same ETag, so that it never
// joins bytes of two objects.
func (o *Origin) readFull(ctx context.Context, key string, off, n int64) ([]byte, error) {
	b := make([]byte, n)
	var got int64
	var etag string
	err := o.retry(ctx, func() error {
		m, seen, err := o.readSome(ctx, key, b[got:], off+got, etag)
		got, etag = got+m, seen
		return err
	})
	return b, err
}

// readSome fills b from off as far as one read gets, and returns how far and the object's ETag.
func (o *Origin) readSome(ctx context.Context, key string, b []byte, off int64, etag string) (int64, string, error) {
	r, info, err := o.Blobs.Get(ctx, key, off, int64(len(b)), etag)
	if err != nil {
		return 0, etag, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if info.Size > 0 && info.Size < off+int64(len(b)) {
			return int64(n), info.ETag, weir.Errorf(weir.BadRange, "%s has %d bytes, %d were listed", key, info.Size, off+int64(len(b)))
		}
		err = weir.Errorf(weir.Unavailable, "read of %s broke: %w", key, io.ErrUnexpectedEOF)
	}
	return int64(n), info.ETag, err
}

// small reads a whole object of at most limit bytes.
func (o *Origin) small(ctx context.Context, key string, limit int64) (b []byte, info weir.ObjectInfo, err error) {
	err = o.retry(ctx, func() error {
		b, info, err = o.smallOnce(ctx, key, limit)
		return err
	})
	return b, info, err
}

func (o *Origin) smallOnce(ctx context.Context, key string, limit int64) ([]byte, weir.ObjectInfo, error) {
	r, info, err := o.Blobs.Get(ctx, key, 0, -1, "")
	if err != nil {
		return nil, info, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, info, weir.Errorf(weir.Unavailable, "read of %s broke: %w", key, err)
	case int64(len(b)) > limit:
		return nil, info, weir.Errorf(weir.Invalid, "%s has more than %d bytes", key, limit)
	case int64(len(b)) < info.Size:
		return nil, info, weir.Errorf(weir.Unavailable, "read of %s broke: %w", key, io.ErrUnexpectedEOF)
	}
	return b, info, nil
}

// retry calls read until it succeeds, fails for good or was called often enough.
func (o *Origin) retry(ctx context.Context, read func() error) error {
	for try := 1; ; try++ {
		err := read()
		if err == nil || try == attempts || ctx.Err() != nil || permanent(err) {
			return err
		}
		o.resumed.Add(1)
		select {
		case <-time.After(time.Duration(try) * retryDelay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// permanent says whether asking again cannot help.
func permanent(err error) bool {
	switch weir.KindOf(err) {
	case weir.NotFound, weir.Gone, weir.BadRange, weir.Precondition, weir.Invalid, weir.Forbidden:
		return true
	}
	return false
}

func crc32c(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
