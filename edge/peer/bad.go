package peer

import (
	"strconv"
	"sync"
	"time"

	"github.com/weirstream/weir/edge/origin"
)

// A part that came wrong is not asked for again for badFor: the peer may keep it in memory as it is. Of more than maxBad any
// is forgotten.
const (
	badFor = 10 * time.Minute
	maxBad = 1024
)

// badParts is the parts that came wrong. The zero value is empty.
type badParts struct {
	mu    sync.Mutex // guards parts
	parts map[origin.Part]time.Time
}

func (b *badParts) add(p origin.Part, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parts == nil {
		b.parts = map[origin.Part]time.Time{}
	}
	for one := range b.parts {
		if len(b.parts) < maxBad {
			break
		}
		delete(b.parts, one)
	}
	b.parts[p] = now.Add(badFor)
}

func (b *badParts) has(p origin.Part, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, known := b.parts[p]
	if known && !now.Before(until) {
		delete(b.parts, p)
		return false
	}
	return known
}

// Wrong says that the bytes of p that Read gave, or what they begin, failed their checksum: its owner is trusted with nothing for a moment, and
// not with p for some minutes.
func (t *Tier) Wrong(p origin.Part) {
	t.counts.wrong.Add(1)
	t.bad.add(p, t.now())
	if r := t.current.Load(); r != nil {
		// The owner as if all were well: who stands in for one that was tripped just now did not send this.
		order := Order(p.Key+"/"+strconv.FormatInt(p.Off, 10), r.ids)
		if l := r.links[t.owner(r, order)]; l != nil && !l.breaker.open(t.now()) {
			l.breaker.trip(t.now())
		}
	}
}
