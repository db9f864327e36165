package origin

import (
	"cmp"
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

func (o *Origin) concurrency() int { return cmp.Or(o.Concurrency, 64) }

// queue lets so many reads run at once; the others wait: players before prefetches, then who needs it sooner, then who came first.
// Prefetches get half of the slots at most, so that a player finds one that is soon free. The zero value is empty.
type queue struct {
	prefetches atomic.Int32 // that were let in, to be looked at without mu

	mu       sync.Mutex       // guards all below
	limit    int              // of held
	bound    int              // of those who wait
	held     int              // slots
	ahead    int              // slots held by prefetches
	lines    [2]line          // by priority
	let      map[Part]*waiter // prefetches, from the beginning of their first read to the end of their last
	arrivals uint64
	shed     int64
	lastWait time.Duration // of the player's read that began last
	service  time.Duration // that a slot is held: a moving average
}

// slot is the right to one read of the store.
type slot struct {
	begun    time.Time
	priority Priority
}

// acquire waits for a slot for w. The error is ctx's, or Unavailable and fleeting.
func (q *queue) acquire(ctx context.Context, limit, bound int, w *waiter) (slot, error) {
	now := time.Now()
	q.mu.Lock()
	q.limit, q.bound = limit, bound
	w.since, w.resumes, w.slot, w.err = now, w.arrival > 0, slot{}, nil
	if !w.resumes {
		q.arrivals++
		w.arrival = q.arrivals
	}
	w.deadline = w.want.Deadline
	if end, ok := ctx.Deadline(); ok && (w.deadline.IsZero() || end.Before(w.deadline)) {
		w.deadline = end
	}
	if q.free(w.want.Priority) {
		s := q.take(w, now)
		q.mu.Unlock()
		return s, nil
	}
	if err := q.enter(w, now); err != nil {
		q.shed++
		q.mu.Unlock()
		return slot{}, err
	}
	q.mu.Unlock()
	return q.wait(ctx, w)
}

// enter puts w into its line, or refuses it. The caller holds mu.
func (q *queue) enter(w *waiter, now time.Time) error {
	w.ready = make(chan struct{})
	if w.want.Priority == Prefetch && q.share(Prefetch) == 0 {
		return refused("no read is to spare for what nobody waits for")
	}
	if !w.resumes && !w.deadline.IsZero() && q.service > 0 {
		turn := time.Duration(q.before(w)+1) * q.service / time.Duration(q.share(w.want.Priority))
		if now.Add(turn).After(w.deadline) {
			return refused("this read could not begin in time")
		}
	}
	if q.waiting() >= q.bound {
		if w.want.Priority == Prefetch || len(q.lines[Prefetch]) == 0 {
			return refused("too many reads are waiting")
		}
		newest := q.lines[Prefetch][0]
		for _, other := range q.lines[Prefetch] {
			if other.arrival > newest.arrival {
				newest = other
			}
		}
		q.leave(newest)
		q.shed++
		newest.err = refused("a player's read took its place")
		close(newest.ready)
	}
	q.push(w)
	return nil
}

// wait returns when it is w's turn, or the time for that is over.
func (q *queue) wait(ctx context.Context, w *waiter) (slot, error) {
	var late <-chan time.Time
	if end, ok := ctx.Deadline(); !w.resumes && !w.deadline.IsZero() && (!ok || w.deadline.Before(end)) {
		t := time.NewTimer(time.Until(w.deadline))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-w.ready:
		return w.slot, w.err
	case <-ctx.Done():
	case <-late:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	err := context.Cause(ctx)
	if err == nil {
		err = refused("this read could not begin in time")
		q.shed++
	}
	switch {
	case w.index >= 0:
		q.leave(w)
	case w.err == nil: // it has a slot since a moment
		q.give(w.slot, w.slot.begun)
	}
	return slot{}, err
}

// try takes a slot for a hedge: only one that nobody waits for.
func (q *queue) try() (slot, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.free(Player) {
		return slot{}, false
	}
	q.held++
	return slot{time.Now(), Player}, true
}

// release gives a slot back.
func (q *queue) release(s slot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if took := now.Sub(s.begun); q.service == 0 {
		q.service = took
	} else {
		q.service += (took - q.service) / 8
	}
	q.give(s, now)
}

// enlist has raise find w, if it is a prefetch, until the function is called that it returns.
func (q *queue) enlist(w *waiter) (leave func()) {
	if w.want.Priority != Prefetch {
		return func() {}
	}
	q.prefetches.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.let == nil {
		q.let = map[Part]*waiter{}
	}
	q.let[w.name] = w
	return func() {
		q.prefetches.Add(-1)
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.let[w.name] == w {
			delete(q.let, w.name)
		}
	}
}

// raise makes a prefetch of name a player's: the slot it has stays what it is, and what it waits for, now or later, is a player's.
func (q *queue) raise(name Part) {
	if q.prefetches.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.let[name]
	if w == nil {
		return
	}
	delete(q.let, name)
	if w.index < 0 {
		w.want.Priority = Player
		return
	}
	q.leave(w)
	w.want.Priority, w.since = Player, time.Now()
	q.push(w)
	q.grant(w.since)
}

// The callers of all below hold mu. Who waits for a slot finds none free: grant sees to that.

func (q *queue) waiting() int { return len(q.lines[Player]) + len(q.lines[Prefetch]) }

// share is how many slots reads of a priority may hold.
func (q *queue) share(p Priority) int {
	if p == Prefetch {
		return q.limit / 2
	}
	return q.limit
}

func (q *queue) free(p Priority) bool {
	return q.held < q.limit && (p == Player || q.ahead < q.share(Prefetch))
}

func (q *queue) take(w *waiter, now time.Time) slot {
	q.held++
	if w.want.Priority == Prefetch {
		q.ahead++
	} else {
		q.lastWait = now.Sub(w.since)
	}
	return slot{now, w.want.Priority}
}

func (q *queue) give(s slot, now time.Time) {
	q.held--
	if s.priority == Prefetch {
		q.ahead--
	}
	q.grant(now)
}

// grant gives free slots to those whose turn it is.
func (q *queue) grant(now time.Time) {
	for _, p := range []Priority{Player, Prefetch} {
		for len(q.lines[p]) > 0 && q.free(p) {
			w := q.lines[p][0]
			q.leave(w)
			w.slot = q.take(w, now)
			close(w.ready)
		}
	}
}

// before is how many wait whose turn comes before w's.
func (q *queue) before(w *waiter) (n int) {
	for _, other := range q.lines[w.want.Priority] {
		if other.before(w) {
			n++
		}
	}
	if w.want.Priority == Prefetch {
		n += len(q.lines[Player])
	}
	return n
}

func (q *queue) push(w *waiter) { heap.Push(&q.lines[w.want.Priority], w) }

func (q *queue) leave(w *waiter) { heap.Remove(&q.lines[w.want.Priority], w.index) }

func refused(why string) error { return cache.Fleeting(weir.Errorf(weir.Unavailable, "%s", why)) }
