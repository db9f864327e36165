//go:build linux

package cache

import (
	"context"
	"slices"

	"github.com/weirstream/weir/edge/cache/arena"
)

// room is a fill that waits for bytes to be freed; ready is closed once they are its own, or cannot be had.
type room struct {
	entry *entry
	n     int64
	first *arena.Extent
	err   error
	ready chan struct{}
}

// evacuations is how often survivors are moved for one grant before an entry is evicted instead.
const evacuations = 8

// reserveRoom waits until n more bytes are free and gives them to e. Fills get room in the order they asked for it, so a large
// one is not starved by small ones. The error is ctx's, or Unavailable.
func (m *Memory) reserveRoom(ctx context.Context, e *entry, f *flight, n int64) (*arena.Extent, error) {
	r := &room{entry: e, n: n, ready: make(chan struct{})}
	m.mu.Lock()
	m.waiting = append(m.waiting, r)
	m.starving.Store(int32(len(m.waiting))) // before it is looked who is pinned: who lets go after that looks here
	m.admit()
	m.mu.Unlock()
	select {
	case <-r.ready:
	default:
		if err := m.starve(ctx, r, f); err != nil {
			return nil, err
		}
	}
	if r.err != nil || r.first == nil {
		return nil, r.err
	}
	if f.last == nil {
		e.first = r.first
	} else {
		f.last.Next = r.first
	}
	for f.last = r.first; f.last.Next != nil; {
		f.last = f.last.Next
	}
	return r.first, r.first.Populate()
}

func (m *Memory) starve(ctx context.Context, r *room, f *flight) error {
	f.starving(true)
	select {
	case <-r.ready:
		f.starving(false)
		return nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.waiting, r)
	if i < 0 {
		return nil // it was granted meanwhile
	}
	m.waiting = slices.Delete(m.waiting, i, i+1)
	m.admit()
	return context.Cause(ctx)
}

// admit gives room to the fills at the head of the queue, evicting as needed. The caller holds mu.
func (m *Memory) admit() {
	for len(m.waiting) > 0 && m.makeRoom(m.waiting[0]) {
		r := m.waiting[0]
		m.waiting[0] = nil
		m.waiting = m.waiting[1:]
		m.grant(r)
		close(r.ready)
	}
	m.starving.Store(int32(len(m.waiting)))
	if m.arena != nil && int64(m.arena.Windows()) > 16+2*m.config.Budget/m.arena.Window() {
		m.evacuate() // few survivors in each of many mappings
	}
}

func (m *Memory) grant(r *room) {
	e, c := r.entry, m.class(r.entry)
	if r.n > 0 {
		if r.first, r.err = m.arena.Alloc(c.log, r.n, e); r.err != nil {
			return
		}
	}
	more := m.arena.Round(r.n)
	if e.state == idle {
		e.state = filling
		m.objects++
		more += Overhead
	}
	e.charge += more
	c.filling += more
}

// makeRoom evicts and moves until r has room, and says whether it has. It evicts nothing for a fill that would not fit
// even then. The caller holds mu.
func (m *Memory) makeRoom(r *room) bool {
	c, over := m.class(r.entry), int64(0)
	if r.entry.state == idle {
		over = Overhead
	}
	n := m.arena.Round(r.n) + over
	if m.classes[0].filling+m.classes[1].filling+m.loose+n+m.reserve > m.config.Budget {
		return false
	}
	if r.entry.live {
		for c.bytes()+n > m.config.LiveShare && m.evict(c) {
		}
	}
	for moves := 0; m.total()+m.arena.Cost(c.log, r.n)+over+m.reserve > m.config.Budget; {
		switch {
		case moves < evacuations && m.wasteful() && m.evacuate():
			moves++
		case m.evict(m.prey(c)) || m.evict(c):
			moves = 0
		case moves < evacuations && m.evacuate():
			moves++
		default:
			return false
		}
	}
	return true
}

// total is what is charged. The caller holds mu.
func (m *Memory) total() int64 { return m.arena.Charged() + m.objects*Overhead }

func (m *Memory) class(e *entry) *class {
	if e.live {
		return &m.classes[1]
	}
	return &m.classes[0]
}

// prey is the class that gives way to c: the other one if that has more than its share, or else c itself, so that neither
// flushes the other.
func (m *Memory) prey(c *class) *class {
	vod, live := &m.classes[0], &m.classes[1]
	if c == live && vod.bytes() > m.config.Budget-m.reserve-m.config.LiveShare {
		return vod
	}
	if c == vod && live.bytes() > m.config.LiveShare {
		return live
	}
	return c
}

