package cache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

func TestFillAfterClose(t *testing.T) {
	m := newMemory(t, cache.Config{})
	store(t, m, 1, 50000)
	m.Close()
	if _, _, err := m.Fill(context.Background(), keyOf(3, 3), cache.Options{}, painted(3, 3, 3)); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Fill after Close = %v, want unavailable", err)
	}
}

func TestLiveBesideLoose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, size = 64 << 20, 1 << 20
		m := newMemory(t, cache.Config{Budget: budget, Pages: arena.Small})
		var held []*cache.Body
		for id := range int64(20) {
			store(t, m, id, size)
			b, _ := m.Open(keyOf(id, size))
			held = append(held, b)
		}
		m.Remove(func(cache.Key, uint64) bool { return true })
		for id := range int64(60) {
			store(t, m, 100+id, size)
		}
		t.Logf("%+v", m.Stats())
		start := time.Now()
		b, _, err := m.Fill(t.Context(), keyOf(1000, size), cache.Options{Live: true}, painted(1000, size, size))
		t.Logf("live fill: %v after %v; %+v", err, time.Since(start), m.Stats())
		if err != nil {
			t.Error("live fill starved beside evictable VOD")
		} else {
			b.Release()
		}
		for _, b := range held {
			b.Release()
		}
	})
}

// A fill of unknown length is not kept from growing by one that waits for what it holds.
func TestGrowBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 64 << 20
		m := newMemory(t, cache.Config{Budget: budget, Pages: arena.Small})
		key := cache.Key{Object: "a", Length: cache.Unknown}
		half := make(chan struct{})
		errs := make(chan error, 2)
		go func() {
			b, _, err := m.Fill(t.Context(), key, cache.Options{}, func(ctx context.Context, w *cache.Writer) error {
				if err := painted(1, 8<<20, 1<<20)(ctx, w); err != nil {
					return err
				}
				<-half
				for off := int64(8 << 20); off < 24<<20; {
					s := w.Space()
					if len(s) == 0 {
						return context.Canceled
					}
					s = s[:min(int64(len(s)), 24<<20-off)]
					paint(s, 1, off)
					w.Filled(len(s))
					off += int64(len(s))
				}
				return nil
			})
			if err == nil {
				_, err = readAll(t.Context(), b, 1, 0)
				b.Release()
			}
			errs <- err
		}()
		synctest.Wait()
		start := time.Now()
		go func() {
			b, _, err := m.Fill(t.Context(), keyOf(2, 58<<20), cache.Options{}, painted(2, 58<<20, 1<<20))
			if err == nil {
				b.Release()
			}
			errs <- err
		}()
		synctest.Wait()
		close(half)
		for range 2 {
			err := <-errs
			t.Logf("%v after %v", err, time.Since(start))
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// eight responses of unknown length, each a quarter of the budget at most, at one pace.
func TestAllGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, size, many = 64 << 20, 16 << 20, 8
		m := newMemory(t, cache.Config{Budget: budget, Pages: arena.Small, FillTimeout: 10 * time.Minute})
		start := time.Now()
		errs := make(chan error, many)
		for id := range int64(many) {
			go func() {
				b, _, err := m.Fill(t.Context(), cache.Key{Object: string(rune('a' + id)), Length: cache.Unknown}, cache.Options{}, func(ctx context.Context, w *cache.Writer) error {
					for off := int64(0); off < size; {
						s := w.Space()
						if len(s) == 0 {
							return context.Canceled
						}
						s = s[:min(int64(len(s)), 1<<20, size-off)]
						time.Sleep(10 * time.Millisecond)
						paint(s, id, off)
						w.Filled(len(s))
						off += int64(len(s))
					}
					return nil
				})
				if err == nil {
					_, err = readAll(t.Context(), b, id, 0)
					b.Release()
				}
				errs <- err
			}()
		}
		time.Sleep(5 * time.Second)
		go func() {
			b, _, err := m.Fill(t.Context(), keyOf(99, 1000), cache.Options{}, painted(99, 1000, 1000))
			t.Logf("a small fill beside them: %v after %v", err, time.Since(start))
			if err == nil {
				b.Release()
			}
		}()
		good := 0
		for range many {
			err := <-errs
			t.Logf("%v after %v", err, time.Since(start))
			if err == nil {
				good++
			}
		}
		if took := time.Since(start); took > time.Minute || good < 2 {
			t.Errorf("%d of %d came, after %v", good, many, took)
		}
	})
}

func TestLiveBesideLooseBig(t *testing.T) {
	bothPages(t, func(t *testing.T, pages arena.Pages) {
		synctest.Test(t, func(t *testing.T) {
			const budget, size = 192 << 20, 1 << 20
			m := newMemory(t, cache.Config{Budget: budget, Pages: pages, FillTimeout: 5 * time.Second})
			var held []*cache.Body
			for id := range int64(62) {
				store(t, m, id, size)
				b, _ := m.Open(keyOf(id, size))
				held = append(held, b)
			}
			m.Remove(func(cache.Key, uint64) bool { return true })
			for id := range int64(200) {
				store(t, m, 100+id, size)
			}
			before := m.Stats()
			start := time.Now()
			b, _, err := m.Fill(t.Context(), keyOf(1000, size), cache.Options{Live: true}, painted(1000, size, size))
			after := m.Stats()
			t.Logf("live fill: %v after %v; evictions %d, moved %d\n%+v", err, time.Since(start), after.Evictions-before.Evictions, after.Moved-before.Moved, after)
			if err == nil {
				b.Release()
			} else {
				t.Error(err)
			}
			for _, b := range held {
				b.Release()
			}
		})
	})
}
