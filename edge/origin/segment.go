package origin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

// Part is bytes of an object that a listing names: a segment with its CRC32C, or a still, whose name is its hash. A still
// is held in memory while it is read: who lists it bounds it.
type Part struct {
	Key         string
	Off, Length int64
	Sum         uint32
	Still       bool
}

// Priority is who waits for a read.
type Priority uint8

// The priorities: nobody yet, and a player.
const (
	Prefetch Priority = iota
	Player
)

// Want is how urgent a read is.
type Want struct {
	Priority Priority
	Deadline time.Time // after which the bytes are of no use to who asked first; zero is that of the context
}

// Copy reads a part into sink from its byte have on; sum is the CRC32C of the bytes before, which are in the sink already. Nil
// means that all of the part is there and is what it should be; otherwise the sink may have some of it, right or wrong. Errors
// that say nothing of the part (no place in the queue, one damaged read) are cache.Fleeting.
//
// It returns soon after ctx ends, whether the store heeds that or not, if sink is a cache.Keeper.
func (o *Origin) Copy(ctx context.Context, p Part, want Want, sink cache.Sink, have int64, sum uint32) error {
	if p.Length < 0 || have < 0 || have > p.Length {
		return weir.Errorf(weir.Internal, "copy of %d bytes from %d", p.Length, have)
	}
	w := newWaiter(p, want)
	defer o.slots.enlist(w)()
	if p.Still || have == 0 && p.Length <= cache.HoldBack {
		return o.copyWhole(ctx, p, w, sink, have, sum)
	}
	s := &summed{sink, sum, nil}
	if have < p.Length {
		rest := p
		rest.Off, rest.Length = p.Off+have, p.Length-have
		if err := (&read{origin: o, part: rest, waiter: w, sink: s}).run(ctx); err != nil {
			return givenUp(err)
		}
	}
	if s.sum != p.Sum {
		// The bytes are with clients already, but for the last: it cannot be read again. Another fill can, at once.
		o.counters.damaged.Add(1)
		return cache.Fleeting(damaged(p.Key))
	}
	return nil
}

// copyWhole is Copy for what is read and verified before the sink gets any of it, and so can be read twice.
func (o *Origin) copyWhole(ctx context.Context, p Part, w *waiter, sink cache.Sink, have int64, sum uint32) error {
	good := func(b []byte) bool { return crc32c(b) == p.Sum }
	if p.Still {
		name := strings.TrimSuffix(path.Base(p.Key), path.Ext(p.Key))
		good = func(b []byte) bool {
			hash := sha256.Sum256(b)
			return name != "" && strings.HasPrefix(hex.EncodeToString(hash[:]), name)
		}
	}
	b, err := o.verified(ctx, p.Key, good, func() ([]byte, error) {
		b := &buffer{bytes: make([]byte, 0, p.Length), limit: p.Length}
		err := (&read{origin: o, part: p, waiter: w, sink: b, restart: b.reset}).run(ctx)
		return b.bytes, err
	})
	switch {
	case err != nil:
		return givenUp(err)
	case crc32c(b[:have]) != sum:
		return cache.Fleeting(damaged(p.Key)) // what was there before
	case cache.Pour(sink, b[have:]) < len(b)-int(have):
		return givenUp(errNoSpace)
	}
	return nil
}

// givenUp is err, in words of the cache if it is the sink that takes no more.
func givenUp(err error) error {
	if err == errNoSpace {
		return weir.Errorf(weir.Unavailable, "the fill was given up")
	}
	return err
}

// Raise says that a player waits for a part now, whoever asked first. It costs next to nothing while no prefetch is under way.
func (o *Origin) Raise(p Part) { o.slots.raise(p) }
