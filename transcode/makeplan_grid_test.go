package transcode_test

import (
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

func TestGridTimescale(t *testing.T) {
	f := func(rate weir.Rational, timescale, frame int64) {
		t.Helper()
		g := transcode.Grid{Rate: rate}
		if g.Timescale() != timescale || g.FrameDuration() != frame {
			t.Errorf("%s: frames of %d/%d s, want %d/%d", rate, g.FrameDuration(), g.Timescale(), frame, timescale)
		}
		if frame*rate.Num != timescale*rate.Den {
			t.Errorf("%s: a frame of %d/%d s is not exact", rate, frame, timescale)
		}
	}
	f(rate(25, 1), 90000, 3600)
	f(rate(60, 1), 90000, 1500)
	f(rate(30000, 1001), 30000, 1001)
	f(rate(24000, 1001), 24000, 1001)
	f(rate(25, 2), 10000, 800)
	f(rate(375, 8), 10125, 216)
}

func TestGridSegments(t *testing.T) {
	f := func(rate weir.Rational, frames, segmentFrames int64, segments int, last int64, target int) {
		t.Helper()
		g := transcode.Grid{Rate: rate, Frames: frames, SegmentFrames: segmentFrames}
		n := g.Segments()
		if n != segments || g.SegmentStart(n)-g.SegmentStart(n-1) != last || g.SegmentStart(n) != frames || g.TargetDuration() != target {
			t.Errorf("%d frames at %s by %d: %d segments, the last of %d frames, target %d s, want %d, %d, %d", frames, rate, segmentFrames,
				n, g.SegmentStart(n)-g.SegmentStart(n-1), g.TargetDuration(), segments, last, target)
		}
	}
	f(rate(25, 1), 1, 100, 1, 1, 1)
	f(rate(25, 1), 100, 100, 1, 100, 4)
	f(rate(25, 1), 149, 100, 1, 149, 6)
	f(rate(25, 1), 150, 100, 2, 50, 4)
	f(rate(25, 1), 250, 100, 3, 50, 4)
	f(rate(25, 1), 249, 100, 2, 149, 6)
	f(rate(30000, 1001), 5402, 120, 45, 122, 4)
	f(rate(375, 8), 188, 188, 1, 188, 4)
}

func TestGridSamples(t *testing.T) {
	f := func(rate weir.Rational, frame, hertz, want int64) {
		t.Helper()
		if got := (transcode.Grid{Rate: rate}).SamplesAt(frame, hertz); got != want {
			t.Errorf("%s: SamplesAt(%d, %d) = %d, want %d", rate, frame, hertz, got, want)
		}
	}
	f(rate(25, 1), 100, 48000, 192000)
	f(rate(30000, 1001), 120, 48000, 192192)
	f(rate(30000, 1001), 1, 48000, 1602) // 1601.6
	f(rate(375, 8), 7, 48000, 7168)
	f(rate(60000, 1001), 5_184_000, 48000, 4_151_347_200)
}