// wasteful says whether moving survivors is due, rather than evicting more: an eighth of the budget is dead.
func (m *Memory) wasteful() bool {
	return m.arena.HugePages() && m.arena.Charged()-m.arena.Used() > max(m.config.Budget/8, (logs+1)*m.arena.Page())
}

// evict drops the entry whose turn it is; false if there is none that nobody reads. The caller holds mu.
func (m *Memory) evict(c *class) bool {
	e := c.queues.victim()
	if e == nil {
		return false
	}
	e.state = loose
	m.loose += e.charge
	m.evictions.Add(1)
	m.drop(e)
	return true
}

// drop takes e out of the index and out of its queue, once; what nobody reads is freed. The caller holds mu.
func (m *Memory) drop(e *entry) bool {
	if e.gone {
		return false
	}
	e.gone = true
	s := m.shard(e.hash)
	s.mu.Lock()
	s.remove(e)
	s.mu.Unlock()
	if e.state == queued {
		m.charge(e, loose)
	}
	if e.refs.Add(-1) == 0 {
		m.free(e)
	}
	return true
}

// charge moves e to another account. The caller holds mu.
func (m *Memory) charge(e *entry, to state) {
	c := m.class(e)
	switch e.state {
	case filling:
		c.filling -= e.charge
	case queued:
		c.queues.remove(e)
	case loose:
		m.loose -= e.charge
	}
	switch e.state = to; to {
	case queued:
		c.queues.insert(e)
	case loose:
		m.loose += e.charge
	}
}

// free gives back the bytes of an entry that nobody refers to. The caller holds mu.
func (m *Memory) free(e *entry) {
	if e.state == idle {
		return
	}
	m.charge(e, idle)
	m.arena.Free(e.first)
	e.first, e.charge = nil, 0
	m.objects--
	m.finish()
}

// trim gives back what is left over of the extents of n bytes. The caller holds mu.
func (m *Memory) trim(e *entry, n int64) {
	if n == 0 {
		m.arena.Free(e.first)
		e.first = nil
	} else {
		x, rest := e.first, n
		for rest > int64(len(x.Bytes)) {
			rest -= int64(len(x.Bytes))
			x = x.Next
		}
		m.arena.Free(x.Next)
		x.Next = nil
		m.arena.Trim(x, rest)
	}
	m.recharge(e)
}

// recharge counts e's bytes again. The caller holds mu.
func (m *Memory) recharge(e *entry) {
	n := int64(Overhead)
	for x := e.first; x != nil; x = x.Next {
		n += m.arena.Round(int64(len(x.Bytes)))
	}
	switch c := m.class(e); e.state {
	case filling:
		c.filling += n - e.charge
	case queued:
		c.queues.of(e).bytes += n - e.charge
	}
	e.charge = n
}

// evacuate moves the entries that stand in the way of giving back a page, or a mapping, to other pages; false if there are
// none. The caller holds mu.
func (m *Memory) evacuate() bool {
	m.moving = m.arena.Sparsest(m.moving[:0], func(x *arena.Extent) bool { return x.Owner.(*entry).pinned() })
	for i, x := range m.moving {
		m.moving[i] = nil
		if e := x.Owner.(*entry); !e.gone && e.has(x) && !m.move(e) {
			m.evictions.Add(1)
			m.drop(e)
		}
	}
	return len(m.moving) > 0
}

func (e *entry) has(x *arena.Extent) bool {
	for y := e.first; y != nil; y = y.Next {
		if y == x {
			return true
		}
	}
	return false
}

// move copies a whole entry to the survivors' log, since bytes that were sent by reference cannot move themselves. False is
// that there is no room for it. The caller holds mu.
func (m *Memory) move(e *entry) bool {
	size := e.size.Load()
	if m.total()+m.arena.Cost(survivorLog, size) > m.config.Budget {
		return false
	}
	first, err := m.arena.Alloc(survivorLog, size, e)
	if err != nil {
		return false
	}
	if first.Populate() != nil {
		m.arena.Free(first)
		return false
	}
	to, at := first, 0
	for from := e.first; from != nil; from = from.Next {
		for b := from.Bytes; len(b) > 0; {
			if at == len(to.Bytes) {
				to, at = to.Next, 0
			}
			n := copy(to.Bytes[at:], b)
			b, at = b[n:], at+n
		}
	}
	s := m.shard(e.hash)
	s.mu.Lock()
	old := first // somebody opened it meanwhile
	if e.refs.Load() == 1 {
		old, e.first = e.first, first
	}
	s.mu.Unlock()
	m.arena.Free(old)
	m.recharge(e)
	m.moved.Add(size)
	return true
}
