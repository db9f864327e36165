// Package overload decides what an edge stops doing when it has too much to do: prefetches first, then misses, never hits.
// It measures nothing and does nothing itself: its owner says what it sees, and asks before it begins something.
//
// Invariant: a hit is always allowed, and what is allowed at a level is allowed at every lower one.
package overload

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what asks to be done.
type Kind uint8

// The kinds, in the order in which they are given up.
const (
	Prefetch Kind = iota // what nobody has asked for yet
	Miss                 // a request that needs a fill
	Hit                  // a request that needs none
)

// Level is how much there is to do.
type Level uint8

// The levels. At Busy prefetches are shed, at Overloaded misses too.
const (
	Calm Level = iota
	Busy
	Overloaded
)

// String is the level's name in logs and metrics.
func (l Level) String() string {
	return [...]string{"calm", "busy", "overloaded"}[min(l, Overloaded)]
}

// Load is what an edge sees of itself.
type Load struct {
	Fills     float64       // reads in flight, as a share of those allowed at once
	QueueWait time.Duration // the longest that one which still waits for its turn has waited
	Memory    float64       // bytes that cannot be evicted (fills, bodies being sent, dead bytes), as a share of the budget
	Scheduler time.Duration // that goroutines keep waiting for a processor: see Scheduler and Lasting
}

// limits are where a level begins. It ends where every part is below three quarters of that: otherwise an edge at the
// limit would change its mind with each request.
type limits struct {
	fills, memory        float64
	queueWait, scheduler time.Duration
}

// Each part alone is enough. Busy is where work for later costs those who wait now; Overloaded is where a miss would most
// likely end by its deadline, so that refusing it at once (503, and Retry-After) serves its player better. That all reads
// allowed at once are in flight is no such sign: what waits its turn for a moment is served, and how long it waits is seen.
func thresholds(l Level) limits {
	if l == Busy {
		return limits{fills: 0.50, queueWait: 100 * time.Millisecond, memory: 0.50, scheduler: 5 * time.Millisecond}
	}
	return limits{fills: math.Inf(1), queueWait: 2 * time.Second, memory: 0.90, scheduler: 100 * time.Millisecond}
}

const hysteresis = 0.75

// reached says whether any part of load is at l's limits, each multiplied by share.
func (l limits) reached(load Load, share float64) bool {
	at := func(d time.Duration) time.Duration { return time.Duration(float64(d) * share) }
	return load.Fills >= l.fills*share || load.Memory >= l.memory*share || load.QueueWait >= at(l.queueWait) || load.Scheduler >= at(l.scheduler)
}

// Next is the level after seeing load at a level: up as soon as a limit is reached, down when nothing is near it.
func Next(now Level, load Load) Level {
	next := Calm
	for l := Busy; l <= Overloaded; l++ {
		share := 1.0
		if now >= l {
			share = hysteresis
		}
		if thresholds(l).reached(load, share) {
			next = l
		}
	}
	return next
}

// Guard holds the level that its owner's observations lead to. The zero value is calm. Safe for concurrent use.
type Guard struct {
	Hold time.Duration // that a level lasts at least, before a lower one; 0 is 1 s

	level atomic.Uint32
	shed  [Hit]atomic.Int64 // by kind

	mu    sync.Mutex // guards since
	since time.Time  // the level was reached or last confirmed
}

// Observe takes a load seen at now. Call it about ten times a second, and when a fill had to wait.
func (g *Guard) Observe(now time.Time, load Load) Level {
	g.mu.Lock()
	defer g.mu.Unlock()
	hold := g.Hold
	if hold <= 0 {
		hold = time.Second
	}
	old := g.Level()
	next := Next(old, load)
	if next < old && now.Sub(g.since) < hold {
		return old
	}
	if next >= old && next > Calm || next != old {
		g.since = now
	}
	g.level.Store(uint32(next))
	return next
}

// Level is the level now.
func (g *Guard) Level() Level { return Level(g.level.Load()) }

// Allow says whether to begin something of that kind, and counts what is not allowed.
func (g *Guard) Allow(k Kind) bool {
	l := g.Level()
	if k >= Hit || k == Miss && l < Overloaded || l == Calm {
		return true
	}
	g.shed[k].Add(1)
	return false
}

// Shed is how many of a kind were not allowed.
func (g *Guard) Shed(k Kind) int64 {
	if k >= Hit {
		return 0
	}
	return g.shed[k].Load()
}
