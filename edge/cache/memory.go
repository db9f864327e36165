//go:build linux

// Package cache keeps immutable bytes in memory under one hard budget, and hands them out while they arrive.
//
// A key names bytes that never change (a range of a content-addressed object), so an entry is never stale; who may read it,
// and whether it is still listed, is decided before the cache is asked. It is not a cache of answers: headers, tickets and
// manifests stay outside.
//
// Invariant: the pages of the memory file and the bookkeeping of the index together never exceed the budget: entries, fills
// in flight, bodies evicted while somebody still reads them, and bytes that are dead but not yet given back. A body's bytes
// stay as they are until its Release, and what was given to sendfile until it has arrived.
//
// Locks: Memory.mu, then a shard's, then a flight's. A hit takes its shard's only.
package cache

import (
	"cmp"
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache/arena"
)

// Overhead is what an entry is charged in bytes besides its pages: the entry, its extent, map slot, ghost and an object's name
// of 80 bytes. Measured: 323 where segments share their object, 649 where each has its own.
const Overhead = 704

// Key names immutable bytes: Length of them, or Unknown, at Offset of an object that is never replaced.
type Key struct {
	Object         string
	Offset, Length int64
}

// Source says where the bytes of an answer came from.
type Source uint8

// Sources, in the words of RFC 9211 where it has one.
const (
	Hit       Source = iota // they were in memory
	Stored                  // this call filled them
	Collapsed               // this call waited for another's fill
	Refused                 // no bytes: a fill failed a moment ago and its error is remembered
)

// Config is the cache's limits. The zero value is usable.
type Config struct {
	Budget      int64         // bytes of pages and Overhead together; 0 is 256 MiB
	LiveShare   int64         // bytes of the budget that Options.Live may use while the rest wants them; 0 is a quarter
	FillTimeout time.Duration // for one fill, waiting for room included; 0 is 15 s
	Stall       time.Duration // a fill without a byte for so long has failed; 0 is 5 s
	Remember    time.Duration // a failed fill's error answers for between 2/5 of it and all of it; 0 is 500 ms, < 0 never
	Pages       arena.Pages   // of the memory file; Auto takes huge ones if the budget is at least 64 of them

	Filled func(took time.Duration, err error) // called after each fill, from its goroutine; nil is nobody
}

const (
	shards = 64 // a power of two

	// The arena's logs. What dies together lies together, so that whole pages come free.
	vodLog      = 0
	liveLog     = 1
	survivorLog = 2
	logs        = 3
)

// Memory is the cache. Make it with New; it is safe for concurrent use.
type Memory struct {
	config  Config
	ctx     context.Context // of every fill; ends at Close
	cancel  context.CancelFunc
	fills   sync.WaitGroup
	seed    maphash.Seed
	shards  [shards]shard
	reserve int64 // bytes kept free so that survivors can be moved out of the way: with huge pages only
	largest int64 // most bytes of one body
	file    int   // of the arena
	alike   bool  // every key has one hash; for tests

	starving atomic.Int32 // len(waiting), to be looked at without mu
	events   struct{ evictions, moved, panics atomic.Int64 }

	mu      sync.Mutex // guards all below and what entries say it does
	closed  bool
	arena   *arena.Arena
	classes [2]class // VOD, live
	objects int64    // places that have Overhead charged
	loose   int64    // bytes of entries that nobody finds any more, but somebody reads or fills
	waiting []*room
	moving  []*arena.Extent // space for evacuate
}

// class is what has a share of the budget of its own.
type class struct {
	queues  s3fifo
	filling int64
	log     int
}

func (c *class) bytes() int64 { return c.queues.bytes() + c.filling }

