package probe

import (
	"math"
	"slices"
	"sort"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
)

// maxBack is how far decoding times may go back, in seconds: muxers err by little, joined recordings by much.
const maxBack = 5

// pictures are the packets of the picture stream on one clock: times are in ticks of 1/den s, not yet from the origin.
type pictures struct {
	den     int64
	all     []picked // pts is the time of every one; those without a time were dropped
	guessed bool     // the container has no presentation times: pts is the decoding time
}

// clocked brings packets to whole ticks of 1/den s.
func clocked(all []picked, base weir.Rational) (pictures, error) {
	p := pictures{den: base.Den}
	known := 0
	for _, k := range all {
		if k.hasPTS {
			known++
		}
	}
	p.guessed = known*100 < len(all)*99
	limit := int64(maxTicks) / base.Num
	for _, k := range all {
		if p.guessed {
			k.pts, k.hasPTS = k.dts, k.hasDTS
		}
		if !k.hasDTS {
			k.dts = k.pts
		}
		if !k.hasPTS || k.pts > limit || k.pts < -limit || k.dts > limit || k.dts < -limit {
			continue
		}
		k.pts, k.dts, k.duration = k.pts*base.Num, k.dts*base.Num, min(k.duration, limit)*base.Num
		p.all = append(p.all, k)
	}
	if len(p.all)*2 < len(all) || len(p.all) == 0 {
		return pictures{}, refuse("its pictures have no timestamps")
	}
	return p, p.checkOrder(base)
}

// checkOrder refuses recordings that were joined without mending their clocks.
func (p pictures) checkOrder(base weir.Rational) error {
	highest := p.all[0].dts
	for _, k := range p.all {
		if back := (highest - k.dts) / p.den; back > maxBack && k.hasDTS {
			return refuse("its clock jumps back by %d s after %d s; it seems to be joined of several recordings", back, (highest-p.all[0].dts)/p.den)
		}
		highest = max(highest, k.dts)
	}
	return nil
}

// shift moves every picture by d ticks.
func (p pictures) shift(d int64) {
	for i := range p.all {
		p.all[i].pts += d
	}
}

// presented are the times of the pictures that are shown, in order, from the first key picture on: what comes before it,
// and what it leads in from a GOP that is not in the file, cannot be decoded. The first of them is the origin.
func (p pictures) presented() ([]int64, error) {
	first := slices.IndexFunc(p.all, func(k picked) bool { return k.key })
	if first < 0 {
		return nil, refuse("it has no key picture to start at")
	}
	var times []int64
	for _, k := range p.all[first:] {
		if !k.discard && (p.all[first].discard || k.pts >= p.all[first].pts) {
			times = append(times, k.pts)
		}
	}
	if len(times) == 0 {
		return nil, refuse("it shows no picture")
	}
	slices.Sort(times)
	return times, nil
}

// earlySound is the part of a second by which sound must start before the picture for the first picture to be held. Less
// is how muxers say "together".
const earlySound = 4

// place fills in v's timeline. It starts at the first picture, or when sound is first heard if that is much earlier.
// hints are the rates that the file claims.
func (p pictures) place(v *Video, heard int64, hints ...string) (origin int64, err error) {
	times, err := p.presented()
	if err != nil {
		return 0, err
	}
	origin, last := times[0], times[len(times)-1]
	if heard < origin-p.den/earlySound {
		origin = heard
	}
	if hours := (last - origin) / p.den / 3600; hours >= maxHours {
		return 0, refuse("its pictures span %d hours, more than %d", hours, maxHours)
	}
	interval := median(times)
	if v.Rate, err = snap(times, interval, p.den, hints); err != nil {
		return 0, err
	}
	end := last + p.lastDuration(last, interval)
	v.Frames = max(1, ffmpeg.Slot(end-origin, p.den, v.Rate))
	for _, k := range p.all {
		if k.key {
			v.Keys = append(v.Keys, Key{At: k.pts - origin, Slot: ffmpeg.Slot(k.pts-origin, p.den, v.Rate),
				PTS: micros(k.pts, p.den, math.Ceil), DTS: micros(k.dts, p.den, math.Floor)})
		}
	}
	sort.SliceStable(v.Keys, func(i, j int) bool { return v.Keys[i].At < v.Keys[j].At })
	return origin, nil
}

// micros rounds ticks to microseconds. Whole seconds are kept apart so that nothing is lost.
func micros(t, den int64, round func(float64) float64) int64 {
	s, rest := t/den, t%den
	return s*1_000_000 + int64(round(float64(rest)*1e6/float64(den)))
}

// lastDuration is how long the last picture is shown: as its packet says, within reason.
func (p pictures) lastDuration(last, interval int64) int64 {
	for i := len(p.all) - 1; i >= 0; i-- {
		k := p.all[i]
		if d := k.duration; k.pts == last && d > 0 && d <= 10*p.den {
			return d
		}
	}
	return interval
}

// median is the usual distance of pictures; 0 if there is but one. Pictures at one time count once.
func median(times []int64) int64 {
	steps := make([]int64, 0, len(times))
	for i := 1; i < len(times); i++ {
		if d := times[i] - times[i-1]; d > 0 {
			steps = append(steps, d)
		}
	}
	if len(steps) == 0 {
		return 0
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// rates are the grids there are. Pictures faster than the last are put on a half, a third as a rule.
var rates = [...]weir.Rational{{Num: 5, Den: 1}, {Num: 6, Den: 1}, {Num: 8, Den: 1}, {Num: 10, Den: 1}, {Num: 12, Den: 1}, {Num: 25, Den: 2},
	{Num: 15000, Den: 1001}, {Num: 15, Den: 1}, {Num: 20, Den: 1}, {Num: 24000, Den: 1001}, {Num: 24, Den: 1}, {Num: 25, Den: 1},
	{Num: 30000, Den: 1001}, {Num: 30, Den: 1}, {Num: 48, Den: 1}, {Num: 50, Den: 1}, {Num: 60000, Den: 1001}, {Num: 60, Den: 1}}

// Bounds of a rate.
const (
	onePicture = 25   // a second, for a file that has but one
	maxRate    = 1000 // a second, above which a file is not believed
	gridCap    = 60.5 // a second, above which pictures are halved until they fit
)

// snap picks the grid's rate: the standard one nearest to the mean of all intervals but the gaps. Coarse clocks (Matroska's
// milliseconds) cannot tell 29.97 from 30 in a short file, so a claimed rate within half a percent is taken.
func snap(times []int64, interval, den int64, hints []string) (weir.Rational, error) {
	if interval == 0 {
		return weir.Rational{Num: onePicture, Den: 1}, nil
	}
	var sum, n int64
	for i := 1; i < len(times); i++ {
		if d := times[i] - times[i-1]; d*4 <= interval*7 {
			sum, n = sum+d, n+1
		}
	}
	measured := float64(den) * float64(n) / float64(sum)
	if measured > maxRate {
		return weir.Rational{}, refuse("it has %d pictures a second, more than %d", int64(measured), maxRate)
	}
	for _, h := range hints {
		if claimed, ok := parseRatio(h, "/"); ok && math.Abs(claimed.Float()/measured-1) < 0.005 {
			measured = claimed.Float()
			break
		}
	}
	for measured > gridCap {
		measured /= 2
	}
	best := rates[0]
	for _, r := range rates[1:] {
		if math.Abs(math.Log(r.Float()/measured)) < math.Abs(math.Log(best.Float()/measured)) {
			best = r
		}
	}
	return best, nil
}
