//go:build linux

package cache

import (
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/weirstream/weir/edge/cache/arena"
)

// entry is one key, from the start of its fill until it is evicted or forgotten.
type entry struct {
	hash   uint64
	object unique.Handle[string] // segments of one object share its name
	off    int64
	length int64 // of the key
	stamp  uint64
	live   bool
	ahead  bool                   // Options.Ahead
	told   bool                   // Open said Again of it; guarded by the shard's mu
	main   bool                   // the queue; guarded by Memory.mu
	gone   bool                   // from the index; guarded by Memory.mu
	uses   atomic.Uint32          // since it entered its queue, at most maxUses
	size   atomic.Int64           // of the whole, or Unknown
	ready  atomic.Int64           // bytes that may be read
	flight atomic.Pointer[flight] // nil once whole
	place  *place                 // written under Memory.mu and the shard's mu; either will do to read it

	chain      *entry // of the same hash; guarded by the shard's mu
	next, prev *entry // in the queue; guarded by Memory.mu
}

// place is where the bytes of an entry lie. It is referenced by the index while it is the entry's, by its fill, and by each
// body; its extents are freed with the last reference. An entry may move to another place; bodies stay where they are.
type place struct {
	refs  atomic.Int32
	state state // guarded by Memory.mu
	entry *entry
	first *arena.Extent
	// charge is the bytes of the extents, rounded, and Overhead; guarded by Memory.mu.
	charge int64
}

// state says which account a place is charged to.
type state uint8

const (
	idle state = iota // nothing is charged
	filling
	queued
	loose
)

const maxUses = 3

func (e *entry) key() Key { return Key{e.object.Value(), e.off, e.length} }

func (e *entry) is(key *Key) bool {
	return e.off == key.Offset && e.length == key.Length && e.object.Value() == key.Object
}

// touch counts a use; two at once may count as one.
func (e *entry) touch() {
	if n := e.uses.Load(); n < maxUses {
		e.uses.Store(n + 1)
	}
}

// again says whether the use that comes now is the moment to offer e to a tier that admits on second use. The first use of what was
// fetched ahead is what it was fetched for; who waited for the fill has used it, too. The caller holds the shard's mu.
func (e *entry) again() bool {
	uses, first := e.uses.Load(), uint32(0)
	if e.ahead {
		first = 1
	}
	if uses < first || uses > first && e.told {
		return false
	}
	e.told = true
	return true
}

// pinned says whether giving up the place would free nothing now: somebody reads or fills it. The caller holds Memory.mu.
func (p *place) pinned() bool { return p.state != queued || p.refs.Load() > 1 }

// shard is a part of the index, with a lock of its own.
type shard struct {
	mu       sync.Mutex
	index    map[uint64]*entry
	failures map[uint64]failure // by hash: a false friend among 2^64 is told to try again
	closed   bool
	counts
	_ [64]byte // so that counting for one shard does not slow the next one down
}

// counts are of a shard; Stats adds them up.
type counts struct {
	hits, misses, collapsed, refused    int64
	hitBytes, missBytes, collapsedBytes int64
}

// failure is what a fill ended with, and how long that answers for it.
type failure struct {
	err   error
	until time.Time
}

const maxFailures = 64 // a shard; more are not remembered, which costs an origin read each

func (s *shard) find(h uint64, key *Key) *entry {
	e := s.index[h]
	for e != nil && !e.is(key) {
		e = e.chain
	}
	return e
}

func (s *shard) insert(e *entry) {
	e.chain = s.index[e.hash]
	s.index[e.hash] = e
}

func (s *shard) remove(e *entry) {
	if s.index[e.hash] == e {
		if e.chain != nil {
			s.index[e.hash] = e.chain
		} else {
			delete(s.index, e.hash)
		}
		return
	}
	for p := s.index[e.hash]; p != nil; p = p.chain {
		if p.chain == e {
			p.chain = e.chain
			return
		}
	}
}

// take refers to e's place for a body and counts it. The caller holds mu.
func (s *shard) take(e *entry) *place {
	e.place.refs.Add(1)
	e.touch()
	size := max(e.size.Load(), 0)
	if e.flight.Load() == nil {
		s.hits++
		s.hitBytes += size
		return e.place
	}
	s.collapsed++
	s.collapsedBytes += size
	return e.place
}

// failed returns the error that answers for h now, or nil. The caller holds mu.
func (s *shard) failed(h uint64) error {
	f, ok := s.failures[h]
	if !ok {
		return nil
	}
	if time.Now().Before(f.until) {
		return f.err
	}
	delete(s.failures, h)
	return nil
}

// remember has err answer for h for a while. The caller holds mu.
func (s *shard) remember(h uint64, err error, d time.Duration) {
	now := time.Now()
	if len(s.failures) >= maxFailures {
		for h, f := range s.failures {
			if !now.Before(f.until) {
				delete(s.failures, h)
			}
		}
		if len(s.failures) >= maxFailures {
			return
		}
	}
	if s.failures == nil {
		s.failures = map[uint64]failure{}
	}
	s.failures[h] = failure{err, now.Add(d)}
}

func (s *shard) matching(match func(Key, uint64) bool) (found []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.failures)
	for _, e := range s.index {
		for ; e != nil; e = e.chain {
			if match(e.key(), e.stamp) {
				found = append(found, e)
			}
		}
	}
	return found
}

func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}
