// Package origin answers what the edge's memory does not hold: it reads heads, index pages and ranges of media objects
// from the object store, whole and verified or not at all.
//
// It keeps nothing. Bytes go into their sink as they come, and the word that they are good follows at the end. Reads that break or
// stall are resumed where they stopped, reads that are late to begin have a second one beside them, and there are only so many
// at once: the rest wait in order of who needs them first.
//
// Invariant: nil from Copy means that the sink has exactly the bytes that were listed. No byte is written after Copy has returned,
// but into space that the sink keeps for it (cache.Keeper).
//
// Each read of the store has a goroutine, which alone touches its reader; Wait waits for those that were given up.
package origin

import (
	"context"
	"errors"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// MaxInitBytes bounds an init segment (CMAF header).
const MaxInitBytes = 256 << 10

// Origin reads from Blobs. Only Blobs must be set, before the first read. It is safe for concurrent use. Errors of its methods have
// the store's kinds; bytes that are there but wrong, and reads that found no place in the queue, are Unavailable.
type Origin struct {
	Blobs  weir.Blobs
	Shared weir.Cache // of index pages, asked before Blobs; nil is none

	SharedTimeout time.Duration // the most by which Shared may slow a page's read, with looking and storing; must be set with it
	StallTimeout  time.Duration // a read without a byte for so long is given up and resumed; 0 is 5 s
	Concurrency   int           // reads of Blobs at once; 0 is 64
	Queue         int           // reads that may wait for their turn; 0 is 1024

	slots   queue
	pace    pace
	blocks  sync.Pool      // *block, where first bytes wait
	running sync.WaitGroup // a goroutine for each read

	counters                 counters
	sharedHits, sharedMisses atomic.Int64
}

// Wait returns when no read of the store is under way any more, also none that was given up. Nobody may read meanwhile.
func (o *Origin) Wait() { o.running.Wait() }

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
	b, info, err := o.whole(ctx, key, weir.MaxHeadBytes)
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
	b, _, err := o.whole(ctx, key, weir.MaxPageBytes)
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
		b, _, err := o.whole(ctx, key, MaxInitBytes)
		return b, err
	})
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
		o.counters.damaged.Add(1)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, damaged(key)
}

func damaged(key string) error {
	return weir.Errorf(weir.Unavailable, "%s: %w", key, ErrDamaged)
}

// ErrDamaged is in the error of bytes that are not what was listed.
var ErrDamaged = errors.New("the bytes fail their checksum")

// whole reads an object of at most limit bytes. It may be replaced meanwhile: then it is read anew.
func (o *Origin) whole(ctx context.Context, key string, limit int64) ([]byte, weir.ObjectInfo, error) {
	b := &buffer{limit: limit + 1}
	r := &read{origin: o, part: Part{Key: key, Length: toTheEnd}, waiter: newWaiter(Part{Key: key}, Want{Priority: Player}), sink: b, restart: b.reset}
	err := r.run(ctx)
	if err == errNoSpace || int64(len(b.bytes)) > limit {
		err = weir.Errorf(weir.Invalid, "%s has more than %d bytes", key, limit)
	}
	if err != nil {
		return nil, r.info, err
	}
	return b.bytes, r.info, nil
}

func crc32c(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
