package bench

import "math"

// The model of a player: what it would choose and feel, as pure functions of what the network gave. It is the common shape of
// throughput-with-buffer rules (dash.js's ThroughputRule and its buffer guard), not any one player's code.

// Buffer is what a player has loaded and not played, in seconds of media, and what that did to the viewer.
type Buffer struct {
	Media   float64 // loaded ahead of the play head
	Playing bool    // has started and is not stalled
	Started bool
	Startup float64 // seconds until it first played
	Played  float64
	Stalled float64 // seconds of waiting after the start
	Stalls  int
	Ended   bool // nothing more will be loaded: an empty buffer is the end and no stall
}

// The model's thresholds, in seconds of media.
const (
	startMedia  = 2.0  // enough to begin, or one segment if that is longer
	resumeMedia = 2.0  // enough to go on after a stall
	fullMedia   = 30.0 // no more is loaded
)

// Advance lets dt seconds pass.
func (b Buffer) Advance(dt float64) Buffer {
	switch {
	case !b.Started:
		b.Startup += dt
	case !b.Playing:
		if !b.Ended {
			b.Stalled += dt
		}
	case b.Media >= dt:
		b.Media -= dt
		b.Played += dt
	default:
		b.Played += b.Media
		if !b.Ended {
			b.Stalled += dt - b.Media
			b.Stalls++
		}
		b.Media, b.Playing = 0, false
	}
	return b
}

// Loaded adds a segment and starts or resumes when there is enough.
func (b Buffer) Loaded(seconds float64) Buffer {
	b.Media += seconds
	need := startMedia
	if b.Started {
		need = resumeMedia
	}
	if !b.Playing && (b.Media >= need || b.Ended) {
		b.Playing, b.Started = true, true
	}
	return b
}

// Seek drops what was loaded: the viewer waits again, and that wait counts as stalled but not as a stall.
func (b Buffer) Seek() Buffer {
	b.Media, b.Playing = 0, false
	return b
}

// Wait is how long a player with this buffer waits before it loads another segment of the given length.
func (b Buffer) Wait(segment float64) float64 {
	if !b.Playing {
		return 0
	}
	return max(0, b.Media+segment-fullMedia)
}

// Throughput is an estimate in bits a second: the smaller of two exponential means of what downloads gave, so that it falls fast
// and rises slowly. The zero value knows nothing.
type Throughput struct{ fast, slow, weightFast, weightSlow float64 }

// Sample adds a download of some bytes over some seconds.
func (t Throughput) Sample(bytes int64, seconds float64) Throughput {
	if bytes < 1<<10 || seconds <= 0 {
		return t // mostly latency
	}
	rate := float64(bytes) * 8 / seconds
	mix := func(old, weight, half float64) (float64, float64) {
		alpha := math.Exp2(-seconds / half)
		return alpha*old + (1-alpha)*rate, alpha*weight + 1 - alpha
	}
	t.fast, t.weightFast = mix(t.fast, t.weightFast, 1)
	t.slow, t.weightSlow = mix(t.slow, t.weightSlow, 4)
	return t
}

// Estimate is 0 if nothing is known.
func (t Throughput) Estimate() float64 {
	if t.weightFast == 0 {
		return 0
	}
	return min(t.fast/t.weightFast, t.slow/t.weightSlow)
}

// Choose is the index of the rung to load next. rungs are bit rates, rising. Nothing known: the lowest. Else the highest
// that fits 80 % of the estimate, but a rung up needs 8 s of buffer, and with less than 4 s the one below what fits is taken,
// so that a stall becomes unlikely.
func Choose(rungs []int64, current int, estimate, media float64) int {
	fit := 0
	for i, r := range rungs {
		if float64(r) <= 0.8*estimate {
			fit = i
		}
	}
	switch {
	case estimate == 0:
		return 0
	case fit > current && media < 8:
		return current
	case media < 4 && fit > 0:
		return fit - 1
	}
	return fit
}
