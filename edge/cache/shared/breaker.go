package shared

import (
	"sync"
	"time"
)

const (
	breakAfter = 3 // failures one after another
	firstPause = time.Second
	longPause  = 30 * time.Second
)

// breaker spares every request the wait for a cache that is away: after some failures nothing is asked for a while, then
// one call tries.
type breaker struct {
	mu       sync.Mutex // guards all below
	failures int
	pause    time.Duration
	until    time.Time // nothing is asked before
	trying   bool
}

// allow says whether to ask. Who is allowed reports how it went.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakAfter {
		return true
	}
	if b.trying || now.Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

// report says how an allowed call went. One that its caller gave up says nothing about the cache: it is neither.
func (b *breaker) report(now time.Time, o outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	switch o {
	case good:
		b.failures, b.pause = 0, 0
	case bad:
		if b.failures >= breakAfter && now.Before(b.until) {
			return // of a call allowed before the pause: it says nothing new
		}
		b.failures++
		if b.failures >= breakAfter {
			b.pause = min(max(2*b.pause, firstPause), longPause)
			b.until = now.Add(b.pause)
		}
	}
}

func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= breakAfter && (b.trying || now.Before(b.until))
}

type outcome uint8

const (
	neither outcome = iota
	good
	bad
)
