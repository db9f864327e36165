package cache

import "sync/atomic"

// s3fifo is the admission and eviction order of Yang et al., "FIFO queues are all you need for cache eviction" (SOSP
// 2023), weighted by bytes: newcomers pass through a small queue and stay only if asked for again, keys evicted from it
// are remembered for a while and come back straight into the main queue, where an entry survives one round for each time
// it was asked for (at most three).
type s3fifo struct {
	entries     map[Key]*entry
	small, main fifo
	smallTarget int64 // bytes the small queue may hold while the main queue has something to evict

	ghosts     map[Key]uint64 // evicted from small, with the number they have in ghostOrder; no more of them than entries
	ghostOrder []ghost        // oldest first
	ghostCount uint64
}

// ghost is a remembered key. One whose number is not the map's was seen again since.
type ghost struct {
	key Key
	n   uint64
}

// entry is one cached range. Its data is shared with whoever got it and never written.
type entry struct {
	key  Key
	data []byte
	uses atomic.Uint32 // since it entered its queue, at most maxUses
	next *entry
}

const maxUses = 3

func (e *entry) charge() int64 { return int64(len(e.data)) + Overhead }

// touch counts a use; two at once may count as one.
func (e *entry) touch() {
	if n := e.uses.Load(); n < maxUses {
		e.uses.Store(n + 1)
	}
}

func (q *s3fifo) init(budget int64) {
	*q = s3fifo{entries: map[Key]*entry{}, ghosts: map[Key]uint64{}, smallTarget: budget / 10}
}

func (q *s3fifo) bytes() int64 { return q.small.bytes + q.main.bytes }

func (q *s3fifo) insert(e *entry) {
	q.entries[e.key] = e
	if _, ok := q.ghosts[e.key]; ok {
		delete(q.ghosts, e.key)
		q.main.push(e)
		return
	}
	q.small.push(e)
}

// evict removes one entry. There must be one.
func (q *s3fifo) evict() {
	for {
		if q.small.head != nil && (q.small.bytes > q.smallTarget || q.main.head == nil) {
			e := q.small.pop()
			if e.uses.Load() > 0 {
				e.uses.Store(0)
				q.main.push(e)
				continue
			}
			delete(q.entries, e.key)
			q.remember(e.key)
			return
		}
		e := q.main.pop()
		if n := e.uses.Load(); n > 0 {
			e.uses.Store(n - 1)
			q.main.push(e)
			continue
		}
		delete(q.entries, e.key)
		return
	}
}

func (q *s3fifo) remember(key Key) {
	q.ghostCount++
	q.ghosts[key] = q.ghostCount
	q.ghostOrder = append(q.ghostOrder, ghost{key, q.ghostCount})
	for len(q.ghostOrder) > len(q.entries)+1 {
		if old := q.ghostOrder[0]; q.ghosts[old.key] == old.n {
			delete(q.ghosts, old.key)
		}
		q.ghostOrder = q.ghostOrder[1:]
	}
}

// fifo is a queue of entries linked through next.
type fifo struct {
	head, tail *entry
	bytes      int64
}

func (f *fifo) push(e *entry) {
	if f.tail == nil {
		f.head = e
	} else {
		f.tail.next = e
	}
	f.tail = e
	f.bytes += e.charge()
}

func (f *fifo) pop() *entry {
	e := f.head
	f.head = e.next
	if f.head == nil {
		f.tail = nil
	}
	e.next = nil
	f.bytes -= e.charge()
	return e
}
