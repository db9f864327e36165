//go:build linux

package cache

import (
	"context"
	"slices"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache/arena"
)

// room is a fill that waits for bytes to be freed; ready is closed once they are its own, or cannot be had.
type room struct {
	place *place
	n     int64
	first *arena.Extent
	err   error
	ready chan struct{}
}

// evacuations is how often survivors are moved for one grant before an entry is evicted instead.
const evacuations = 8

// reserveRoom waits until n more bytes are free and gives them to p. Fills get room in the order they asked for it, so a large
// one is not starved by small ones. The error is ctx's, or Unavailable.
func (m *Memory) reserveRoom(ctx context.Context, p *place, f *flight, n int64) (*arena.Extent, error) {
	r := &room{place: p, n: n, ready: make(chan struct{})}
	m.mu.Lock()
	at := len(m.waiting)
	if p.state == filling { // those that hold nothing may wait for what this one holds
		if i := slices.IndexFunc(m.waiting, func(r *room) bool { return r.place.state == idle }); i >= 0 {
			at = i
		}
	}
	m.waiting = slices.Insert(m.waiting, at, r)
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
	if r.err != nil {
		f.starving(true)
		return nil, r.err
	}
	if r.first == nil {
		return nil, nil
	}
	if f.last == nil {
		p.first = r.first
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
	for len(m.waiting) > 0 {
		i := 0
		if m.makeRoom(m.waiting[0]) {
			m.grant(m.waiting[0])
		} else if i = m.stuck(); i >= 0 {
			m.waiting[i].err = weir.Errorf(weir.Unavailable, "everything that is being filled waits for it")
		} else {
			break
		}
		close(m.waiting[i].ready)
		m.waiting = slices.Delete(m.waiting, i, i+1)
	}
	m.starving.Store(int32(len(m.waiting)))
	if m.arena != nil && int64(m.arena.Windows()) > 16+2*m.config.Budget/m.arena.Window() {
		m.evacuate() // few survivors in each of many mappings
	}
}

// stuck is the last in the queue of the fills that hold room and wait for more, if they are all there are and what they hold
// is what they wait for: it has to give up. Otherwise -1. The caller holds mu.
func (m *Memory) stuck() int {
	held, last := int64(0), -1
	for i, r := range m.waiting {
		if r.place.state == filling {
			held, last = held+r.place.charge, i
		}
	}
	all := m.classes[0].filling + m.classes[1].filling
	if last < 0 || held < all || all+m.arena.Round(m.waiting[0].n)+m.reserve <= m.config.Budget {
		return -1
	}
	return last
}

func (m *Memory) grant(r *room) {
	p, c := r.place, m.class(r.place.entry)
	if r.n > 0 {
		if r.first, r.err = m.arena.Alloc(c.log, r.n, p); r.err != nil {
			return
		}
	}
	more := m.arena.Round(r.n)
	if p.state == idle {
		p.state = filling
		m.objects++
		more += Overhead
	}
	p.charge += more
	c.filling += more
}

// makeRoom evicts and moves until r has room, and says whether it has. It evicts nothing for a fill that would not fit
// even then, and no more once half of the budget is dead in pages that readers hold: they will leave. The caller holds mu.
func (m *Memory) makeRoom(r *room) bool {
	c, over := m.class(r.place.entry), int64(0)
	if r.place.state == idle {
		over = Overhead
	}
	n := m.arena.Round(r.n) + over
	if m.classes[0].filling+m.classes[1].filling+m.loose+n+m.reserve > m.config.Budget {
		return false
	}
	if r.place.entry.live {
		for c.bytes()+n > m.config.LiveShare && m.evict(c) {
		}
	}
	for moves := 0; m.total()+m.arena.Cost(c.log, r.n)+over+m.reserve > m.config.Budget; {
		switch {
		case moves < evacuations && m.wasteful() && m.evacuate():
			moves++
		case m.dead() <= m.config.Budget/2 && (m.evict(m.prey(c)) || m.evict(c) || c.bytes()+n <= m.share(c) && m.evict(m.other(c))):
			moves = 0
		case moves < evacuations && m.evacuate():
			moves++
		default:
			m.clear()
			return false
		}
	}
	return true
}

// dead is the bytes of pages that nothing uses. The caller holds mu.
func (m *Memory) dead() int64 { return m.arena.Charged() - m.arena.Used() }

// total is what is charged. The caller holds mu.
func (m *Memory) total() int64 { return m.arena.Charged() + m.objects*Overhead }

func (m *Memory) class(e *entry) *class {
	if e.live {
		return &m.classes[1]
	}
	return &m.classes[0]
}

// other is the class that c is not.
func (m *Memory) other(c *class) *class {
	if c == &m.classes[0] {
		return &m.classes[1]
	}
	return &m.classes[0]
}

// share is what the other class leaves to c even if c has nothing of its own to give up: what is loose or dead counts for neither.
func (m *Memory) share(c *class) int64 {
	if c == &m.classes[1] {
		return m.config.LiveShare
	}
	return m.config.Budget - m.reserve - m.config.LiveShare
}

// prey is the class that gives way to c: the other one if that has more than its share, or else c itself, so that neither
// flushes the other.
func (m *Memory) prey(c *class) *class {
	if other := m.other(c); other.bytes() > m.share(other) {
		return other
	}
	return c
}

// wasteful says whether moving survivors is due, rather than evicting more: an eighth of the budget is dead.
func (m *Memory) wasteful() bool {
	return m.reserve > 0 && m.dead() > max(m.config.Budget/8, (logs+1)*m.arena.Page())
}

// evict drops the entry whose turn it is; false if there is none that nobody reads. The caller holds mu.
func (m *Memory) evict(c *class) bool {
	e := c.queues.victim()
	if e == nil {
		return false
	}
	e.place.state = loose
	m.loose += e.place.charge
	m.events.evictions.Add(1)
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
	if e.place.state == queued {
		m.charge(e.place, loose)
	}
	m.unref(e.place)
	return true
}

// unref takes the index's reference from p. The caller holds mu.
func (m *Memory) unref(p *place) {
	if p.refs.Add(-1) == 0 {
		m.free(p)
	}
}

// charge moves p to another account. The caller holds mu.
func (m *Memory) charge(p *place, to state) {
	c := m.class(p.entry)
	switch p.state {
	case filling:
		c.filling -= p.charge
	case queued:
		c.queues.remove(p.entry)
	case loose:
		m.loose -= p.charge
	}
	switch p.state = to; to {
	case queued:
		c.queues.insert(p.entry)
	case loose:
		m.loose += p.charge
	}
}

// free gives back the bytes of a place that nobody refers to. The caller holds mu.
func (m *Memory) free(p *place) {
	if p.state == idle {
		return
	}
	m.charge(p, idle)
	m.arena.Free(p.first)
	p.first, p.charge = nil, 0
	m.objects--
	m.finish()
}

// trim gives back what is left over of the extents of p's n bytes, while it is filling. The caller holds mu.
func (m *Memory) trim(p *place, n int64) {
	if n == 0 {
		m.arena.Free(p.first)
		p.first = nil
	} else {
		x, rest := p.first, n
		for rest > int64(len(x.Bytes)) {
			rest -= int64(len(x.Bytes))
			x = x.Next
		}
		m.arena.Free(x.Next)
		x.Next = nil
		m.arena.Trim(x, rest)
	}
	c := m.class(p.entry)
	c.filling -= p.charge
	p.charge = worth(p.first)
	c.filling += p.charge
}

// worth is the charge of extents that are one place.
func worth(x *arena.Extent) int64 {
	n := int64(Overhead)
	for ; x != nil; x = x.Next {
		n += x.Span()
	}
	return n
}
