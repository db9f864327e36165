//go:build linux

package cache

import (
	"context"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache/arena"
)

// HoldBack is how many bytes at the end of a body wait for the fill's word that it is good.
const HoldBack = 16 << 10

// The extents of a body of Unknown length: the first, and the largest.
const (
	firstExtent   = 64 << 10
	largestExtent = 4 << 20
)

// Writer is where a fill puts bytes. It is used by the fill's goroutine only.
type Writer struct {
	memory *Memory
	ctx    context.Context
	entry  *entry
	place  *place
	flight *flight
	stall  *time.Timer

	at    *arena.Extent // holds the next byte, unless full
	pos   int           // in at
	total int64
	room  int64 // of all extents
	err   error // what the fill ends with, whatever it says
}

// Size says how long the whole is, for a key of Unknown length, once, if the origin tells; it need not be called. A fill
// that says another length than the key's, or fewer bytes than it has written, fails.
func (w *Writer) Size(n int64) {
	size := w.entry.size.Load()
	switch {
	case w.err != nil || n == size:
	case n < w.total || size != Unknown:
		w.err = weir.Errorf(weir.Internal, "fill says %d bytes, after %d and a size of %d", n, w.total, size)
	case n > w.memory.largest:
		w.err = weir.Errorf(weir.TooLarge, "%d bytes do not fit the cache", n)
	default:
		w.entry.size.Store(n)
	}
}

// Space is where the next bytes go: at least one byte as long as some are missing. It is valid until the next call. For a
// key of Unknown length it waits for room. Empty is the end: of a whole whose size was said, or of the room, and then
// the fill fails whatever it returns.
func (w *Writer) Space() []byte {
	size := w.entry.size.Load()
	if w.err != nil || w.total == size {
		return nil
	}
	if w.at == nil || w.pos == len(w.at.Bytes) {
		if w.at != nil && w.at.Next != nil {
			w.at, w.pos = w.at.Next, 0
		} else if !w.grow(size) {
			return nil
		}
	}
	space := w.at.Bytes[w.pos:]
	if size != Unknown {
		space = space[:min(int64(len(space)), size-w.total)]
	}
	return space
}

// begin gets room for the whole, or for the Overhead alone if its size is Unknown.
func (w *Writer) begin() (err error) {
	w.room = max(w.entry.length, 0)
	w.at, err = w.memory.reserveRoom(w.ctx, w.place, w.flight, w.room)
	w.stall.Reset(w.memory.config.Stall)
	return err
}

func (w *Writer) grow(size int64) bool {
	n := min(max(w.room, firstExtent), largestExtent)
	if size != Unknown {
		n = size - w.total
	} else if rest := w.memory.largest - w.room; rest <= 0 {
		w.err = weir.Errorf(weir.TooLarge, "more than %d bytes do not fit the cache", w.room)
		return false
	} else {
		n = min(n, rest)
	}
	w.stall.Stop()
	first, err := w.memory.reserveRoom(w.ctx, w.place, w.flight, n)
	if err != nil {
		w.err = err
		return false
	}
	w.stall.Reset(w.memory.config.Stall)
	w.at, w.pos = first, 0
	w.room += n
	return true
}

// Filled says that n bytes of Space hold the next bytes. Those who wait may have them now.
func (w *Writer) Filled(n int) {
	if n <= 0 {
		return
	}
	if w.err != nil || w.at == nil || n > len(w.at.Bytes)-w.pos {
		panic("cache: more bytes than there was space")
	}
	w.pos += n
	w.total += int64(n)
	size := w.entry.size.Load()
	ready := w.total - HoldBack
	if size != Unknown {
		ready = min(w.total, size-HoldBack)
	}
	w.stall.Reset(w.memory.config.Stall)
	if ready <= w.entry.ready.Load() {
		return
	}
	w.flight.mu.Lock()
	if w.flight.err == nil {
		w.entry.ready.Store(ready)
		w.flight.tell()
	}
	w.flight.mu.Unlock()
}

// Keep implements Keeper. The space stays charged to the budget.
func (w *Writer) Keep() (release func()) {
	m, p := w.memory, w.place
	p.refs.Add(1)
	w.err = Fleeting(weir.Errorf(weir.Unavailable, "the fill was given up while its bytes were still written"))
	return func() { m.release(p) }
}

// finish is the word on what fill has written and returned.
func (w *Writer) finish(err error) error {
	size := w.entry.size.Load()
	switch {
	case w.err != nil:
		return w.err
	case err != nil:
		return err
	case size != Unknown && w.total != size:
		return weir.Errorf(weir.Internal, "fill wrote %d bytes of %d", w.total, size)
	}
	return nil
}
