package origin

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A hedge is a second read beside one whose first byte is late. It costs the store a read, so there are few: at most hedgeShare
// of all reads, and none before it is known what late is.
const (
	hedgeFloor   = 10 * time.Millisecond // less is not worth a read
	hedgeSamples = 20                    // first bytes, before late is known
	hedgeShare   = 20                    // one of so many reads
	hedgeBurst   = 4                     // hedges that may be saved up
)

// pace knows how long first bytes take, and how many hedges there may be. The zero value has seen none.
type pace struct {
	p95 atomic.Int64 // nanoseconds; 0 is not known

	mu     sync.Mutex // guards all below
	recent [128]time.Duration
	seen   int
	tokens int // hedges saved up, in parts of hedgeShare
}

// late is how long to wait for a first byte before a hedge.
func (p *pace) late() (time.Duration, bool) {
	d := time.Duration(p.p95.Load())
	return max(d, hedgeFloor), d > 0
}

// began counts a read.
func (p *pace) began() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = min(p.tokens+1, hedgeBurst*hedgeShare)
}

// spend says whether there may be a hedge, and counts it.
func (p *pace) spend() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens < hedgeShare {
		return false
	}
	p.tokens -= hedgeShare
	return true
}

// saw takes the time of a first byte. Of a read whose hedge won it is the time until then, which is too short; but to wait for
// the loser would be the end of the gain.
func (p *pace) saw(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent[p.seen%len(p.recent)] = max(d, 1)
	p.seen++
	if p.seen < hedgeSamples || p.seen%8 != 0 && p.seen != hedgeSamples {
		return // sorting each time would cost more than it tells
	}
	sorted := p.recent
	known := sorted[:min(p.seen, len(sorted))]
	slices.Sort(known)
	p.p95.Store(int64(known[(len(known)*95+99)/100-1]))
}
