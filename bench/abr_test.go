package bench_test

import (
	"math"
	"testing"

	"github.com/weirstream/weir/bench"
)

func TestChoose(t *testing.T) {
	rungs := []int64{400_000, 1_200_000, 3_000_000, 6_000_000}
	f := func(current int, estimate, media float64, want int) {
		t.Helper()
		if got := bench.Choose(rungs, current, estimate, media); got != want {
			t.Errorf("Choose(%d, %g, %g) = %d, want %d", current, estimate, media, got, want)
		}
	}
	f(0, 0, 0, 0)     // nothing is known
	f(3, 0, 30, 0)    // also not later
	f(0, 100, 30, 0)  // nothing fits: the lowest all the same
	f(0, 1e9, 30, 3)  // everything fits
	f(0, 1e9, 7, 0)   // up only with a buffer
	f(0, 1e9, 8, 3)   // and then at once
	f(3, 2e6, 30, 1)  // down at once: 80 % of 2 Mbit/s
	f(2, 3.8e6, 3, 1) // under 4 s of buffer: one below what fits
}

func TestBuffer(t *testing.T) {
	f := func(what string, b bench.Buffer, want bench.Buffer) {
		t.Helper()
		if math.Abs(b.Media-want.Media) > 1e-9 || math.Abs(b.Played-want.Played) > 1e-9 || math.Abs(b.Stalled-want.Stalled) > 1e-9 ||
			math.Abs(b.Startup-want.Startup) > 1e-9 || b.Stalls != want.Stalls || b.Playing != want.Playing || b.Started != want.Started {
			t.Errorf("%s: %+v, want %+v", what, b, want)
		}
	}
	var b bench.Buffer
	b = b.Advance(0.5)
	f("waiting for the first segment", b, bench.Buffer{Startup: 0.5})
	b = b.Loaded(1)
	f("a second is not enough to start", b, bench.Buffer{Startup: 0.5, Media: 1})
	b = b.Advance(0.25).Loaded(4)
	f("started", b, bench.Buffer{Startup: 0.75, Media: 5, Playing: true, Started: true})
	b = b.Advance(3)
	f("played", b, bench.Buffer{Startup: 0.75, Media: 2, Played: 3, Playing: true, Started: true})
	b = b.Advance(2.5)
	f("ran dry", b, bench.Buffer{Startup: 0.75, Played: 5, Stalled: 0.5, Stalls: 1, Started: true})
	b = b.Advance(1).Loaded(4)
	f("went on", b, bench.Buffer{Startup: 0.75, Media: 4, Played: 5, Stalled: 1.5, Stalls: 1, Playing: true, Started: true})
	b = b.Seek().Advance(1).Loaded(4)
	f("a seek waits and is no stall", b, bench.Buffer{Startup: 0.75, Media: 4, Played: 5, Stalled: 2.5, Stalls: 1, Playing: true, Started: true})
	b.Ended = true
	b = b.Advance(10)
	f("the end is no stall", b, bench.Buffer{Startup: 0.75, Played: 9, Stalled: 2.5, Stalls: 1, Started: true})
}

func TestBufferWait(t *testing.T) {
	f := func(b bench.Buffer, segment, want float64) {
		t.Helper()
		if got := b.Wait(segment); got != want {
			t.Errorf("%+v.Wait(%g) = %g, want %g", b, segment, got, want)
		}
	}
	f(bench.Buffer{}, 4, 0)
	f(bench.Buffer{Media: 20, Playing: true}, 4, 0)
	f(bench.Buffer{Media: 29, Playing: true}, 4, 3)
	f(bench.Buffer{Media: 29}, 4, 0) // a player that stands still would wait for ever
}

func TestThroughput(t *testing.T) {
	var e bench.Throughput
	if e.Estimate() != 0 {
		t.Errorf("nothing was loaded: %g", e.Estimate())
	}
	if got := e.Sample(100, 0.001).Estimate(); got != 0 {
		t.Errorf("a hundred bytes tell %g", got)
	}
	e = e.Sample(1_000_000, 1)
	if got := e.Estimate(); math.Abs(got-8e6) > 1 {
		t.Errorf("after 1 MB in 1 s: %g", got)
	}
	down := e.Sample(100_000, 1).Estimate()
	up := e.Sample(10_000_000, 1).Estimate()
	if down > 6e6 || up < 8e6 || up > 50e6 {
		t.Errorf("an estimate falls fast and rises slowly: %g, %g", down, up)
	}
}
