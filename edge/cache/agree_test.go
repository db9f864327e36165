package cache_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

// TestModel does the same random things to the cache and to the model, at least 100,000 of them, and finds that they agree.
func TestModel(t *testing.T) {
	const budget = 2 << 20
	for seed, alike := range []bool{false, true} {
		filled := make(chan struct{}, 1)
		m := newMemory(t, cache.Config{Budget: budget, Pages: arena.Small, Remember: -1, Filled: func(time.Duration, error) { filled <- struct{}{} }})
		w := &world{t: t, m: m, filled: filled, rng: rand.New(rand.NewPCG(uint64(seed), 5)),
			model: &model{budget: budget, share: budget / 4, there: map[int64]*thing{}}}
		n := max(scaled(1000000), 100000)
		if alike { // all keys have one hash, so ghosts are alike too: the index is tested, not the order
			m.Collide()
			n /= 20
		}
		for i := range n {
			w.step(uint64(i), !alike)
			if i%500 == 0 {
				w.compare(i, !alike)
			}
		}
		w.leave(0)
		w.compare(n, !alike)
	}
}

// TestRandomHuge does the same with huge pages, where the order depends on where things lie; what is there is right, and
// the budget holds.
func TestRandomHuge(t *testing.T) {
	const budget = 64 << 20
	filled := make(chan struct{}, 1)
	m := newMemory(t, cache.Config{Budget: budget, Pages: arena.Huge, Remember: -1, Filled: func(time.Duration, error) { filled <- struct{}{} }})
	w := &world{t: t, m: m, filled: filled, rng: rand.New(rand.NewPCG(7, 7)), scale: 8}
	for i := range max(scaled(1000000)/4, 20000) {
		w.step(uint64(i), false)
		if i%50 == 0 {
			sound(t, m, budget)
		}
		if i%500 == 0 {
			w.compare(i, false)
		}
	}
	w.leave(0)
	w.compare(-1, false)
	if m.Stats().Moved == 0 {
		t.Error("no survivor was moved: the test did not press")
	}
	t.Logf("%+v", m.Stats())
}

// world is a cache and its model.
type world struct {
	t      *testing.T
	m      *cache.Memory
	filled chan struct{} // a fill is over
	model  *model        // nil: only the content is compared
	rng    *rand.Rand
	scale  int64 // of sizes; 0 is 1
	held   []holding
	bytes  int64 // of held
}

type holding struct {
	id, size int64
	body     *cache.Body
	thing    *thing
}

var errBroken = errors.New("broken")

// sizeOf is the size of object id, 1 of 16 larger; ids below 40 have an unknown length, those above 700 are live.
func (w *world) sizeOf(id int64) (size int64, key cache.Key, live bool) {
	size = int64(word(id, 0)%(24<<10)) * max(w.scale, 1)
	if id%16 == 0 {
		size *= 6
	}
	if key = keyOf(id, size); id < 40 {
		key.Length = cache.Unknown
	}
	return size, key, id > 700
}

func (w *world) step(stamp uint64, ordered bool) {
	id := int64(w.rng.ExpFloat64()*150) % 1000
	size, key, live := w.sizeOf(id)
	switch op := w.rng.IntN(1000); {
	case op < 3:
		w.m.Forget(key, math.MaxUint64)
		if w.model != nil && ordered {
			w.model.forget(id)
		}
	case op < 4:
		w.remove(stamp, ordered)
	case op < 100:
		if b, ok := w.m.Open(key); ok {
			w.check(b, id, size)
			b.Release()
			if x := w.known(id, ordered); x != nil {
				x.uses = min(x.uses+1, 3)
			} else if ordered {
				w.t.Fatalf("Open of %d finds what the model has not", id)
			}
		} else if w.known(id, ordered) != nil {
			w.t.Fatalf("Open of %d does not find what the model has", id)
		}
	default:
		w.ask(id, size, key, live, stamp, op < 130, op < 300, ordered)
	}
}

func (w *world) known(id int64, ordered bool) *thing {
	if w.model == nil || !ordered {
		return nil
	}
	return w.model.there[id]
}

func (w *world) remove(stamp uint64, ordered bool) {
	old := stamp - min(stamp, uint64(w.rng.IntN(300)))
	third := uint64(w.rng.IntN(3))
	n := w.m.Remove(func(_ cache.Key, stamp uint64) bool { return stamp < old && stamp%3 == third })
	if w.model == nil || !ordered {
		return
	}
	want := 0
	for id, x := range w.model.there {
		if x.stamp < old && x.stamp%3 == third {
			w.model.forget(id)
			want++
		}
	}
	if n != want {
		w.t.Fatalf("Remove = %d, want %d", n, want)
	}
}

