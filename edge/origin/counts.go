package origin

import (
	"sync/atomic"
	"time"
)

type counters struct{ resumed, damaged, stalled, hedged, hedgesWon atomic.Int64 }

// Counts are of all reads of the store since it began, but for what is under way.
type Counts struct {
	Resumed   int64 // asked again after a break
	Damaged   int64 // delivered bytes that failed their checksum
	Stalled   int64 // given up because no byte came for StallTimeout
	Hedged    int64 // begun beside one that was late
	HedgesWon int64 // of them, those that were first to yield a byte
	Shed      int64 // refused, since the queue was full or they could not begin in time

	Reading int // under way
	Queued  int // waiting for their turn
}

// Counts returns what was counted so far.
func (o *Origin) Counts() Counts {
	c := Counts{Resumed: o.counters.resumed.Load(), Damaged: o.counters.damaged.Load(), Stalled: o.counters.stalled.Load(),
		Hedged: o.counters.hedged.Load(), HedgesWon: o.counters.hedgesWon.Load()}
	o.slots.mu.Lock()
	defer o.slots.mu.Unlock()
	c.Shed, c.Reading, c.Queued = o.slots.shed, o.slots.held, o.slots.waiting()
	return c
}

// InFlight is the reads under way as a share of Concurrency, from 0 to 1: for overload.Load.
func (o *Origin) InFlight() float64 {
	o.slots.mu.Lock()
	defer o.slots.mu.Unlock()
	return float64(o.slots.held) / float64(o.concurrency())
}

// QueueWait is how long the player's read that began last had waited for its turn, or the one whose turn is next has until now, whichever
// is more: 0 while none waits. Prefetches do not count, they are there to wait. It is for overload.Load.
func (o *Origin) QueueWait() time.Duration {
	o.slots.mu.Lock()
	defer o.slots.mu.Unlock()
	if len(o.slots.lines[Player]) == 0 {
		return 0
	}
	return max(o.slots.lastWait, time.Since(o.slots.lines[Player][0].since))
}
