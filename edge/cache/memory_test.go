package cache_test

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

// TestHerd has many ask for one key at once, some for its middle, some leaving: one fill, every byte right.
func TestHerd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		m := newMemory(t, cache.Config{})
		var fills atomic.Int32
		open := make(chan struct{})
		fill := func(ctx context.Context, w *cache.Writer) error {
			fills.Add(1)
			<-open
			return painted(1, size, 50000)(ctx, w)
		}
		var wg sync.WaitGroup
		for i := range int64(200) {
			wg.Go(func() {
				ctx := t.Context()
				if i%10 == 9 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Second)
					defer cancel()
				}
				b, _, err := m.Fill(ctx, keyOf(1, size), cache.Options{}, fill)
				if i%10 == 9 {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Fill under a deadline = %v", err)
					}
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				defer b.Release()
				if n, err := readAll(ctx, b, 1, i*5000); n != size-i*5000 || err != nil {
					t.Errorf("read from %d = %d bytes, %v", i*5000, n, err)
				}
			})
		}
		time.Sleep(2 * time.Second) // of the bubble's clock
		synctest.Wait()
		close(open)
		wg.Wait()
		s := m.Stats()
		if fills.Load() != 1 || s.Misses != 1 || s.Collapsed != 199 || s.Hits != 0 || s.MissBytes != size || s.CollapsedBytes != 199*size {
			t.Errorf("%d fills, stats %+v, want one fill and 199 collapsed", fills.Load(), s)
		}
	})
}

func TestLeavingClientsDoNotCancelTheFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, cache.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		fill := func(ctx context.Context, w *cache.Writer) error {
			select {
			case <-time.After(3 * time.Second):
				return painted(1, 3, 1)(ctx, w)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if _, _, err := m.Fill(ctx, keyOf(1, 3), cache.Options{}, fill); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Fill under a deadline of 1 s = %v, want deadline exceeded", err)
		}
		time.Sleep(2 * time.Second) // of the bubble's clock
		synctest.Wait()
		b, ok := m.Open(keyOf(1, 3))
		if !ok || !b.Whole() || b.Size() != 3 {
			t.Fatalf("Open after the fill = %v", ok)
		}
		b.Release()
	})
}

func TestCloseEndsFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, cache.Config{FillTimeout: time.Hour, Stall: time.Hour})
		result := make(chan error)
		go func() {
			_, _, err := m.Fill(context.Background(), keyOf(1, 3), cache.Options{}, func(ctx context.Context, w *cache.Writer) error {
				<-ctx.Done()
				return ctx.Err()
			})
			result <- err
		}()
		store(t, m, 2, 50000)
		held, _ := m.Open(keyOf(2, 50000))
		synctest.Wait()
		go m.Close()
		if err := <-result; weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Fill while closing = %v, want unavailable", err)
		}
		synctest.Wait()
		if _, _, err := m.Fill(context.Background(), keyOf(3, 3), cache.Options{}, painted(3, 3, 3)); weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Fill after Close = %v, want unavailable", err)
		}
		if _, ok := m.Open(keyOf(2, 50000)); ok {
			t.Error("Open after Close finds something")
		}
		if n, err := readAll(t.Context(), held, 2, 0); n != 50000 || err != nil {
			t.Errorf("a body held over Close = %d bytes, %v", n, err)
		}
		held.Release()
	})
}

func TestBadFillsAreErrors(t *testing.T) {
	f := func(name string, want weir.Kind, length int64, fill cache.Fill) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { badFill(t, name, want, length, fill) })
	}
	write := func(w *cache.Writer, n int64) { _ = painted(1, n, n)(context.Background(), w) }
	f("error", weir.NotFound, 3, func(context.Context, *cache.Writer) error { return weir.Errorf(weir.NotFound, "gone") })
	f("late error", weir.NotFound, 100000, func(_ context.Context, w *cache.Writer) error {
		write(w, 100000)
		return weir.Errorf(weir.NotFound, "gone")
	})
	f("short", weir.Internal, 3, painted(1, 2, 1))
	f("short and long", weir.Internal, 100000, painted(1, 99999, 40000))
	f("nothing", weir.Internal, 3, func(context.Context, *cache.Writer) error { return nil })
	f("more than space", weir.Internal, 3, func(_ context.Context, w *cache.Writer) error {
		w.Filled(len(w.Space()) + 5000)
		return nil
	})
	f("panic", weir.Internal, 100000, func(_ context.Context, w *cache.Writer) error {
		write(w, 60000)
		panic("boom")
	})
	f("another size", weir.Internal, 3, func(_ context.Context, w *cache.Writer) error {
		w.Size(4)
		write(w, 3)
		return nil
	})
	f("less than said", weir.Internal, cache.Unknown, func(_ context.Context, w *cache.Writer) error {
		w.Size(70000)
		write(w, 60000)
		return nil
	})
	f("said too late", weir.Internal, cache.Unknown, func(_ context.Context, w *cache.Writer) error {
		write(w, 60000)
		w.Size(50000)
		return nil
	})
	f("too large", weir.TooLarge, cache.Unknown, func(_ context.Context, w *cache.Writer) error {
		w.Size(math.MaxInt64)
		if len(w.Space()) > 0 {
			t.Error("there is space for all that can be counted")
		}
		return nil
	})
	f("deaf", weir.Timeout, 3, func(ctx context.Context, w *cache.Writer) error {
		time.Sleep(time.Minute) // heeds nothing
		return nil
	})
	f("deaf and dripping", weir.Timeout, 100, func(ctx context.Context, w *cache.Writer) error {
		for range 100 {
			time.Sleep(time.Second)
			w.Space()[0] = 1
			w.Filled(1)
		}
		return nil
	})
}

