package cache

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	weir "github.com/weirstream/weir"
)

// run is the life of one fill: reserve room, read, keep or give back, tell the waiters.
func (m *Memory) run(f *flight, key Key, fill func(context.Context) ([]byte, error)) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(m.ctx, m.config.FillTimeout)
	defer cancel()
	charge := key.Length + Overhead
	if f.err = m.reserve(ctx, charge); f.err == nil {
		f.data, f.err = m.call(ctx, key.Length, fill)
		m.settle(key, charge, f)
	} else {
		m.mu.Lock()
		delete(m.inFlight, key)
		m.mu.Unlock()
	}
	close(f.done)
	if m.config.Filled != nil {
		m.config.Filled(time.Since(start), f.err)
	}
}

// call runs fill and contains what can go wrong in it.
func (m *Memory) call(ctx context.Context, size int64, fill func(context.Context) ([]byte, error)) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.panics.Add(1)
			data, err = nil, weir.Errorf(weir.Internal, "fill panicked: %v\n%s", p, debug.Stack())
		}
	}()
	data, err = fill(ctx)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != size {
		return nil, weir.Errorf(weir.Internal, "fill returned %d bytes of %d", len(data), size)
	}
	return data, nil
}

// settle turns the reservation into an entry, or frees it, and lets waiting fills go on.
func (m *Memory) settle(key Key, charge int64, f *flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.inFlight, key)
	m.reserved -= charge
	if f.err == nil {
		e := &entry{key: key, data: f.data}
		e.uses.Store(min(f.uses, maxUses))
		m.queues.insert(e)
	}
	m.admit()
}

// reserve waits until charge bytes are free and takes them. Fills get room in the order they asked for it, so a large one
// is not starved by small ones.
func (m *Memory) reserve(ctx context.Context, charge int64) error {
	m.mu.Lock()
	w := &room{charge: charge, ready: make(chan struct{})}
	m.waiting = append(m.waiting, w)
	m.admit()
	m.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	default:
	}
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.waiting, w); i >= 0 {
		m.waiting = slices.Delete(m.waiting, i, i+1)
	} else {
		m.reserved -= charge // it was granted meanwhile
	}
	m.admit()
	return ctx.Err()
}

// admit gives room to the fills at the head of the queue, evicting as needed. It evicts nothing for a fill that would not
// fit even then. The caller holds mu.
func (m *Memory) admit() {
	for len(m.waiting) > 0 {
		w := m.waiting[0]
		if m.reserved+w.charge > m.config.Budget {
			return
		}
		for m.queues.bytes()+m.reserved+w.charge > m.config.Budget {
			m.queues.evict()
			m.evictions.Add(1)
		}
		m.reserved += w.charge
		m.waiting = m.waiting[1:]
		close(w.ready)
	}
}
