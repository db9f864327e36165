//go:build linux

package cache

import (
	"context"
	"io"
	"sync"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache/arena"
)

// Unknown is the length of a key whose size only the fill will learn.
const Unknown = -1

// Body is the bytes of one key, whole or still arriving, and a reference to them: they stay readable until Release, also
// if the key is evicted meanwhile. A Body is used by one goroutine; every call of Open and Fill returns another.
type Body struct {
	memory *Memory
	place  *place
	again  bool
}

// Run is bytes of a body that lie together. They are never written again once handed out, and are valid until the body's
// Release. What was given to sendfile before outlives even that.
type Run struct {
	Bytes []byte // mapped, for those who must look at them or encrypt them
	File  int    // the descriptor of the memory file that holds Bytes, to be sent by sendfile; -1 is none
	Off   int64  // where Bytes begin in File
}

// bodies keeps released ones, so that a hit does not allocate. Nothing depends on what is in it.
var bodies = sync.Pool{New: func() any { return new(Body) }}

// body makes a Body of a reference the caller has.
func (m *Memory) body(p *place) *Body {
	b := bodies.Get().(*Body)
	b.memory, b.place, b.again = m, p, false
	return b
}

// Size is the length of the whole, Unknown until the fill has said it.
func (b *Body) Size() int64 { return b.place.entry.size.Load() }

// Whole says whether every byte is there and was verified.
func (b *Body) Whole() bool { return b.place.entry.flight.Load() == nil }

// Again says that Open found it whole, and of use once more than its fill was for, for the first time or since it was given a second
// chance: the moment to offer it to a tier that admits what is used twice.
func (b *Body) Again() bool { return b.again }

// Stamp is the Options.Stamp of the fill.
func (b *Body) Stamp() uint64 { return b.place.entry.stamp }

// Run returns bytes from off on, at least one and at most n, waiting for them to arrive. io.EOF is the end of the whole;
// another error is the fill's, or ctx's: then what was sent so far is not all there is, and the connection must end.
func (b *Body) Run(ctx context.Context, off, n int64) (Run, error) {
	if off < 0 || n <= 0 {
		return Run{}, weir.Errorf(weir.Internal, "run of %d bytes at %d", n, off)
	}
	e := b.place.entry
	f := e.flight.Load()
	if f != nil {
		if err := f.wait(ctx, e, off); err != nil {
			return Run{}, err
		}
	}
	ready := e.ready.Load()
	if off >= ready {
		return Run{}, io.EOF
	}
	n = min(n, ready-off)
	x := b.place.first
	for off >= int64(len(x.Bytes)) {
		off -= int64(len(x.Bytes))
		x = x.Next
	}
	n = min(n, int64(len(x.Bytes))-off)
	return Run{Bytes: x.Bytes[off : off+n : off+n], File: b.memory.file, Off: x.Off + off}, nil
}

// Release gives the reference back, once: the body and its runs are not used after it, by nobody.
func (b *Body) Release() {
	p, m := b.place, b.memory
	if p == nil {
		return
	}
	*b = Body{}
	bodies.Put(b)
	m.release(p)
}

// release takes one reference from p.
func (m *Memory) release(p *place) {
	switch n := p.refs.Add(-1); {
	case n == 0:
		m.mu.Lock()
		m.free(p)
		m.admit()
		m.mu.Unlock()
	case n == 1 && m.starving.Load() > 0: // it may be evicted again
		m.mu.Lock()
		m.admit()
		m.mu.Unlock()
	case n < 0:
		panic("cache: a body was released twice")
	}
}

// flight is a fill under way, or one that failed.
type flight struct {
	last *arena.Extent // of the entry's; the fill's alone

	mu      sync.Mutex // guards all below
	wake    chan struct{}
	err     error
	ended   bool // well; the entry becomes whole
	starved bool // it waits for room
}

func (f *flight) starving(is bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starved = is
}

// wait returns once the byte at off may be read or the whole ended before it.
func (f *flight) wait(ctx context.Context, e *entry, off int64) error {
	for {
		f.mu.Lock()
		if f.err != nil {
			f.mu.Unlock()
			return f.err
		}
		if e.ready.Load() > off || e.flight.Load() == nil {
			f.mu.Unlock()
			return nil
		}
		if f.wake == nil {
			f.wake = make(chan struct{})
		}
		wake := f.wake
		f.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell wakes those who wait. The caller holds mu.
func (f *flight) tell() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}
