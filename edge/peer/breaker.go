package peer

import (
	"math/rand/v2"
	"sync"
	"time"
)

// A breaker opens after so many failures one after the other, for pause and up to half of it more: the edges of a region
// should not all try a peer that came back at the same moment.
const (
	breakAfter = 5
	pause      = 2 * time.Second
)

// breaker keeps reads from a peer that fails. The zero value lets them pass.
type breaker struct {
	mu       sync.Mutex // guards all below
	failures int        // one after the other
	until    time.Time  // when it may be tried again
	probing  bool       // one read tries
}

// open says whether reads are kept away now.
func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= breakAfter && (b.probing || now.Before(b.until))
}

// enter says whether a read may go. After the pause it is one at a time. A read that may go calls leave.
func (b *breaker) enter(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakAfter {
		return true
	}
	if b.probing || now.Before(b.until) {
		return false
	}
	b.probing = true
	return true
}

// leave is the word on a read that went.
func (b *breaker) leave(o outcome, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch o {
	case good, declined: // it is there
		if b.probing || !now.Before(b.until) { // else it was asked before the breaker opened
			b.failures, b.probing = 0, false
		}
	case failed:
		b.probing = false
		if b.failures++; b.failures >= breakAfter {
			b.until = now.Add(pause + rand.N(pause/2))
		}
	case given: // nothing was learned
		b.probing = false
	}
}

// trip opens it.
func (b *breaker) trip(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.probing, b.until = breakAfter, false, now.Add(pause+rand.N(pause/2))
}
