package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

// TestManyAtOnce fills, reads, holds, forgets and purges from many goroutines, with fills that break and readers that
// leave. Every byte that anybody gets is right, and the budget holds at every moment.
func TestManyAtOnce(t *testing.T) {
	bothPages(t, func(t *testing.T, pages arena.Pages) {
		const budget = 48 << 20
		var over atomic.Int64
		m := newMemory(t, cache.Config{Budget: budget, Pages: pages, Remember: -1, FillTimeout: time.Minute,
			Filled: func(time.Duration, error) { over.Add(1) }})
		n := max(scaled(30000), 300)
		var wg sync.WaitGroup
		for worker := range uint64(8) {
			rng := rand.New(rand.NewPCG(worker, 1))
			wg.Go(func() {
				for range n {
					someone(t, m, rng)
					sound(t, m, budget)
				}
			})
		}
		wg.Wait()
		for over.Load() < m.Stats().Misses { // broken fills end after their readers
			runtime.Gosched()
		}
		if bad := m.Check(); bad != "" {
			t.Error(bad)
		}
		s := m.Stats()
		if s.Evictions == 0 || s.Hits == 0 || s.Loose != 0 || s.Filling != 0 || s.HugePages && s.Moved == 0 {
			t.Errorf("stats %+v: the test did not press, or something is left", s)
		}
		t.Logf("%+v", s)
	})
}

// someone is one reader of a random object, or an operator.
func someone(t *testing.T, m *cache.Memory, rng *rand.Rand) {
	id := int64(rng.ExpFloat64() * 100)
	size := int64(word(id, 0) % (1 << 20))
	key := keyOf(id, size)
	if id%5 == 0 {
		key.Length = cache.Unknown
	}
	switch rng.IntN(100) {
	case 0:
		m.Forget(key, math.MaxUint64)
		return
	case 1:
		m.Remove(func(key cache.Key, _ uint64) bool { return strings.HasSuffix(key.Object, "7") })
		return
	}
	broken := rng.IntN(20) == 0
	b, source, err := m.Fill(context.Background(), key, cache.Options{Live: id%3 == 0}, func(ctx context.Context, w *cache.Writer) error {
		if err := painted(id, size, 1+rng.Int64N(200<<10))(ctx, w); err != nil || broken {
			return errors.Join(err, errBroken)
		}
		return nil
	})
	if err != nil {
		if !errors.Is(err, errBroken) {
			t.Errorf("Fill of %d = %v, %v", id, source, err)
		}
		return
	}
	defer b.Release()
	off := int64(0)
	if size > 0 {
		off = rng.Int64N(size)
	}
	if rng.IntN(4) == 0 {
		run, err := b.Run(context.Background(), off, 1+rng.Int64N(1<<20)) // and leaves
		if err == nil && wrong(run.Bytes, id, off) >= 0 {
			t.Errorf("object %d is wrong from %d on", id, off)
		}
		return
	}
	n, err := readAll(context.Background(), b, id, off)
	if err == nil && n != size-off || err != nil && !errors.Is(err, errBroken) {
		t.Errorf("read of %d from %d of %d = %d bytes, %v", id, off, size, n, err)
	}
}

// TestTurnover fills 200 times the budget past a cache that is read meanwhile. The kernel's count and the cache's own never
// exceed the budget, and nothing is left over.
func TestTurnover(t *testing.T) {
	bothPages(t, func(t *testing.T, pages arena.Pages) {
		budget, size := int64(4<<20), int64(70<<10)
		if pages == arena.Huge {
			budget, size = 32<<20, 700<<10
		}
		m := newMemory(t, cache.Config{Budget: budget, Pages: pages})
		goroutines, files, _ := resources(t)
		var held []*cache.Body
		for id := range 200 * budget / size {
			store(t, m, id, size)
			if id%3 == 0 {
				if b, ok := m.Open(keyOf(id-id%7, size)); ok {
					held = append(held, b)
				}
			}
			if len(held) > 4 {
				held[0].Release()
				held = held[1:]
			}
			if id%16 == 0 {
				sound(t, m, budget)
			}
		}
		for _, b := range held {
			b.Release()
		}
		settled(t, func() (string, bool) {
			g, f, maps := resources(t)
			return fmt.Sprintf("%d goroutines, %d descriptors, %d mappings; before it were %d and %d", g, f, maps, goroutines, files),
				g <= goroutines && f <= files && maps <= 24
		})
		if bad := m.Check(); bad != "" {
			t.Error(bad)
		}
		t.Logf("%+v", m.Stats())
	})
}

// resources are goroutines, descriptors and mappings of memory files.
func resources(t *testing.T) (goroutines, files, maps int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(entries), strings.Count(string(text), "weir-arena")
}