func (w *world) ask(id, size int64, key cache.Key, live bool, stamp uint64, broken, hold, ordered bool) {
	b, source, err := w.m.Fill(w.t.Context(), key, cache.Options{Live: live, Stamp: stamp}, stamped(id, size, broken))
	var x *thing
	if w.model != nil && ordered {
		var hit bool
		x, hit = w.model.ask(id, live, stamp, w.steps(key, size, live), size, !broken)
		if hit != (source == cache.Hit) {
			w.t.Fatalf("Fill of %d = source %v, the model says hit: %v", id, source, hit)
		}
	}
	switch {
	case err != nil && (!broken || source != cache.Stored):
		w.t.Fatalf("Fill of %d of %d bytes = %v, %v", id, size, source, err)
	case err != nil:
		<-w.filled
		return
	}
	whole := w.check(b, id, size)
	if source == cache.Stored {
		<-w.filled
	}
	if whole == (broken && source == cache.Stored) {
		w.t.Fatalf("the body of %d is whole: %v; broken: %v", id, whole, broken)
	}
	if !hold || !whole {
		b.Release()
		return
	}
	w.held = append(w.held, holding{id, size, b, x})
	w.bytes += size
	if x != nil {
		x.held++
	}
	w.leave(400 << 10) // with huge pages, each that is held may keep a page
}

// steps are the reservations of a fill.
func (w *world) steps(key cache.Key, size int64, _ bool) []int64 {
	if key.Length != cache.Unknown {
		return []int64{size}
	}
	steps, room := []int64{0}, int64(0)
	for room < size {
		n := max(room, 64<<10)
		steps = append(steps, n)
		room += n
	}
	return steps
}

// leave releases what is held until at most n bytes are.
func (w *world) leave(n int64) {
	for w.bytes > n || n == 0 && len(w.held) > 0 {
		i := w.rng.IntN(len(w.held))
		h := w.held[i]
		w.check(h.body, h.id, h.size)
		h.body.Release()
		if h.thing != nil {
			w.model.release(h.thing)
		}
		w.bytes -= h.size
		w.held[i] = w.held[len(w.held)-1]
		w.held = w.held[:len(w.held)-1]
	}
}

func (w *world) compare(i int, ordered bool) {
	w.t.Helper()
	if bad := w.m.Check(); bad != "" {
		w.t.Fatalf("after %d steps: %s", i, bad)
	}
	if w.model == nil || !ordered {
		return
	}
	for c, live := range []bool{false, true} {
		if got, want := w.m.Order(live), w.model.order(c); got != want {
			w.t.Fatalf("after %d steps, class %d: got\n%s\nthe model has\n%s", i, c, got, want)
		}
	}
	s := w.m.Stats()
	if s.Evictions != w.model.evictions || s.Loose != w.model.loose || s.EntryBytes != w.model.bytes(0)+w.model.bytes(1) {
		w.t.Fatalf("after %d steps: stats %+v, the model has %d evictions, %d bytes and %d loose", i, s, w.model.evictions,
			w.model.bytes(0)+w.model.bytes(1), w.model.loose)
	}
}

// stamped is a fill that writes a word of object id in each KiB; a broken one fails at its end.
func stamped(id, size int64, broken bool) cache.Fill {
	return func(_ context.Context, w *cache.Writer) error {
		for off := int64(0); off < size; {
			b := w.Space()
			if len(b) == 0 {
				return io.ErrNoProgress
			}
			b = b[:min(int64(len(b)), size-off)]
			for at := (off + 1023) &^ 1023; at+8 <= off+int64(len(b)); at += 1024 {
				binary.LittleEndian.PutUint64(b[at-off:], word(id, at))
			}
			w.Filled(len(b))
			off += int64(len(b))
		}
		if broken {
			return errBroken
		}
		return nil
	}
}

// check reads b, looks at what stamped has written, and says whether it is whole.
func (w *world) check(b *cache.Body, id, size int64) bool {
	for off := int64(0); ; {
		run, err := b.Run(w.t.Context(), off, 1<<30)
		if err == io.EOF && off == size && b.Whole() && b.Size() == size {
			return true
		}
		if errors.Is(err, errBroken) {
			return false
		}
		if err != nil {
			w.t.Fatalf("Run of %d at %d of %d = %v", id, off, size, err)
		}
		for at := (off + 1023) &^ 1023; at+8 <= off+int64(len(run.Bytes)); at += 1024 {
			if binary.LittleEndian.Uint64(run.Bytes[at-off:]) != word(id, at) {
				w.t.Fatalf("byte %d of object %d is wrong", at, id)
			}
		}
		off += int64(len(run.Bytes))
	}
}
