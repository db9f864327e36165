//go:build linux

package cache

import "github.com/weirstream/weir/edge/cache/arena"

// evacuate moves the entries that stand in the way of giving back a page, or a mapping, to other pages; false if there are
// none. The caller holds mu.
func (m *Memory) evacuate() bool {
	return m.vacate(func(x *arena.Extent) bool { return x.Owner.(*place).pinned() })
}

// clear does the same for a page that readers hold, so that at least no more of them come to it, and it is free once they
// are gone. The caller holds mu.
func (m *Memory) clear() {
	if m.wasteful() {
		m.vacate(func(x *arena.Extent) bool { return x.Owner.(*place).state != queued })
	}
}

func (m *Memory) vacate(stays func(*arena.Extent) bool) bool {
	m.moving = m.arena.Sparsest(m.moving[:0], stays)
	for i, x := range m.moving {
		m.moving[i] = nil
		p := x.Owner.(*place)
		if p.state != queued { // moved already, as the owner of another extent
			continue
		}
		if !m.move(p) && !p.pinned() {
			m.evictions.Add(1)
			m.drop(p.entry)
		}
	}
	return len(m.moving) > 0
}

// move copies an entry to the survivors' log, since bytes that were sent by reference cannot move themselves. Bodies that
// are open stay at the old place, which is loose until they leave. False is that there is no room. The caller holds mu.
func (m *Memory) move(old *place) bool {
	e := old.entry
	size := e.size.Load()
	if m.total()+m.arena.Cost(survivorLog, size)+Overhead > m.config.Budget {
		return false
	}
	p := &place{entry: e, state: queued}
	var err error
	if p.first, err = m.arena.Alloc(survivorLog, size, p); err != nil {
		return false
	}
	if p.first.Populate() != nil {
		m.arena.Free(p.first)
		return false
	}
	copyBytes(p.first, old.first)
	p.charge = m.worth(p.first)
	p.refs.Store(1)
	m.objects++
	m.class(e).queues.of(e).bytes += p.charge - old.charge
	old.state = loose
	m.loose += old.charge
	s := m.shard(e.hash)
	s.mu.Lock()
	e.place = p
	s.mu.Unlock()
	m.unref(old)
	m.moved.Add(size)
	return true
}

// copyBytes copies what is in the extents from on to those from to on.
func copyBytes(to, from *arena.Extent) {
	at := 0
	for ; from != nil; from = from.Next {
		for b := from.Bytes; len(b) > 0; {
			if at == len(to.Bytes) {
				to, at = to.Next, 0
			}
			n := copy(to.Bytes[at:], b)
			b, at = b[n:], at+n
		}
	}
}
