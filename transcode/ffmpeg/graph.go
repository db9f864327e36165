package ffmpeg

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	weir "github.com/weirstream/weir"
)

// graph is the filter chain from the decoder to exactly n.Frames pictures on the grid, the first of them at time 0.
//
// Every step is a function of a picture's own timestamp, never of how many came before, so a chunk gets the same frames
// as the whole. The grid slot of a picture is its time x rate, rounded to nearest; a slot shows the last picture whose slot
// is not later. A slot before the first picture shows that one, and slots after the last picture show the last.
func (n Normalise) graph() string {
	var f []string
	if n.Interlaced {
		// It does nothing, unless the picture changes its size on the way: yadif would read beyond a smaller one.
		f = append(f, fmt.Sprintf("scale=w=%d:h=%d", n.Width, n.Height), "yadif=mode=send_frame:deint=interlaced")
	}
	fine := fineScale(n.Rate)
	f = append(f,
		fmt.Sprintf("settb=1/%d", n.Input.Origin.Den),
		fmt.Sprintf("setpts=PTS-(%d)", n.Input.Origin.Num),
		fmt.Sprintf("trim=start_pts=%d", n.Input.from()),
		// In this time base the start of every slot is a whole number, so that fps keeps its slots wherever it starts.
		fmt.Sprintf("settb=1/%d", fine),
		fmt.Sprintf("fps=fps=%s:round=near:start_time=%s", n.Rate, start(n.First, n.Rate)),
		"tpad=stop=-1:stop_mode=clone",
		fmt.Sprintf("trim=start_pts=%d:end_pts=%d", n.First, n.First+n.Frames),
		fmt.Sprintf("setpts=PTS-%d", n.First),
	)
	return strings.Join(append(f, n.colour()...), ",")
}

// fineScale is a multiple of the rate's numerator of at least 90,000.
func fineScale(r weir.Rational) int64 { return (90000 + r.Num - 1) / r.Num * r.Num }

// Slot is the grid frame that a picture falls on, t ticks of den a second after the origin: what graph makes of it.
func Slot(t, den int64, r weir.Rational) int64 {
	fine := fineScale(r)
	return rescale(rescale(t, fine, den), r.Num, fine*r.Den)
}

// rescale is v x num / den to the nearest, halves away from zero, as libavutil does it. Without overflow as long as the
// result fits; num and den are positive.
func rescale(v, num, den int64) int64 {
	if v < 0 {
		return -rescale(-v, num, den)
	}
	hi, lo := bits.Mul64(uint64(v), uint64(num))
	lo, carry := bits.Add64(lo, uint64(den)/2, 0)
	hi += carry
	if hi >= uint64(den) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(den))
	return int64(min(q, math.MaxInt64))
}

// start is the time of a grid frame in seconds. ffmpeg keeps it to the microsecond and rounds that to a tick of
// fineScale, which gives the exact one.
func start(frame int64, r weir.Rational) string {
	// Half a microsecond is added for rounding; frame x Den stays far below 2^63 / 2e6 for any day-long grid.
	return seconds((2*frame*r.Den*1_000_000 + r.Num) / (2 * r.Num))
}

// colour are the filters that bring high dynamic range and RGB to what H.264 players show.
func (n Normalise) colour() []string {
	switch n.Colour {
	case ColourRGB:
		return []string{"scale=out_color_matrix=bt709:out_range=tv", "format=yuv444p", "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709"}
	case ColourPQ, ColourHLG:
		in := map[string]string{ColourPQ: "smpte2084", ColourHLG: "arib-std-b67"}[n.Colour]
		// Files that say their transfer often leave out the rest.
		return []string{"zscale=transferin=" + in + ":primariesin=bt2020:matrixin=bt2020nc:transfer=linear:npl=203", "format=gbrpf32le", "zscale=primaries=bt709", "tonemap=tonemap=hable:desat=0",
			"zscale=transfer=bt709:matrix=bt709:range=tv", "format=yuv420p"}
	}
	return nil
}

// fit scales to even square pixels, 4:2:0, eight bits.
func fit(width, height int) string {
	return fmt.Sprintf("scale=w=%d:h=%d:flags=bicubic:out_range=tv,setsar=1,format=yuv420p", width, height)
}

// fitJPEG is fit in the range that JPEG has.
func fitJPEG(width, height int) string {
	return fmt.Sprintf("scale=w=%d:h=%d:flags=bicubic:out_range=pc,setsar=1,format=yuvj420p", width, height)
}

// fanOut is the whole filter_complex: one decoder, one grid, and an output labelled v0, v1, ... for each of fits.
func (n Normalise) fanOut(fits ...string) string {
	head := fmt.Sprintf("[0:%d]%s", n.Input.Stream, n.graph())
	if len(fits) == 1 {
		return fmt.Sprintf("%s,%s[v0]", head, fits[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s,split=%d", head, len(fits))
	for i := range fits {
		fmt.Fprintf(&b, "[s%d]", i)
	}
	for i, f := range fits {
		fmt.Fprintf(&b, ";[s%d]%s[v%d]", i, f, i)
	}
	return b.String()
}