// badFill asks for what cannot be had: at once, while that is remembered, and after.
func badFill(t *testing.T, name string, want weir.Kind, length int64, fill cache.Fill) {
	m := newMemory(t, cache.Config{})
	for _, ask := range []struct {
		source cache.Source
		after  time.Duration
	}{{cache.Stored, 0}, {cache.Refused, 180 * time.Millisecond}, {cache.Stored, time.Second}} {
		time.Sleep(ask.after) // of the bubble's clock
		b, source, err := m.Fill(t.Context(), keyOf(1, length), cache.Options{}, fill)
		if err == nil {
			_, err = readAll(t.Context(), b, 1, 0)
			b.Release()
		}
		if err == nil || weir.KindOf(err) != want || source != ask.source {
			t.Errorf("%s: Fill after %v = %v from %d, want kind %v from %d", name, ask.after, err, source, want, ask.source)
		}
		synctest.Wait()
	}
	time.Sleep(5 * time.Minute) // until deaf fills return
	if s := m.Stats(); s.Misses != 2 || s.Refused != 1 || s.Entries != 0 || s.Loose != 0 || s.Bytes != s.Dead {
		t.Errorf("%s: stats %+v, want two misses and nothing kept", name, s)
	}
}

// What is unknown is told by the fill, before or after its bytes, and what is too much is given back.
func TestUnknownLength(t *testing.T) {
	f := func(size, tell int64) {
		t.Helper()
		m := newMemory(t, cache.Config{Budget: 32 << 20, Pages: arena.Small})
		key := cache.Key{Object: "a", Length: cache.Unknown}
		b, _, err := m.Fill(t.Context(), key, cache.Options{}, func(ctx context.Context, w *cache.Writer) error {
			for off := int64(0); ; {
				if off == tell {
					w.Size(size)
				}
				space := w.Space()
				n := min(int64(len(space)), size-off, 10000)
				if n == 0 {
					return nil
				}
				paint(space[:n], 1, off)
				w.Filled(int(n))
				off += n
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		n, err := readAll(t.Context(), b, 1, 0)
		if n != size || err != nil || !b.Whole() || b.Size() != size {
			t.Errorf("a body of %d bytes told at %d = %d bytes, whole %v, %v", size, tell, n, b.Whole(), err)
		}
		b.Release()
		if s, want := m.Stats(), (size+4095)/4096*4096+cache.Overhead; s.Bytes != want || s.Filling != 0 {
			t.Errorf("a body of %d bytes takes %+v, want %d", size, s, want)
		}
	}
	f(0, -1)
	f(0, 0)
	f(1, -1)
	f(1, 0)
	f(65536, -1)
	f(65536, 65536)
	f(65537, 0)
	f(100000, 50000)
	f(100000, 100000)
	f(5<<20, -1)
	f(20<<20, -1)
	f(20<<20, 10000)
}

func TestLargerThanTheBudget(t *testing.T) {
	bothPages(t, func(t *testing.T, pages arena.Pages) {
		const budget = 32 << 20
		m := newMemory(t, cache.Config{Budget: budget, Pages: pages})
		for _, size := range []int64{m.Largest() + 1, math.MaxInt64} {
			if _, _, err := m.Fill(t.Context(), keyOf(1, size), cache.Options{}, painted(1, 1, 1)); weir.KindOf(err) != weir.TooLarge {
				t.Errorf("Fill of %d bytes = %v, want too-large", size, err)
			}
		}
		for id := range int64(5) { // the largest fits, whatever was there before
			store(t, m, id, m.Largest())
			store(t, m, 10+id, 3000)
			store(t, m, 20+id, 3<<20)
			sound(t, m, budget)
		}
	})
	if _, err := cache.New(cache.Config{Budget: 1000}); weir.KindOf(err) != weir.Invalid {
		t.Errorf("New with 1000 bytes = %v, want invalid", err)
	}
}

// Two indexes that disagree about a segment's length must not be given each other's bytes.
func TestLengthBelongsToTheKey(t *testing.T) {
	m := newMemory(t, cache.Config{})
	for _, length := range []int64{5, 3, 0} {
		b, source, err := m.Fill(t.Context(), keyOf(1, length), cache.Options{Stamp: 7}, painted(1, length, 10))
		if err != nil || source != cache.Stored {
			t.Fatalf("Fill of %d bytes = %v, %v", length, source, err)
		}
		if n, err := readAll(t.Context(), b, 1, 0); n != length || err != nil || b.Stamp() != 7 {
			t.Errorf("a body of %d bytes has %d, %v", length, n, err)
		}
		b.Release()
	}
}

// The last bytes are nobody's until the fill has said that all are good.
func TestHoldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, cache.Config{})
		end := make(chan error)
		key := keyOf(1, 100000)
		fill := func(ctx context.Context, w *cache.Writer) error {
			return errors.Join(painted(1, 100000, 100000)(ctx, w), <-end)
		}
		b, _, err := m.Fill(t.Context(), key, cache.Options{}, fill)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Release()
		if run, err := b.Run(t.Context(), 0, 1<<20); err != nil || len(run.Bytes) != 100000-cache.HoldBack || b.Whole() {
			t.Errorf("Run = %d bytes, %v", len(run.Bytes), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Run(ctx, 100000-cache.HoldBack, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run of what is held back = %v", err)
		}
		end <- io.ErrUnexpectedEOF
		if _, err := b.Run(t.Context(), 100000-cache.HoldBack, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Run of what is not good = %v", err)
		}
		if _, err := b.Run(t.Context(), 0, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Run of what was good = %v", err)
		}
	})
}
