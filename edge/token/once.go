package token

import (
	"sync"
	"time"
)

// maxOnce bounds how many ids Once remembers.
const maxOnce = 1 << 20

// Once is a Replay of this process alone, so a token that may be used once can be used once at each edge. The zero value is
// ready. When it can remember no more it says of every id that it was there: what is not known to be new is refused.
type Once struct {
	mu    sync.Mutex // guards all below
	seen  map[string]time.Time
	swept time.Time
}

var _ Replay = (*Once)(nil)

// Seen remembers id until then and says whether it was there before.
func (o *Once) Seen(id string, until time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.seen == nil {
		o.seen = map[string]time.Time{}
	}
	if len(o.seen) >= maxOnce && now.Sub(o.swept) > time.Second {
		o.swept = now
		for known, end := range o.seen {
			if end.Before(now) {
				delete(o.seen, known)
			}
		}
	}
	if end, ok := o.seen[id]; ok && !end.Before(now) || len(o.seen) >= maxOnce {
		return true
	}
	o.seen[id] = until
	return false
}