// New makes an empty cache. Close ends it. The error is Unavailable where the kernel has no memory files, Invalid for a
// budget below one entry.
func New(config Config) (*Memory, error) {
	config.Budget = cmp.Or(config.Budget, 256<<20)
	config.LiveShare = cmp.Or(config.LiveShare, config.Budget/4)
	config.FillTimeout = cmp.Or(config.FillTimeout, 15*time.Second)
	config.Stall = cmp.Or(config.Stall, 5*time.Second)
	config.Remember = cmp.Or(config.Remember, 500*time.Millisecond)
	if config.Pages == arena.Auto && config.Budget < 64*arena.HugePage() {
		config.Pages = arena.Small
	}
	a, err := arena.Open(arena.Config{Pages: config.Pages, Logs: logs})
	if err != nil {
		return nil, err
	}
	m := &Memory{config: config, arena: a, seed: maphash.MakeSeed(), file: a.File()}
	if a.HugePages() {
		m.reserve = max(a.Page(), min(64<<20, config.Budget/64))
	}
	m.largest = config.Budget - Overhead - m.reserve
	if a.HugePages() { // the pages that logs have begun may be of no use to it
		m.largest -= logs * a.Page()
	}
	if m.largest = m.largest / a.Page() * a.Page(); m.largest < a.Page() {
		a.Close()
		return nil, weir.Errorf(weir.Invalid, "a budget of %d bytes holds nothing", config.Budget)
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for i := range m.shards {
		m.shards[i].index = map[uint64]*entry{}
	}
	m.classes[0].log, m.classes[1].log = vodLog, liveLog
	m.classes[0].queues.init(config.Budget / 4)
	m.classes[1].queues.init(config.LiveShare / 2)
	return m, nil
}

// Close fails the fills in flight, waits for them and drops every entry. Later fills are Unavailable. Bodies that are still
// read stay valid; the last Release gives the memory file back.
func (m *Memory) Close() {
	for i := range m.shards {
		m.shards[i].close()
	}
	m.cancel()
	m.Remove(func(Key, uint64) bool { return true })
	m.fills.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		m.finish()
	}
}

// finish gives the memory file back once nobody needs it. The caller holds mu.
func (m *Memory) finish() {
	if m.closed && m.objects == 0 && m.arena != nil {
		m.arena.Close()
		m.arena = nil
	}
}

// Forget drops key, unless its fill began under a later stamp: somebody else may have forgotten and filled it meanwhile. Bodies
// of it that are open stay valid; a fill of it goes on for those who wait and is not kept.
func (m *Memory) Forget(key Key, stamp uint64) {
	h := m.hash(&key)
	s := m.shard(h)
	m.mu.Lock()
	defer m.mu.Unlock()
	s.mu.Lock()
	e := s.find(h, &key)
	delete(s.failures, h)
	s.mu.Unlock()
	if e != nil && e.stamp <= stamp {
		m.drop(e)
		m.admit()
	}
}

// Remove forgets all keys that match says yes to, given the stamp of their fill, and says how many. It also forgets what
// failed, of any key. match is called with locks held and must not call the cache.
func (m *Memory) Remove(match func(key Key, stamp uint64) bool) int {
	n := 0
	for i := range m.shards {
		found := m.shards[i].matching(match)
		if len(found) == 0 {
			continue
		}
		m.mu.Lock()
		for _, e := range found {
			if m.drop(e) {
				n++
			}
		}
		m.admit()
		m.mu.Unlock()
	}
	return n
}

// Open returns the body of key if it is in memory, whole or arriving and its first byte is there. It does not allocate.
func (m *Memory) Open(key Key) (*Body, bool) {
	h := m.hash(&key)
	s := m.shard(h)
	s.mu.Lock()
	e := s.find(h, &key)
	if e == nil || e.ready.Load() == 0 && e.flight.Load() != nil {
		s.mu.Unlock()
		return nil, false
	}
	again := e.flight.Load() == nil && e.again()
	p := s.take(e)
	s.mu.Unlock()
	b := m.body(p)
	b.again = again
	return b, true
}

// Peek is Open for who only copies what is whole to another tier: it is no use of the key and counts as nothing.
func (m *Memory) Peek(key Key) (*Body, bool) {
	h := m.hash(&key)
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(h, &key)
	if e == nil || e.flight.Load() != nil {
		return nil, false
	}
	e.place.refs.Add(1)
	return m.body(e.place), true
}

// Has says whether key is in memory or being filled, without counting as a request for it.
func (m *Memory) Has(key Key) bool {
	h := m.hash(&key)
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(h, &key) != nil
}

func (m *Memory) hash(key *Key) uint64 {
	if m.alike {
		return 0
	}
	// The words are spread by odd constants (of splitmix64); names of one object differ in their offsets only.
	h := maphash.String(m.seed, key.Object) ^ uint64(key.Offset)*0x9e3779b97f4a7c15 ^ uint64(key.Length)*0xbf58476d1ce4e5b9
	h ^= h >> 29
	h *= 0x94d049bb133111eb
	return h ^ h>>32
}

func (m *Memory) shard(h uint64) *shard { return &m.shards[h%shards] }
