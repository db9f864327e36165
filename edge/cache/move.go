//go:build linux

package cache

import "github.com/weirstream/weir/edge/cache/arena"

// scattered is how many extents a body may be in before it is put together again when it moves.
const scattered = 8

// evacuate moves what stands in the way of giving back a page, or a mapping, and that nobody reads; false if there is no
// such page. The caller holds mu.
func (m *Memory) evacuate() bool {
	list, from, to := m.arena.Sparsest(m.moving[:0], func(x *arena.Extent) bool { return x.Owner.(*place).pinned() })
	m.moving = list
	for i, x := range list {
		list[i] = nil
		if p := x.Owner.(*place); p.state == queued && !m.movePart(p, x, from, to) && !p.pinned() {
			m.events.evictions.Add(1)
			m.drop(p.entry)
		}
	}
	return len(list) > 0
}

// clear moves the entries out of a page that readers hold, so that at least no more of them come to it, and it is free once
// they are gone. The caller holds mu.
func (m *Memory) clear() {
	if !m.wasteful() {
		return
	}
	list, _, _ := m.arena.Sparsest(m.moving[:0], func(x *arena.Extent) bool { return x.Owner.(*place).state != queued })
	m.moving = list
	for i, x := range list {
		list[i] = nil
		if p := x.Owner.(*place); p.state == queued {
			m.move(p)
		}
	}
}

// movePart copies what an extent x of p has between the offsets from and to, since bytes that were sent by reference cannot
// move themselves. False is that there is no room, or that somebody reads it by now. The caller holds mu.
func (m *Memory) movePart(p *place, x *arena.Extent, from, to int64) bool {
	n, before := 0, &p.first
	for at := &p.first; *at != nil; at = &(*at).Next {
		if n++; *at == x {
			before = at
		}
	}
	switch {
	case *before != x:
		return true // it has moved with another part
	case n > scattered:
		return m.move(p)
	}
	end := min(x.Off+min(int64(len(x.Bytes)), x.Span()), to)
	part := x.Bytes[max(from-x.Off, 0) : end-x.Off]
	if m.total()+m.arena.Cost(survivorLog, int64(len(part))) > m.config.Budget {
		return false
	}
	there, err := m.arena.Alloc(survivorLog, int64(len(part)), p)
	if err != nil {
		return false
	}
	if there.Populate() != nil {
		m.arena.Free(there)
		return false
	}
	last := copyBytes(there, part)
	s := m.shard(p.entry.hash)
	s.mu.Lock()
	free := there
	if p.refs.Load() == 1 {
		if x.Off+x.Span() > to {
			m.arena.Cut(x, to)
		}
		if x.Off < from {
			m.arena.Cut(x, from)
			before, x = &x.Next, x.Next
		}
		*before, last.Next, x.Next, free = there, x.Next, nil, x
	}
	s.mu.Unlock()
	m.arena.Free(free)
	q := m.class(p.entry).queues.of(p.entry)
	q.bytes -= p.charge
	p.charge = worth(p.first)
	q.bytes += p.charge
	m.events.moved.Add(int64(len(part)))
	return free != there
}

// copyBytes copies b to the extents from to on, whose bytes are as many, and returns the last.
func copyBytes(to *arena.Extent, b []byte) *arena.Extent {
	for {
		if b = b[copy(to.Bytes, b):]; to.Next == nil {
			return to
		}
		to = to.Next
	}
}

// move copies a whole entry to the survivors' log. Bodies that are open stay at the old place, which is loose until they
// leave. False is that there is no room. The caller holds mu.
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
	if p.first.Populate() != nil { // a write to a page that the kernel has no memory for would end the process
		m.arena.Free(p.first)
		return false
	}
	to, at, left := p.first, 0, size
	for from := old.first; from != nil; from = from.Next {
		for b := from.Bytes[:min(int64(len(from.Bytes)), left)]; len(b) > 0; {
			if at == len(to.Bytes) {
				to, at = to.Next, 0
			}
			n := copy(to.Bytes[at:], b)
			b, at, left = b[n:], at+n, left-int64(n)
		}
	}
	p.charge = worth(p.first)
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
	m.events.moved.Add(size)
	return true
}