func TestCloseLeavesNothing(t *testing.T) {
	goroutines, files, maps := resources(t)
	for range 5 {
		m, err := cache.New(cache.Config{Budget: 128 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for id := range int64(20) {
			store(t, m, id, 10<<20)
		}
		held, _ := m.Open(keyOf(19, 10<<20))
		blocked := make(chan struct{})
		left := make(chan error)
		go func() {
			_, _, err := m.Fill(context.Background(), keyOf(99, 5), cache.Options{}, func(ctx context.Context, _ *cache.Writer) error {
				close(blocked)
				<-ctx.Done()
				return ctx.Err()
			})
			left <- err
		}()
		<-blocked
		m.Close()
		if err := <-left; weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Fill over Close = %v", err)
		}
		if _, f, n := resources(t); f == files || n == maps {
			t.Error("the memory file is gone while somebody reads it")
		}
		held.Release()
		m.Close()
	}
	settled(t, func() (string, bool) {
		g, f, n := resources(t)
		return fmt.Sprintf("%d goroutines, %d descriptors and %d mappings, before it were %d, %d and %d", g, f, n, goroutines, files, maps),
			g <= goroutines && f == files && n == maps
	})
}

// settled waits until ok, since goroutines and timers that are done take a moment to be gone.
func settled(t *testing.T, state func() (string, bool)) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		what, ok := state()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// What an entry is charged for its bookkeeping is what it takes of the heap, ghosts included.
func TestOverhead(t *testing.T) {
	f := func(name string, key func(i int64) cache.Key) {
		t.Helper()
		const n = 10000
		heap := func() int64 {
			runtime.GC()
			runtime.GC() // what pools hold goes with the second
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			return int64(s.HeapAlloc)
		}
		m := newMemory(t, cache.Config{Budget: n * (4096 + cache.Overhead), Pages: arena.Small})
		defer m.Close()
		before := heap()
		for i := range int64(2 * n) {
			b, _, err := m.Fill(t.Context(), key(i), cache.Options{}, unwritten)
			if err != nil {
				t.Fatal(err)
			}
			untilWhole(t, b)
			b.Release()
		}
		took, s := (heap()-before)/n, m.Stats()
		if s.Entries < n-1 || took > cache.Overhead {
			t.Errorf("%s: an entry takes %d bytes of the heap, the charge is %d; %d entries, %d ghosts", name, took, cache.Overhead, s.Entries, s.Ghosts)
		}
		t.Logf("%s: %d bytes an entry", name, took)
	}
	object := strings.Repeat("x", 80)
	f("one object", func(i int64) cache.Key { return cache.Key{Object: object, Offset: i, Length: 1} })
	f("an object each", func(i int64) cache.Key { return cache.Key{Object: fmt.Sprint(object, i), Length: 1} })
}

// If readers hold everything, fills wait, and fail in time; they never exceed the budget. Once readers leave, fills go on.
func TestAllHeld(t *testing.T) {
	bothPages(t, func(t *testing.T, pages arena.Pages) {
		synctest.Test(t, func(t *testing.T) {
			const budget, size = 32 << 20, 1 << 20
			m := newMemory(t, cache.Config{Budget: budget, Pages: pages, FillTimeout: 3 * time.Second, Stall: time.Second})
			var held []*cache.Body
			id := int64(0)
			for ; ; id++ {
				start := time.Now()
				b, _, err := m.Fill(t.Context(), keyOf(id, size), cache.Options{}, painted(id, size, size))
				if err != nil {
					if took := time.Since(start); weir.KindOf(err) != weir.Unavailable || took > 3*time.Second {
						t.Errorf("Fill beside %d held = %v after %v", len(held), err, took)
					}
					break
				}
				if _, err := readAll(t.Context(), b, id, 0); err != nil {
					t.Fatal(err)
				}
				held = append(held, b)
				sound(t, m, budget)
			}
			if len(held) < 20 {
				t.Errorf("only %d of 32 fit", len(held))
			}
			result := make(chan error)
			go func() {
				b, _, err := m.Fill(t.Context(), keyOf(1000, 4*size), cache.Options{}, painted(1000, 4*size, size))
				if err == nil {
					_, err = readAll(t.Context(), b, 1000, 0)
					b.Release()
				}
				result <- err
			}()
			synctest.Wait()
			for id, b := range held {
				if _, err := readAll(t.Context(), b, int64(id), 0); err != nil {
					t.Error(err)
				}
				b.Release()
			}
			if err := <-result; err != nil {
				t.Errorf("Fill once readers leave = %v", err)
			}
			sound(t, m, budget)
		})
	})
}

// Keys of one hash are told apart.
func TestCollisions(t *testing.T) {
	m := newMemory(t, cache.Config{Budget: 1 << 20, Pages: arena.Small})
	m.Collide()
	for round := range int64(3) {
		for id := range int64(100) {
			b, _, err := m.Fill(t.Context(), keyOf(id, 20000), cache.Options{}, painted(id, 20000, 9000))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := readAll(t.Context(), b, id, 0); n != 20000 || err != nil {
				t.Fatalf("object %d in round %d = %d bytes, %v", id, round, n, err)
			}
			b.Release()
			if id%10 == 3 {
				m.Forget(keyOf(id-2, 20000), math.MaxUint64)
			}
		}
	}
	if bad := m.Check(); bad != "" {
		t.Error(bad)
	}
}
