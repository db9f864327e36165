package origin

import "time"

// waiter is a read that waits for a slot. Once ready is closed it has left its line, with a slot or an error.
type waiter struct {
	name     Part
	priority Priority
	deadline time.Time // zero is none
	arrival  uint64
	since    time.Time
	resumes  bool // bytes of it are with clients: nobody is served by its end, late as it is
	index    int  // in its line; < 0 once it left

	ready chan struct{}
	slot  slot
	err   error
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
