// Package cache keeps immutable bytes in memory under one hard budget.
//
// A key names bytes that never change (a range of a content-addressed object), so an entry is never stale and there is
// nothing to invalidate; who may read it, and whether it is still listed, is decided before the cache is asked. It is not
// a cache of answers: headers, tickets and manifests stay outside.
//
// Invariant: the bytes of all entries and of all fills in flight, bookkeeping included, never exceed the budget. Slices
// handed out stay valid for ever and are never written again; bytes evicted while somebody still sends them are no longer
// counted.
package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// Overhead is what an entry is charged in bytes besides its content: map slot, key, queue links.
const Overhead = 256

// Key names immutable bytes: Length of them at Offset of an object that is never replaced.
type Key struct {
	Object         string
	Offset, Length int64
}

// Source says where the bytes of an answer came from.
type Source uint8

// Sources, in the words of RFC 9211.
const (
	Hit       Source = iota // they were in memory
	Stored                  // this call filled them
	Collapsed               // this call waited for another's fill
)

// Config is the cache's limits. The zero value is usable.
type Config struct {
	Budget      int64                               // bytes, content and Overhead together; 0 is 256 MiB
	FillTimeout time.Duration                       // for one fill, waiting for room included; 0 is 15 s
	Filled      func(took time.Duration, err error) // called after each fill, from its goroutine; nil is nobody
}

// Memory is the cache. Make it with New; it is safe for concurrent use.
type Memory struct {
	config Config
	ctx    context.Context // of every fill; ends at Close
	cancel context.CancelFunc
	fills  sync.WaitGroup

	hits, misses, collapsed, evictions, panics atomic.Int64

	mu       sync.RWMutex // guards all below
	closed   bool
	queues   s3fifo
	inFlight map[Key]*flight
	arriving map[Key]*arrival
	reserved int64 // charged to fills in flight
	waiting  []*room
}

// flight is one fill under way. data and err are set before done is closed; uses is guarded by the cache's mu.
type flight struct {
	done chan struct{}
	data []byte
	err  error
	uses uint32 // calls that wait beside the one that started it
}

// room is a fill that waits for bytes to be freed; ready is closed once they are reserved for it.
type room struct {
	charge int64
	ready  chan struct{}
}

// New makes an empty cache. Close ends it.
func New(config Config) *Memory {
	if config.Budget == 0 {
		config.Budget = 256 << 20
	}
	if config.FillTimeout == 0 {
		config.FillTimeout = 15 * time.Second
	}
	m := &Memory{config: config, inFlight: map[Key]*flight{}}
	m.queues.init(config.Budget)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Close fails the fills in flight, waits for them and drops every entry. Later fills are Unavailable.
func (m *Memory) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.fills.Wait()
	m.mu.Lock()
	m.queues.init(m.config.Budget)
	m.mu.Unlock()
}

// Lookup returns the bytes if they are in memory. It does not allocate.
func (m *Memory) Lookup(key Key) ([]byte, bool) {
	m.mu.RLock()
	e := m.queues.entries[key]
	m.mu.RUnlock()
	if e == nil {
		return nil, false
	}
	e.touch()
	m.hits.Add(1)
	return e.data, true
}

// Get returns the bytes of key, calling fill if nobody else is filling it already. The fill runs detached: when ctx
// ends this call returns and the fill goes on for those who still wait and for the next ones. A fill that fails, panics
// or returns another length than the key's is an error for all its waiters and is not remembered. Errors are the fill's;
// Internal for a panic; TooLarge for more bytes than the whole budget; Timeout or Unavailable for ctx and Close.
func (m *Memory) Get(ctx context.Context, key Key, fill func(context.Context) ([]byte, error)) ([]byte, Source, error) {
	if key.Length < 0 || key.Length > m.config.Budget-Overhead {
		return nil, Stored, weir.Errorf(weir.TooLarge, "%d bytes do not fit the cache", key.Length)
	}
	m.mu.Lock()
	if e := m.queues.entries[key]; e != nil {
		m.mu.Unlock()
		e.touch()
		m.hits.Add(1)
		return e.data, Hit, nil
	}
	source := Collapsed
	f := m.inFlight[key]
	if f == nil {
		if m.closed {
			m.mu.Unlock()
			return nil, Stored, weir.Errorf(weir.Unavailable, "the cache is closed")
		}
		source, f = Stored, &flight{done: make(chan struct{})}
		m.inFlight[key] = f
		m.fills.Go(func() { m.run(f, key, fill) })
	}
	if source == Stored {
		m.misses.Add(1)
	} else {
		f.uses++
		m.collapsed.Add(1)
	}
	m.mu.Unlock()
	select {
	case <-f.done:
		return f.data, source, f.err
	case <-ctx.Done():
		return nil, source, ctx.Err()
	}
}

// Stats is a snapshot of the counters.
type Stats struct {
	Hits, Misses, Collapsed, Evictions, Panics int64 // since New; a miss started a fill, a collapsed call waited for one
	Bytes                                      int64 // charged to entries and to fills in flight
	Entries                                    int64
}

// Stats reads the counters; they are not of one instant.
func (m *Memory) Stats() Stats {
	m.mu.RLock()
	bytes, entries := m.queues.bytes()+m.reserved, int64(len(m.queues.entries))
	m.mu.RUnlock()
	return Stats{Hits: m.hits.Load(), Misses: m.misses.Load(), Collapsed: m.collapsed.Load(),
		Evictions: m.evictions.Load(), Panics: m.panics.Load(), Bytes: bytes, Entries: entries}
}
