package manifests

import (
	"math/bits"

	weir "github.com/weirstream/weir"
)

// Measure is the peak and the average bit rate of segments in bits a second, as RFC 8216bis section 3.1 defines them:
// the peak is the largest rate of any contiguous set of segments that lasts between half and one and a half times target
// seconds. If no set does (a clip shorter than half the target), the peak is the average. Rates are rounded up; no
// segments are 0.
func Measure(segments []weir.Segment, timescale int64, target int) (peak, average int64) {
	least, most := int64(target)*timescale/2, int64(target)*timescale*3/2
	var bytes, duration int64
	for i, s := range segments {
		bytes, duration = bytes+s.Length, duration+s.Duration
		var b, d int64
		for _, next := range segments[i:] {
			b, d = b+next.Length, d+next.Duration
			if d > most {
				break
			}
			if d >= least {
				peak = max(peak, rate(b, d, timescale))
			}
		}
	}
	average = rate(bytes, duration, timescale)
	return max(peak, average), average
}

// rate is bytes over duration ticks in bits a second, rounded up.
func rate(bytes, duration, timescale int64) int64 {
	if duration <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(bytes)*8, uint64(timescale))
	lo, carry := bits.Add64(lo, uint64(duration)-1, 0)
	if hi += carry; hi >= uint64(duration) {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, uint64(duration))
	return int64(min(q, 1<<63-1))
}

// Bandwidth is what a manifest may promise of a track: the measured peak and average when the presentation is complete,
// the plan's cap with the container's share, and no average (0), while it grows.
func (p Presentation) Bandwidth(t Track) (peak, average int64) {
	if !p.Complete() {
		return t.Cap + overhead(t.Track), 0
	}
	if t.Peak > 0 && t.Average > 0 {
		return t.Peak, t.Average
	}
	return Measure(t.Segments, t.Timescale, p.Head.TargetDuration)
}

// overhead bounds what CMAF adds to a track, in bits a second: 12 bytes a sample in the trun, and the fixed boxes of a
// segment, of which no more than one a second is assumed.
func overhead(t weir.Track) int64 {
	const sampleBytes, segmentBytes, packetSamples = 12, 256, 1024
	samples := int64(60)
	switch {
	case t.Kind == weir.Video && t.FrameRate.Known():
		samples = t.FrameRate.Num/t.FrameRate.Den + 1
	case t.Kind == weir.Audio:
		samples = int64(t.SampleRate)/packetSamples + 1
	}
	return 8 * (samples*sampleBytes + segmentBytes)
}
