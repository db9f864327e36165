package cache

import (
	"fmt"
	"strings"

	"github.com/weirstream/weir/edge/cache/arena"
)

// Largest is the most bytes of one body.
func (m *Memory) Largest() int64 { return m.largest }

// Held is what the kernel says the memory file takes.
func (m *Memory) Held() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.arena.Held()
}

// Collide has all keys hash alike. The cache must be empty.
func (m *Memory) Collide() { m.alike = true }

// Dump shows a class's queues, oldest first, an entry's uses as stars, and how many keys are remembered; fills in flight
// and what is loose in pages of 64 KiB.
func (m *Memory) Dump(live bool) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.classes[0]
	if live {
		c = &m.classes[1]
	}
	list := func(f fifo) (s string) {
		for e := f.head; e != nil; e = e.next {
			s += " " + e.object.Value() + "***"[:e.uses.Load()]
		}
		return s
	}
	s := fmt.Sprintf("small:%s\nmain:%s\nghosts: %d", list(c.queues.small), list(c.queues.main), len(c.queues.ghosts))
	return s + fmt.Sprintf("\nfilling: %d loose: %d", c.filling>>16, m.loose>>16)
}

// Order is the keys of a class's queues, oldest first, for the model.
func (m *Memory) Order(live bool) string {
	return strings.SplitN(m.Dump(live), "\nfilling", 2)[0]
}

// Check says what is wrong with the books, "" for nothing. No fill may be under way.
func (m *Memory) Check() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var used, charged int64
	n := 0
	for i := range m.classes {
		q := &m.classes[i].queues
		for _, f := range []*fifo{&q.small, &q.main} {
			var bytes int64
			count := 0
			for e := f.head; e != nil; e = e.next {
				bytes += e.place.charge
				count++
				var size, round int64
				for x := e.place.first; x != nil; x = x.Next {
					size += int64(len(x.Bytes))
					round += x.Span()
				}
				used += round
				if size < e.size.Load() || round < e.size.Load() || e.place.charge != round+Overhead {
					return fmt.Sprintf("%v has %d bytes in extents, is charged %d", e.key(), size, e.place.charge)
				}
				if s := m.shard(e.hash); s.index[e.hash] == nil {
					return fmt.Sprintf("%v is not in the index", e.key())
				}
			}
			if bytes != f.bytes || count != f.n {
				return fmt.Sprintf("a queue counts %d bytes of %d, %d entries of %d", f.bytes, bytes, f.n, count)
			}
			n += count
		}
		if m.classes[i].filling != 0 {
			return fmt.Sprintf("%d bytes are filling", m.classes[i].filling)
		}
	}
	if m.loose == 0 && (used != m.arena.Used() || int64(n) != m.objects) {
		return fmt.Sprintf("the arena counts %d bytes used of %d, the memory %d entries of %d", m.arena.Used(), used, m.objects, n)
	}
	if charged = m.total(); charged > m.config.Budget {
		return fmt.Sprintf("%d bytes are charged of %d", charged, m.config.Budget)
	}
	return ""
}

// Huge asks for huge pages; with it New fails where the kernel gives none.
const Huge = arena.Huge
