package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

func bytesOf(n int64) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return make([]byte, n), nil }
}

func TestOneFillForHundredGets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cache.New(cache.Config{})
		defer m.Close()
		var fills atomic.Int32
		open := make(chan struct{})
		fill := func(context.Context) ([]byte, error) {
			fills.Add(1)
			<-open
			return []byte("abc"), nil
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				b, _, err := m.Get(t.Context(), cache.Key{Object: "a", Length: 3}, fill)
				if err != nil || string(b) != "abc" {
					t.Errorf("Get = %q, %v", b, err)
				}
			})
		}
		synctest.Wait()
		close(open)
		wg.Wait()
		s := m.Stats()
		if fills.Load() != 1 || s.Misses != 1 || s.Collapsed != 99 || s.Hits != 0 {
			t.Errorf("%d fills, stats %+v, want one fill and 99 collapsed", fills.Load(), s)
		}
	})
}

func TestLeavingClientsDoNotCancelTheFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cache.New(cache.Config{})
		defer m.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		fill := func(ctx context.Context) ([]byte, error) {
			select {
			case <-time.After(3 * time.Second):
				return []byte("abc"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		key := cache.Key{Object: "a", Length: 3}
		if _, _, err := m.Get(ctx, key, fill); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get under a deadline of 1 s = %v, want deadline exceeded", err)
		}
		time.Sleep(2 * time.Second) // of the bubble's clock
		synctest.Wait()
		if b, ok := m.Lookup(key); !ok || string(b) != "abc" {
			t.Errorf("Lookup after the fill = %q, %v", b, ok)
		}
	})
}

func TestCloseEndsFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cache.New(cache.Config{FillTimeout: time.Hour})
		result := make(chan error)
		go func() {
			_, _, err := m.Get(context.Background(), cache.Key{Object: "a", Length: 3}, func(ctx context.Context) ([]byte, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			result <- err
		}()
		synctest.Wait()
		go m.Close()
		if err := <-result; weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Get while closing = %v, want unavailable", err)
		}
		synctest.Wait()
		if _, _, err := m.Get(context.Background(), cache.Key{Object: "b", Length: 3}, bytesOf(3)); weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Get after Close = %v, want unavailable", err)
		}
	})
}

func TestBadFillsAreErrorsAndForgotten(t *testing.T) {
	f := func(name string, want weir.Kind, fill func(context.Context) ([]byte, error)) {
		t.Helper()
		m := cache.New(cache.Config{})
		defer m.Close()
		for range 2 {
			if b, _, err := m.Get(t.Context(), cache.Key{Object: "a", Length: 3}, fill); err == nil || weir.KindOf(err) != want || b != nil {
				t.Errorf("%s: Get = %q, %v, want kind %v", name, b, err, want)
			}
		}
		if s := m.Stats(); s.Misses != 2 || s.Entries != 0 || s.Bytes != 0 {
			t.Errorf("%s: stats %+v, want two misses and nothing kept", name, s)
		}
	}
	f("error", weir.NotFound, func(context.Context) ([]byte, error) { return nil, weir.Errorf(weir.NotFound, "gone") })
	f("short", weir.Internal, bytesOf(2))
	f("long", weir.Internal, bytesOf(4))
	f("panic", weir.Internal, func(context.Context) ([]byte, error) { panic("boom") })
}

func TestLargerThanTheBudget(t *testing.T) {
	m := cache.New(cache.Config{Budget: 1000})
	defer m.Close()
	if _, _, err := m.Get(t.Context(), cache.Key{Object: "a", Length: 1000 - cache.Overhead + 1}, bytesOf(1)); weir.KindOf(err) != weir.TooLarge {
		t.Errorf("Get of more than the budget = %v, want too-large", err)
	}
	if _, _, err := m.Get(t.Context(), cache.Key{Object: "a", Length: math.MaxInt64}, bytesOf(1)); weir.KindOf(err) != weir.TooLarge {
		t.Errorf("Get of all that can be counted = %v, want too-large", err)
	}
	if _, _, err := m.Get(t.Context(), cache.Key{Object: "a", Length: 1000 - cache.Overhead}, bytesOf(1000-cache.Overhead)); err != nil {
		t.Errorf("Get of exactly the budget = %v", err)
	}
}

// Two indexes that disagree about a segment's length must not be given each other's bytes.
func TestLengthBelongsToTheKey(t *testing.T) {
	m := cache.New(cache.Config{})
	defer m.Close()
	for _, length := range []int64{5, 3} {
		b, source, err := m.Get(t.Context(), cache.Key{Object: "a", Length: length}, bytesOf(length))
		if err != nil || source != cache.Stored || int64(len(b)) != length {
			t.Errorf("Get of %d bytes = %d bytes, %v, %v", length, len(b), source, err)
		}
	}
}

// TestNeverOverBudget runs random gets of random sizes from many goroutines and asks, from inside the fills, where the
// pressure is highest, whether the budget holds.
func TestNeverOverBudget(t *testing.T) {
	const budget = 64 << 10
	m := cache.New(cache.Config{Budget: budget})
	defer m.Close()
	check := func() {
		if s := m.Stats(); s.Bytes > budget || s.Bytes < 0 {
			t.Errorf("%d bytes are charged, the budget is %d", s.Bytes, budget)
		}
	}
	var wg sync.WaitGroup
	for worker := range uint64(8) {
		rng := rand.New(rand.NewPCG(worker, 1))
		wg.Go(func() {
			for range 2000 {
				n := rng.IntN(200)
				size := int64(n * n % 20000)
				_, _, err := m.Get(context.Background(), cache.Key{Object: fmt.Sprint(n), Length: size}, func(context.Context) ([]byte, error) {
					check()
					if n%17 == 0 {
						return nil, errors.New("broken")
					}
					return make([]byte, size), nil
				})
				if (err != nil) != (n%17 == 0) {
					t.Errorf("Get(%d) = %v", n, err)
				}
				check()
			}
		})
	}
	wg.Wait()
	if s := m.Stats(); s.Evictions == 0 || s.Hits == 0 || s.Entries == 0 {
		t.Errorf("stats %+v: the test did not press", s)
	}
}

func BenchmarkLookup(b *testing.B) {
	m := cache.New(cache.Config{})
	defer m.Close()
	key := cache.Key{Object: "media/default/01jz3v8w7h6g5f4e3d2c1b0a9z/5c1d2e3f4a5b6c7d/3-0123456789abcdef.cmf", Offset: 1 << 20, Length: 1 << 20}
	if _, _, err := m.Get(b.Context(), key, bytesOf(1<<20)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := m.Lookup(key); !ok {
				b.Fatal("miss")
			}
		}
	})
}
