// Package ladder decides which renditions are made of a master: a pure function of its display size, its frame rate and
// a policy. No rung is ever larger than the source.
package ladder

import (
	"fmt"

	weir "github.com/weirstream/weir"
)

// Policy bounds a ladder. The zero value of a field takes the default named beside it.
type Policy struct {
	MaxHeight int `json:"max_height"` // tallest rung, in lines of a 16:9 picture; 2160
	CRF       int `json:"crf"`        // x264's constant rate factor, capped by each rung's rate; 23
	AudioRate int `json:"audio_rate"` // bits per second of a stereo track; 128,000
}

// class is a usual size: the height of a 16:9 picture, and the rate that caps it at up to 30 frames a second.
type class struct{ height, rate int }

// classes are the usual sizes, tallest first. Rates between two of them are interpolated.
var classes = [...]class{{2160, 14_000_000}, {1440, 8_000_000}, {1080, 5_000_000}, {720, 2_800_000}, {480, 1_400_000},
	{360, 800_000}, {240, 400_000}, {120, 200_000}}

// smallest is the height below which no rung is made unless the source is that small.
const smallest = 240

// SampleRate of every audio rung, in Hz.
const SampleRate = 48000

// Make is the ladder of a source that is shown at width x height square pixels and rate frames a second; width and
// height are 0 for a source without a picture. The audio rung comes last, whether the source has sound or not.
//
// A source counts as tall as the 16:9 picture that it fills in one direction, so that 1920x804 is 1080p and so is
// 1080x1920. The top rung has the source's own size, or MaxHeight if that is less.
func Make(p Policy, width, height int, rate weir.Rational) weir.Ladder {
	var l weir.Ladder
	if width > 0 && height > 0 {
		l = video(p, width, height, rate)
	}
	return append(l, weir.Rung{Name: "stereo", Codec: "aac", MaxRate: orDefault(p.AudioRate, 128_000), Channels: 2, SampleRate: SampleRate})
}

func video(p Policy, width, height int, rate weir.Rational) weir.Ladder {
	source := tall(width, height)
	top := min(source, orDefault(p.MaxHeight, classes[0].height))
	l := weir.Ladder{rung(p, width, height, source, top, rate)}
	for _, c := range classes {
		// A rung hardly smaller than the top one is not worth making.
		if c.height >= smallest && c.height*100 <= top*85 {
			l = append(l, rung(p, width, height, source, c.height, rate))
		}
	}
	return l
}

// tall is the height of the smallest 16:9 box, standing or lying, that holds the picture.
func tall(width, height int) int {
	long, short := max(width, height), min(width, height)
	return max((long*9+15)/16, short)
}

func rung(p Policy, width, height, source, target int, rate weir.Rational) weir.Rung {
	limit := capFor(target)
	if rate.Num > 30*rate.Den {
		limit += limit / 2
	}
	return weir.Rung{Name: fmt.Sprintf("%dp", target), Codec: "h264", Width: even(width, target, source), Height: even(height, target, source),
		CRF: orDefault(p.CRF, 23), MaxRate: limit, BufferSize: limit}
}

// even is n x num/den as the nearest even number that is not above n.
func even(n, num, den int) int {
	v := (n*num + den) / (2 * den) * 2
	return max(2, min(v, n/2*2))
}

// capFor interpolates between the classes, in whole kilobits.
func capFor(height int) int {
	if height >= classes[0].height {
		return classes[0].rate
	}
	for i, low := range classes[1:] {
		if high := classes[i]; height >= low.height {
			return (low.rate + (high.rate-low.rate)*(height-low.height)/(high.height-low.height)) / 1000 * 1000
		}
	}
	return classes[len(classes)-1].rate
}

func orDefault(v, zero int) int {
	if v <= 0 {
		return zero
	}
	return v
}
