package ffmpeg

import (
	"fmt"
	"strconv"

	weir "github.com/weirstream/weir"
)

// MaxPixels of a coded picture, above which decoders are told to give up: 8192x4352.
const MaxPixels = 8192 * 4352

// Input is one stream of a file that nobody vouches for.
type Input struct {
	Path    string // absolute
	Demuxer string // the one format it is read as
	Stream  int    // index within the file
	Origin  Time   // raw timestamp that becomes presentation time 0
	Seek    *Seek  // nil reads from the start
}

// Time is Num/Den seconds. Den is positive, Num may be negative.
type Time struct{ Num, Den int64 }

// Seek says where reading starts and which picture is the first that counts. Decoding that begins there gives the same
// pictures from that one on as decoding from the start.
type Seek struct {
	US   int64 `json:"us"`   // raw timestamp to seek to, in microseconds, at or before the picture's packet
	From int64 `json:"from"` // the picture's time after the origin, in ticks of Origin.Den a second
}

// Normalise puts a video stream on a grid: frame f of it is what is shown at f/Rate seconds.
type Normalise struct {
	Input      Input
	Rate       weir.Rational
	First      int64 // grid number of the first frame wanted
	Frames     int64 // how many
	Interlaced bool
	Width      int    // of decoded pictures, upright; the de-interlacer reads no others
	Height     int    //
	Colour     string // one of the Colour constants
}

// What to do about colours that H.264 renditions cannot carry as they are.
const (
	ColourKeep = ""    // 4:2:0 video of standard range
	ColourRGB  = "rgb" // no matrix yet: BT.709 is applied
	ColourPQ   = "pq"  // SMPTE ST 2084: tone-mapped to BT.709
	ColourHLG  = "hlg" // ARIB STD-B67: tone-mapped to BT.709
)

// global are the arguments that come before everything: quiet, alone with its input, one thread a filter.
func global() []string {
	return []string{"-nostdin", "-hide_banner", "-y", "-nostats", "-loglevel", "error", "-progress", "pipe:2", "-stats_period", "0.5",
		"-filter_threads", "1", "-filter_complex_threads", "1", "-copyts"}
}

// OpenArgs are how ffmpeg and ffprobe alike open a file, before -i: as the one format, from no other place than files,
// and looking far enough for streams that start late, so that both number them alike.
func OpenArgs(demuxer string) []string {
	return []string{"-protocol_whitelist", "file,pipe", "-f", demuxer, "-probesize", "20000000", "-analyzeduration", "10000000", "-threads", "1"}
}

// args open the input with one decoder thread. Timestamps stay as they are in the file (-copyts).
func (in Input) args() []string {
	// Pictures or sound that change their form must not start the filters anew: they would lose their place.
	a := append(OpenArgs(in.Demuxer), "-max_pixels", strconv.Itoa(MaxPixels), "-reinit_filter", "0")
	if in.Seek != nil {
		// The filters drop what comes before the wanted frame, so ffmpeg must not.
		a = append(a, "-noaccurate_seek", "-seek_timestamp", "1", "-ss", seconds(in.Seek.US))
	}
	return append(a, "-i", "file:"+in.Path)
}

// from is the tick after the origin before which pictures do not count: those before the origin belong to no GOP that is
// in the file, those before a seek's picture may be damaged.
func (in Input) from() int64 {
	if in.Seek == nil {
		return 0
	}
	return in.Seek.From
}

// seconds writes microseconds as ffmpeg reads them, exactly.
func seconds(us int64) string {
	sign := ""
	if us < 0 {
		sign, us = "-", -us
	}
	return fmt.Sprintf("%s%d.%06d", sign, us/1e6, us%1e6)
}
