package origin

import "time"

// waiter is a part that is read, by one read of the store after the other. Before each it may wait for a slot; once ready is closed
// it has left its line, with a slot or an error. The queue's mu guards it.
type waiter struct {
	name     Part
	want     Want
	deadline time.Time // of this wait; zero is none
	arrival  uint64    // 0 until it first asked for a slot
	resumes  bool      // bytes of it may be with clients: nobody is served by its end, late as it is
	since    time.Time
	index    int // in its line; < 0 when in none

	ready chan struct{}
	slot  slot
	err   error
}

func newWaiter(name Part, want Want) *waiter {
	want.Priority = min(want.Priority, Player)
	return &waiter{name: name, want: want, index: -1}
}

// before says whether w's turn comes before another's of its priority.
func (w *waiter) before(other *waiter) bool {
	switch {
	case w.deadline.Equal(other.deadline):
		return w.arrival < other.arrival
	case w.deadline.IsZero() || other.deadline.IsZero():
		return other.deadline.IsZero()
	}
	return w.deadline.Before(other.deadline)
}

// line is a heap of those who wait: see container/heap.
type line []*waiter

func (l line) Len() int           { return len(l) }
func (l line) Less(i, j int) bool { return l[i].before(l[j]) }
func (l line) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

// Push adds a *waiter.
func (l *line) Push(x any) {
	w := x.(*waiter)
	w.index = len(*l)
	*l = append(*l, w)
}

// Pop removes the last *waiter.
func (l *line) Pop() any {
	last := len(*l) - 1
	w := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	w.index = -1
	return w
}
