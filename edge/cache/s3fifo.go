//go:build linux

package cache

// s3fifo is the admission and eviction order of Yang et al., "FIFO queues are all you need for cache eviction" (SOSP
// 2023), weighted by bytes: newcomers pass through a small queue and stay only if asked for again, keys evicted from it
// are remembered for a while and come back straight into the main queue, where an entry survives one round for each time
// it was asked for (at most three). An entry that somebody reads is passed over, since evicting it would free nothing.
//
// The small queue has a quarter, not the paper's tenth: that is worth 1 to 3 % less of films and clips, which win much more than
// that over LRU, and 2 to 5 % more of live that nobody knows to be live, as behind a generic origin, whose newest segments a
// small queue drops before their second viewer. Of what is known to be live it has a half, because what is new there is asked
// for until the window has moved on, and never again: in the main queue it would outlive its use.
type s3fifo struct {
	small, main fifo
	smallTarget int64 // bytes the small queue may hold while the main queue has something to evict

	ghosts     map[uint64]uint64 // evicted from small, with the number they have in ghostOrder; no more of them than entries
	ghostOrder []ghost           // oldest first
	ghostCount uint64
}

// ghost is the hash of a remembered key. One whose number is not the map's was seen again since.
type ghost struct{ hash, n uint64 }

func (q *s3fifo) init(smallTarget int64) {
	*q = s3fifo{ghosts: map[uint64]uint64{}, smallTarget: smallTarget}
}

func (q *s3fifo) bytes() int64 { return q.small.bytes + q.main.bytes }

func (q *s3fifo) len() int { return q.small.n + q.main.n }

func (q *s3fifo) insert(e *entry) {
	_, e.main = q.ghosts[e.hash]
	if e.main {
		delete(q.ghosts, e.hash)
	}
	q.of(e).push(e)
}

func (q *s3fifo) of(e *entry) *fifo {
	if e.main {
		return &q.main
	}
	return &q.small
}

func (q *s3fifo) remove(e *entry) { q.of(e).remove(e) }

// victim takes one entry out of its queue to be evicted, nil if somebody reads each of them.
func (q *s3fifo) victim() *entry {
	for spared := 0; spared <= q.len(); {
		e := q.main.head
		if q.small.head != nil && (q.small.bytes > q.smallTarget || e == nil) {
			e = q.small.head
		}
		if e == nil {
			return nil
		}
		uses := e.uses.Load()
		switch {
		case uses == 0 && e.place.pinned():
			q.remove(e)
			q.of(e).push(e)
			spared++
		case uses == 0:
			q.leave(e)
			return e
		case e.main:
			q.remove(e)
			e.uses.Store(uses - 1)
			q.main.push(e)
		default:
			q.remove(e)
			e.uses.Store(0)
			e.main = true
			q.main.push(e)
		}
	}
	for _, f := range [...]*fifo{&q.small, &q.main} {
		for e := f.head; e != nil; e = e.next {
			if !e.place.pinned() {
				q.leave(e)
				return e
			}
		}
	}
	return nil
}

func (q *s3fifo) leave(e *entry) {
	q.remove(e)
	if !e.main {
		q.remember(e.hash)
	}
}

func (q *s3fifo) remember(hash uint64) {
	q.ghostCount++
	q.ghosts[hash] = q.ghostCount
	q.ghostOrder = append(q.ghostOrder, ghost{hash, q.ghostCount})
	for len(q.ghostOrder) > q.len()+2 {
		if old := q.ghostOrder[0]; q.ghosts[old.hash] == old.n {
			delete(q.ghosts, old.hash)
		}
		q.ghostOrder = q.ghostOrder[1:]
	}
}

// fifo is a queue of entries.
type fifo struct {
	head, tail *entry
	bytes      int64
	n          int
}

func (f *fifo) push(e *entry) {
	if e.prev = f.tail; f.tail == nil {
		f.head = e
	} else {
		f.tail.next = e
	}
	f.tail = e
	f.bytes += e.place.charge
	f.n++
}

func (f *fifo) remove(e *entry) {
	if e.prev == nil {
		f.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		f.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.next, e.prev = nil, nil
	f.bytes -= e.place.charge
	f.n--
}
