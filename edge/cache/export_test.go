package cache

import "fmt"

// Dump shows the queues, oldest first, an entry's uses as stars, and the keys still remembered.
func (m *Memory) Dump() string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := func(f fifo) (s string) {
		for e := f.head; e != nil; e = e.next {
			s += " " + e.key.Object + "***"[:e.uses.Load()]
		}
		return s
	}
	s := fmt.Sprintf("small:%s\nmain:%s\nghosts:", list(m.queues.small), list(m.queues.main))
	for _, g := range m.queues.ghostOrder {
		if m.queues.ghosts[g.key] == g.n {
			s += " " + g.key.Object
		}
	}
	return s + fmt.Sprintf("\nfilling: %d", m.reserved/1024)
}
