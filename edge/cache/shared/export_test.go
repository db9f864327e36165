package shared

import (
	"runtime"
	"time"
)

// Settle returns when the writer has written, or dropped, n things.
func (t *Tier) Settle(n int64) {
	for {
		if s := t.Stats(); s.Stored+s.Dropped >= n {
			return
		}
		runtime.Gosched()
	}
}

// Started returns when Run is running.
func (t *Tier) Started() {
	for !t.begin() {
		runtime.Gosched()
	}
	t.calls.Done()
}

// Breaker is a breaker to be tested by itself.
type Breaker struct{ b breaker }

// Allow is breaker.allow.
func (b *Breaker) Allow(now time.Time) bool { return b.b.allow(now) }

// Report says that a call was good, or bad.
func (b *Breaker) Report(now time.Time, ok bool) {
	b.b.report(now, map[bool]outcome{true: good, false: bad}[ok])
}
