package cache_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirstream/weir/edge/cache"
)

// model is what the cache does, said as plainly as possible: slices, one thread, no bytes. Pages are of 4 KiB.
type model struct {
	budget, share int64
	classes       [2]struct{ small, main []*thing } // oldest first
	ghosts        [2][]int64                        // oldest first; -1 is one that came back
	there         map[int64]*thing
	loose         int64
	evictions     int64
}

// thing is one body.
type thing struct {
	id, charge int64
	live, main bool
	uses, held int
	stamp      uint64
	gone       bool
}

func charge(size int64) int64 { return (size + 4095) / 4096 * 4096 }

func sum(list []*thing) (n int64) {
	for _, x := range list {
		n += x.charge
	}
	return n
}

func (m *model) bytes(c int) int64 { return sum(m.classes[c].small) + sum(m.classes[c].main) }

func (m *model) class(live bool) int {
	if live {
		return 1
	}
	return 0
}

// ask says whether id is there, and if not makes room as a fill in the steps given does, and keeps it if it is good.
func (m *model) ask(id int64, live bool, stamp uint64, steps []int64, size int64, good bool) (x *thing, hit bool) {
	if x := m.there[id]; x != nil {
		x.uses = min(x.uses+1, 3)
		return x, true
	}
	x = &thing{id: id, live: live, stamp: stamp}
	for _, n := range steps {
		n := charge(n)
		if x.charge == 0 {
			n += cache.Overhead
		}
		m.makeRoom(x, n)
		x.charge += n
	}
	if !good {
		return nil, false
	}
	x.charge = charge(size) + cache.Overhead
	c := m.class(live)
	if i := slices.Index(m.ghosts[c], id); i >= 0 {
		m.ghosts[c][i] = -1
		x.main = true
		m.classes[c].main = append(m.classes[c].main, x)
	} else {
		m.classes[c].small = append(m.classes[c].small, x)
	}
	m.there[id] = x
	return x, false
}

func (m *model) makeRoom(x *thing, n int64) {
	c := m.class(x.live)
	if x.live {
		for m.bytes(1)+x.charge+n > m.share && m.evict(1) {
		}
	}
	for m.bytes(0)+m.bytes(1)+m.loose+x.charge+n > m.budget {
		prey := c
		if c == 1 && m.bytes(0) > m.budget-m.share {
			prey = 0
		} else if c == 0 && m.bytes(1) > m.share {
			prey = 1
		}
		share := [2]int64{m.budget - m.share, m.share}[c]
		if !m.evict(prey) && !m.evict(c) && (m.bytes(c)+x.charge+n > share || !m.evict(1-c)) {
			panic(fmt.Sprintf("no room for %d beside %d", n, m.loose))
		}
	}
}

// evict drops one thing of class c that nobody holds.
func (m *model) evict(c int) bool {
	q := &m.classes[c]
	for spared := 0; spared <= len(q.small)+len(q.main); {
		list := &q.main
		if len(q.small) > 0 && (sum(q.small) > m.target(c) || len(q.main) == 0) {
			list = &q.small
		}
		if len(*list) == 0 {
			return false
		}
		x := (*list)[0]
		*list = (*list)[1:]
		switch {
		case x.uses == 0 && x.held == 0:
			m.evicted(x)
			return true
		case x.uses == 0:
			*list = append(*list, x)
			spared++
		case x.main:
			x.uses--
			q.main = append(q.main, x)
		default:
			x.uses, x.main = 0, true
			q.main = append(q.main, x)
		}
	}
	for _, list := range []*[]*thing{&q.small, &q.main} {
		for i, x := range *list {
			if x.held == 0 {
				*list = slices.Delete(*list, i, i+1)
				m.evicted(x)
				return true
			}
		}
	}
	return false
}

func (m *model) target(c int) int64 {
	if c == 1 {
		return m.share / 2
	}
	return m.budget / 4
}

func (m *model) evicted(x *thing) {
	delete(m.there, x.id)
	x.gone = true
	m.evictions++
	if c := m.class(x.live); !x.main {
		m.ghosts[c] = append(m.ghosts[c], x.id)
		for len(m.ghosts[c]) > len(m.classes[c].small)+len(m.classes[c].main)+2 {
			m.ghosts[c] = m.ghosts[c][1:]
		}
	}
}

func (m *model) forget(id int64) {
	x := m.there[id]
	if x == nil {
		return
	}
	q := &m.classes[m.class(x.live)]
	list := &q.small
	if x.main {
		list = &q.main
	}
	i := slices.Index(*list, x)
	*list = slices.Delete(*list, i, i+1)
	delete(m.there, id)
	if x.gone = true; x.held > 0 {
		m.loose += x.charge
	}
}

func (m *model) release(x *thing) {
	if x.held--; x.held == 0 && x.gone {
		m.loose -= x.charge
	}
}

func (m *model) order(c int) string {
	list := func(things []*thing) string {
		var s strings.Builder
		for _, x := range things {
			fmt.Fprintf(&s, " o%d%s", x.id, "***"[:x.uses])
		}
		return s.String()
	}
	q, ghosts := m.classes[c], 0
	for _, id := range m.ghosts[c] {
		if id >= 0 {
			ghosts++
		}
	}
	return fmt.Sprintf("small:%s\nmain:%s\nghosts: %d", list(q.small), list(q.main), ghosts)
}
