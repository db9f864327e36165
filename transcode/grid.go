package transcode

import weir "github.com/weirstream/weir"

// Grid is the global frame grid of an asset: frame f is presented at f / Rate seconds, exactly. Segments and chunks are
// cut at grid numbers. An asset without video has a virtual grid, so that every track has the same segments.
type Grid struct {
	Rate          weir.Rational `json:"rate"`   // frames a second, snapped
	Frames        int64         `json:"frames"` // the whole timeline
	SegmentFrames int64         `json:"segment_frames"`
}

// Timescale is the video timescale: a multiple of the rate's numerator that makes a frame a whole number of ticks.
func (g Grid) Timescale() int64 { return g.Rate.Num * g.scale() }

// FrameDuration is one frame in ticks of Timescale.
func (g Grid) FrameDuration() int64 { return g.Rate.Den * g.scale() }

// scale makes timescales fine enough for players that round: 90,000 for whole rates, at least 10,000 otherwise.
func (g Grid) scale() int64 {
	if g.Rate.Den == 1 && g.Rate.Num > 0 && 90000%g.Rate.Num == 0 {
		return 90000 / g.Rate.Num
	}
	k := int64(1)
	for g.Rate.Num > 0 && g.Rate.Num*k < 10000 {
		k++
	}
	return k
}

// Segments counts the segments: whole ones, and a tail of at least half a segment; a shorter tail belongs to the last.
func (g Grid) Segments() int {
	n := g.Frames / g.SegmentFrames
	if tail := g.Frames % g.SegmentFrames; 2*tail >= g.SegmentFrames || n == 0 {
		n++
	}
	return int(n)
}

// SegmentStart is the first frame of segment i, counted from 0; for i = Segments() it is Frames.
func (g Grid) SegmentStart(i int) int64 {
	if i >= g.Segments() {
		return g.Frames
	}
	return int64(i) * g.SegmentFrames
}

// Duration of the timeline in seconds.
func (g Grid) Duration() weir.Rational {
	return weir.Rational{Num: g.Frames * g.Rate.Den, Den: g.Rate.Num}.Reduced()
}

// TargetDuration is the longest segment in seconds, rounded to the nearest whole one (RFC 8216bis section 4.4.3.1). The
// audio segments beside the video may be longer by a packet, for which one extra frame is allowed before rounding.
func (g Grid) TargetDuration() int {
	longest := int64(0)
	for i := range g.Segments() {
		longest = max(longest, g.SegmentStart(i+1)-g.SegmentStart(i))
	}
	num, den := (longest+1)*g.Rate.Den, g.Rate.Num
	return max(1, int((2*num+den)/(2*den)))
}

// SamplesAt is the position of frame f on a timeline of rate samples a second, rounded to the nearest.
func (g Grid) SamplesAt(f int64, rate int64) int64 {
	return (2*f*g.Rate.Den*rate + g.Rate.Num) / (2 * g.Rate.Num)
}
