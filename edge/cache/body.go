package cache

import (
	"context"
	"io"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

// Unknown is the length of a key whose size only the fill will learn.
const Unknown = -1

// Body is the bytes of one key, whole or still arriving, and a reference to them: they stay readable until Release, also
// if the key is evicted meanwhile. A Body is used by one goroutine; every call of Open and Fill returns another.
type Body struct {
	a *arrival
}

// Run is bytes of a body that lie together. They are never written again once handed out, and are valid until the body's
// Release. What was given to sendfile before outlives even that.
type Run struct {
	Bytes []byte // mapped, for those who must look at them or encrypt them
	File  int    // the descriptor of the memory file that holds Bytes, to be sent by sendfile; -1 is none
	Off   int64  // where Bytes begin in File
}

// arrival is bytes that come, or came. Growing an unknown length copies to a new slice: old runs keep the old one.
type arrival struct {
	mu      sync.Mutex // guards all below
	data    []byte     // the first n are there; the rest is the fill's
	n       int64
	size    int64 // Unknown until told, or the end
	done    bool
	err     error
	changed chan struct{} // closed and replaced at each change
}

func (a *arrival) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	if a.changed != nil {
		close(a.changed)
	}
	a.changed = make(chan struct{})
}

// Size is the length of the whole, Unknown until the fill has said it.
func (b *Body) Size() int64 {
	b.a.mu.Lock()
	defer b.a.mu.Unlock()
	return b.a.size
}

// Whole says whether every byte is there and was verified.
func (b *Body) Whole() bool {
	b.a.mu.Lock()
	defer b.a.mu.Unlock()
	return b.a.done && b.a.err == nil
}

// Run returns bytes from off on, at least one and at most n, waiting for them to arrive. io.EOF is the end of the whole;
// another error is the fill's, or ctx's: then what was sent so far is not all there is, and the connection must end.
func (b *Body) Run(ctx context.Context, off, n int64) (Run, error) {
	a := b.a
	for {
		a.mu.Lock()
		there, done, err, changed, data := a.visible(), a.done, a.err, a.changed, a.data
		a.mu.Unlock()
		switch {
		case off < there:
			return Run{Bytes: data[off:min(off+n, there)], File: -1}, nil
		case err != nil:
			return Run{}, err
		case done:
			return Run{}, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Run{}, ctx.Err()
		}
	}
}

// visible is how many bytes may be handed out. The caller holds mu.
func (a *arrival) visible() int64 {
	if a.done && a.err == nil {
		return a.n
	}
	if a.size == Unknown {
		return a.n - HoldBack
	}
	return min(a.n, a.size-HoldBack)
}

// Release gives the reference back. The body and its runs are not used after it; a second call does nothing.
func (b *Body) Release() {}

// Fill reads the bytes of a key into w, in order. Nil means that all of them are there and are what they should be. Until
// it returns nil the last HoldBack bytes are handed to nobody, so that no client ever gets a whole answer that was not
// verified.
type Fill func(ctx context.Context, w *Writer) error

// HoldBack is how many bytes at the end of a body wait for the fill's word that it is good.
const HoldBack = 16 << 10

// Writer is where a fill puts bytes. It is used by the fill's goroutine only.
type Writer struct {
	a *arrival
}

// Size says how long the whole is, for a key of Unknown length, once, if the origin tells; it need not be called.
func (w *Writer) Size(n int64) { w.a.change(func() { w.a.size = n }) }

// Space is where the next bytes go: at least one byte as long as some are missing. It is valid until the next call.
func (w *Writer) Space() []byte {
	a := w.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == int64(len(a.data)) && a.size == Unknown {
		grown := make([]byte, max(2*len(a.data), 32<<10))
		copy(grown, a.data)
		a.data = grown
	}
	return a.data[a.n:]
}

// Filled says that n bytes of Space hold the next bytes. Those who wait may have them now.
func (w *Writer) Filled(n int) { w.a.change(func() { w.a.n += int64(n) }) }

// Options are how a fill is kept.
type Options struct {
	Live bool // of a growing presentation: it has a share of the budget of its own
}

// Open returns the body of key if it is in memory, whole or arriving. It does not allocate more than the body.
func (m *Memory) Open(key Key) (*Body, bool) {
	if b, ok := m.Lookup(key); ok {
		return &Body{&arrival{data: b, n: int64(len(b)), size: int64(len(b)), done: true}}, true
	}
	m.mu.RLock()
	a := m.arriving[key]
	m.mu.RUnlock()
	return &Body{a}, a != nil
}

// Fill returns the body of key as soon as its size and its first byte are there, calling fill if nobody else is filling it
// already. The fill runs detached from ctx. The error is the fill's if it failed before its first byte.
func (m *Memory) Fill(ctx context.Context, key Key, _ Options, fill Fill) (*Body, Source, error) {
	if b, ok := m.Open(key); ok {
		return b, Hit, nil
	}
	source := Collapsed
	m.mu.Lock()
	a := m.arriving[key]
	if a == nil {
		if m.closed {
			m.mu.Unlock()
			return nil, Stored, weir.Errorf(weir.Unavailable, "the cache is closed")
		}
		source, a = Stored, &arrival{size: key.Length, changed: make(chan struct{})}
		if key.Length != Unknown {
			a.data = make([]byte, key.Length)
		}
		if m.arriving == nil {
			m.arriving = map[Key]*arrival{}
		}
		m.arriving[key] = a
		m.misses.Add(1)
		m.fills.Go(func() { m.arrive(a, key, fill) })
	} else {
		m.collapsed.Add(1)
	}
	m.mu.Unlock()
	for {
		a.mu.Lock()
		ready, err, changed := a.done || a.n > 0, a.err, a.changed
		a.mu.Unlock()
		if err != nil {
			return nil, source, err
		}
		if ready {
			return &Body{a}, source, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, source, ctx.Err()
		}
	}
}

// arrive is the life of one fill.
func (m *Memory) arrive(a *arrival, key Key, fill Fill) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(m.ctx, m.config.FillTimeout)
	defer cancel()
	_, err := m.call(ctx, 0, func(ctx context.Context) ([]byte, error) { return nil, fill(ctx, &Writer{a}) })
	if err == nil && a.size != Unknown && a.n != a.size {
		err = weir.Errorf(weir.Internal, "fill wrote %d bytes of %d", a.n, a.size)
	}
	a.change(func() {
		a.done, a.err = true, err
		if err == nil {
			a.size = a.n
		}
	})
	m.mu.Lock()
	delete(m.arriving, key)
	if err == nil {
		m.queues.insert(&entry{key: key, data: a.data[:a.n:a.n]})
		for m.queues.bytes()+m.reserved > m.config.Budget {
			m.queues.evict()
			m.evictions.Add(1)
		}
	}
	m.mu.Unlock()
	if m.config.Filled != nil {
		m.config.Filled(time.Since(start), err)
	}
}
