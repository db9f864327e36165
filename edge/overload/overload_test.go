package overload_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/weirstream/weir/edge/overload"
)

const (
	calm       = overload.Calm
	busy       = overload.Busy
	overloaded = overload.Overloaded
)

func TestNext(t *testing.T) {
	f := func(now overload.Level, load overload.Load, want overload.Level) {
		t.Helper()
		if got := overload.Next(now, load); got != want {
			t.Errorf("Next(%v, %+v) = %v, want %v", now, load, got, want)
		}
	}
	f(calm, overload.Load{}, calm)
	f(calm, overload.Load{Fills: 0.49, Memory: 0.49, QueueWait: 99 * time.Millisecond, Scheduler: 4 * time.Millisecond}, calm)
	f(calm, overload.Load{Fills: 0.5}, busy)
	f(calm, overload.Load{Memory: 0.5}, busy)
	f(calm, overload.Load{QueueWait: 100 * time.Millisecond}, busy)
	f(calm, overload.Load{Scheduler: 5 * time.Millisecond}, busy)
	f(calm, overload.Load{Fills: 1}, busy)
	f(overloaded, overload.Load{Fills: 1000}, busy)
	f(busy, overload.Load{Memory: 0.9}, overloaded)
	f(calm, overload.Load{QueueWait: 2 * time.Second}, overloaded)
	f(busy, overload.Load{Scheduler: 100 * time.Millisecond}, overloaded)
	// near a limit a level stays
	f(busy, overload.Load{Fills: 0.38}, busy)
	f(busy, overload.Load{Fills: 0.37}, calm)
	f(overloaded, overload.Load{Memory: 0.68}, overloaded)
	f(overloaded, overload.Load{Memory: 0.67}, busy)
	f(overloaded, overload.Load{Memory: 0.2, Scheduler: time.Millisecond}, calm)
	f(busy, overload.Load{QueueWait: time.Second}, busy)
}

// More load is never a lower level, and a higher level before is never a lower one after.
func TestNextIsMonotone(t *testing.T) {
	for i := range 40 {
		share := float64(i) / 30
		less := overload.Load{Fills: share, Memory: share / 2}
		more := overload.Load{Fills: share + 0.02, Memory: share/2 + 0.01, QueueWait: time.Duration(i) * time.Millisecond}
		for l := calm; l <= overloaded; l++ {
			if a, b := overload.Next(l, less), overload.Next(l, more); a > b {
				t.Errorf("at %v: %+v is %v, %+v is %v", l, less, a, more, b)
			}
			if l < overloaded && overload.Next(l, less) > overload.Next(l+1, less) {
				t.Errorf("%+v after %v is higher than after %v", less, l, l+1)
			}
		}
	}
}

func TestGuard(t *testing.T) {
	var g overload.Guard
	now := time.Unix(0, 0)
	allowed := func(prefetch, miss bool) {
		t.Helper()
		if g.Allow(overload.Prefetch) != prefetch || g.Allow(overload.Miss) != miss || !g.Allow(overload.Hit) {
			t.Errorf("at %v: want prefetches %v, misses %v, hits true", g.Level(), prefetch, miss)
		}
	}
	allowed(true, true)
	g.Observe(now, overload.Load{Fills: 0.6})
	allowed(false, true)
	g.Observe(now, overload.Load{Memory: 1.2})
	allowed(false, false)
	if got := g.Observe(now.Add(900*time.Millisecond), overload.Load{}); got != overloaded {
		t.Errorf("after 0.9 s of calm the level is %v: it must hold a second", got)
	}
	if got := g.Observe(now.Add(950*time.Millisecond), overload.Load{Memory: 1.2}); got != overloaded {
		t.Errorf("the level is %v", got)
	}
	if got := g.Observe(now.Add(1900*time.Millisecond), overload.Load{}); got != overloaded {
		t.Errorf("0.95 s after the last load the level is %v", got)
	}
	if got := g.Observe(now.Add(1950*time.Millisecond), overload.Load{}); got != calm {
		t.Errorf("1 s after the last load the level is %v", got)
	}
	allowed(true, true)
	if g.Shed(overload.Prefetch) != 2 || g.Shed(overload.Miss) != 1 || g.Shed(overload.Hit) != 0 {
		t.Errorf("shed %d prefetches, %d misses, %d hits", g.Shed(overload.Prefetch), g.Shed(overload.Miss), g.Shed(overload.Hit))
	}
}

func TestGuardFromManyGoroutines(t *testing.T) {
	var g overload.Guard
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 1000 {
				g.Observe(time.Unix(int64(n), 0), overload.Load{Memory: float64((n+i)%3) / 2})
				if !g.Allow(overload.Hit) {
					t.Error("a hit is not allowed")
				}
				g.Allow(overload.Miss)
			}
		})
	}
	wg.Wait()
}

func TestScheduler(t *testing.T) {
	var s overload.Scheduler
	if got := s.Wait(); got != 0 {
		t.Errorf("the first Wait = %v, want 0", got)
	}
	done := make(chan struct{})
	go close(done)
	<-done
	if got := s.Wait(); got < 0 || got > time.Minute {
		t.Errorf("Wait = %v", got)
	}
}

func TestLasting(t *testing.T) {
	var l overload.Lasting
	for i, c := range []struct{ seen, want time.Duration }{{9, 0}, {8, 0}, {7, 0}, {8, 0}, {9, 7}, {9, 7}, {9, 7}, {9, 8}, {1, 1}, {9, 1}} {
		if got := l.Least(c.seen); got != c.want {
			t.Errorf("look %d: Least(%d) = %d, want %d", i, c.seen, got, c.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	bounds := []float64{math.Inf(-1), 0.001, 0.01, math.Inf(1)}
	f := func(want time.Duration, counts ...uint64) {
		t.Helper()
		if got := overload.Percentile(counts, bounds, 0.99); got != want {
			t.Errorf("Percentile(%v) = %v, want %v", counts, got, want)
		}
	}
	f(0, 0, 0, 0)
	f(time.Millisecond, 100, 1, 0)
	f(10*time.Millisecond, 90, 10, 0)
	f(10*time.Millisecond, 0, 0, 5)
}

func BenchmarkAllow(b *testing.B) {
	var g overload.Guard
	b.ReportAllocs()
	for b.Loop() {
		g.Allow(overload.Miss)
	}
}
