package edge

import (
	"context"
	"errors"
	"hash/crc32"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
	"github.com/weirstream/weir/edge/cache/shared"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/edge/peer"
	"github.com/weirstream/weir/edge/rulings"
)

// tiers are where bytes are that memory does not hold, nearest first; what is nil is not there. Each hands over the start of
// a part, or all of it, and the next goes on.
type tiers struct {
	disk   *disk.Tier
	shared *shared.Tier
	peer   *peer.Tier
	origin *origin.Origin

	rulings *rulings.Rulings
	fresh   func() bool // that the purge log is known to its end, without which only the origin is believed
}

// tier names where bytes came from, in metrics and Server-Timing.
type tier int32

const (
	fromOrigin tier = iota
	fromDisk
	fromShared
	fromPeer
)

var tierNames = [...]string{fromOrigin: "origin", fromDisk: "disk", fromShared: "shared", fromPeer: "peer"}

// part is what the object is to the origin.
func (o *object) part() origin.Part {
	return origin.Part{Key: o.key.Object, Off: o.key.Offset, Length: o.key.Length, Sum: o.crc, Still: o.still}
}

// fill writes the object's bytes into the cache, from the nearest tier that has them. first is told where the first byte comes from.
func (t *tiers) fill(ctx context.Context, o *object, want origin.Want, w cache.Sink, first *atomic.Int32) error {
	s := &summed{Sink: w}
	forget := func() {}
	for _, near := range t.near(o) {
		first.Store(int32(near.name))
		_, whole := near.read(ctx, s)
		if whole && (o.still || s.sum == o.crc) {
			return nil
		}
		if whole {
			near.forget()
			return cache.Fleeting(weir.Errorf(weir.Unavailable, "%s on %s fails its checksum", o.key.Object, tierNames[near.name]))
		}
		if s.n > 0 { // the rest is the origin's: the others would begin anew
			forget = near.forget
			break
		}
	}
	if s.n == 0 {
		first.Store(int32(fromOrigin))
	}
	err := t.origin.Copy(ctx, o.part(), want, w, s.n, s.sum)
	if cache.IsFleeting(err) && errors.Is(err, origin.ErrDamaged) {
		forget() // what it began with may be what is wrong
	}
	return err
}

// near is a tier that may have the bytes of an object.
type near struct {
	name   tier
	read   func(context.Context, cache.Sink) (int64, bool)
	forget func() // what it has of the object is wrong
}

// near are the tiers to ask for o. A still is not asked for where what comes is not proved: its hash has to be seen whole.
func (t *tiers) near(o *object) (list []near) {
	if !t.fresh() {
		return nil
	}
	if t.disk != nil {
		list = append(list, near{fromDisk, func(ctx context.Context, s cache.Sink) (int64, bool) { return t.disk.Read(ctx, o.key, s) },
			func() { t.disk.Remove(func(k cache.Key, _ uint64) bool { return k == o.key }) }})
	}
	if t.shared != nil && !o.still {
		list = append(list, near{fromShared, func(ctx context.Context, s cache.Sink) (int64, bool) { return t.shared.Read(ctx, o.key, s) },
			func() { t.shared.Wrong(o.key) }})
	}
	if t.peer != nil && !o.still && !o.noPeer {
		stale := func(stamp uint64) bool { return purged(t.rulings, o.key, stamp) }
		list = append(list, near{fromPeer, func(ctx context.Context, s cache.Sink) (int64, bool) {
			return t.peer.Read(ctx, o.part(), o.live, stale, s)
		},
			func() { t.peer.Wrong(o.part()) }})
	}
	return list
}

// summed is a sink that keeps the CRC32C of what goes through it.
type summed struct {
	cache.Sink
	space []byte
	n     int64
	sum   uint32
}

// Space is the sink's.
func (s *summed) Space() []byte {
	s.space = s.Sink.Space()
	return s.space
}

// Filled sums n bytes and passes them on.
func (s *summed) Filled(n int) {
	s.sum = crc32.Update(s.sum, castagnoli, s.space[:n])
	s.n, s.space = s.n+int64(n), nil
	s.Sink.Filled(n)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// offer has the tiers that admit on second use know that key was used: when it was filled, and when that was of use the first
// time. Those filled it from keep it without another write. It is not inlined so that a hit does not pay for the closures.
//
//go:noinline
func (h *handler) offer(key cache.Key, stamp uint64, again bool) {
	peek := func() (*cache.Body, bool) { return h.cache.Peek(key) }
	if h.tiers.disk != nil {
		h.tiers.disk.Offer(key, stamp, func() (disk.Body, bool) { b, ok := peek(); return b, ok })
	}
	if h.tiers.shared != nil && again {
		h.tiers.shared.Offer(key, stamp, func() (shared.Body, bool) { b, ok := peek(); return b, ok })
	}
}

// sweepEvery is how often what was purged is looked for on the disk. It is never handed on, swept or not.
const sweepEvery = time.Second

// sweep takes from the disk what was purged, until ctx ends: a restart then need not know purges that old, and what had to go
// is gone.
func (t *tiers) sweep(ctx context.Context, r *rulings.Rulings) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for swept := uint64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		number := r.Number()
		if number == swept || !t.fresh() {
			continue
		}
		t.disk.Remove(Purged(r))
		t.disk.SetPosition(number)
		swept = number
	}
}

// Purged is what disk.Config and shared.Tier call Stale: whether bytes filled at stamp were purged since, or may have been, as the
// log knows less now than then.
func Purged(r *rulings.Rulings) func(key cache.Key, stamp uint64) bool {
	return func(key cache.Key, stamp uint64) bool { return stamp > r.Number() || purged(r, key, stamp) }
}

// purged says whether bytes filled at stamp were purged since. They are named by what they are, so they are purged with their asset,
// any of its revisions or their organisation; a purge by address is the index's business, which says what an address means.
func purged(r *rulings.Rulings, key cache.Key, stamp uint64) bool {
	organisation, asset, ok := ownerOf(key.Object)
	if !ok {
		return false
	}
	hard, _ := r.Purged(&rulings.Object{Organisation: organisation, Asset: asset}, stamp)
	return hard
}
