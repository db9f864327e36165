package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	weir "github.com/weirstream/weir"
)

// Encode is how the renditions of a chunk are made.
type Encode struct {
	Preset        string // x264's
	SegmentFrames int64  // an IDR picture at least so often, counted from the chunk's first frame
	Outputs       []Output
}

// Output is one rendition of a chunk.
type Output struct {
	Rung weir.Rung
	File string // in the work folder
}

// Audio is one uninterrupted encode of one sound track.
type Audio struct {
	Input   Input // Seek is not used
	Rung    weir.Rung
	Samples int64 // of presentation, at Rung.SampleRate
}

// clean keeps the master's tags, chapters and other streams out, and ffmpeg's own name.
var clean = [...]string{"-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn", "-fflags", "+bitexact"}

// ChunkArgs encode one chunk into every rendition from one decode. Each file is a fragmented MP4 of exactly n.Frames
// frames whose first is an IDR picture, with an IDR picture every e.SegmentFrames.
func ChunkArgs(n Normalise, e Encode) []string {
	fits := make([]string, len(e.Outputs))
	for i, o := range e.Outputs {
		fits[i] = fit(o.Rung.Width, o.Rung.Height)
	}
	a := append(global(), n.Input.args()...)
	a = append(a, "-filter_complex", n.fanOut(fits...))
	for i, o := range e.Outputs {
		a = append(a, "-map", fmt.Sprintf("[v%d]", i))
		a = append(a, e.codec(o.Rung)...)
		a = append(a, "-an", "-frames:v", strconv.FormatInt(n.Frames, 10), "-fps_mode", "passthrough")
		a = append(a, clean[:]...)
		a = append(a, "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "file:"+o.File)
	}
	return a
}

// codec is x264 with one thread and a closed GOP a segment.
func (e Encode) codec(r weir.Rung) []string {
	gop := strconv.FormatInt(e.SegmentFrames, 10)
	return []string{"-c:v", "libx264", "-preset", e.Preset, "-profile:v", "high", "-threads", "1", "-flags", "+cgop+bitexact",
		"-crf", strconv.Itoa(r.CRF), "-maxrate", strconv.Itoa(r.MaxRate), "-bufsize", strconv.Itoa(r.BufferSize),
		"-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-bf", "2", "-x264-params", "open-gop=0:scenecut=0:lookahead-threads=1:sliced-threads=0"}
}

// AudioArgs encode one track from its first sample to its last into a fragmented MP4 on stdout. Sample k of the output is
// what is heard k/SampleRate seconds after the origin: gaps in the source and a late start become silence, overlaps and
// what comes before the origin are dropped, and the end is padded or cut to a.Samples. The edit list of the file carries
// the encoder's priming.
func AudioArgs(a Audio) []string {
	rate := int64(a.Rung.SampleRate)
	origin := rescale(a.Input.Origin.Num, rate, a.Input.Origin.Den)
	in := a.Input
	in.Seek = nil
	graph := strings.Join([]string{
		fmt.Sprintf("[0:%d]aresample=osr=%d:ochl=%s:osf=fltp", in.Stream, rate, layout(a.Rung.Channels)),
		// A second one, since the first would drop a whole packet where a part of it is before first_pts.
		fmt.Sprintf("aresample=async=1:min_hard_comp=0.02:first_pts=%d", origin),
		fmt.Sprintf("asetpts=PTS-(%d)", origin),
		fmt.Sprintf("apad=whole_len=%d", a.Samples),
		fmt.Sprintf("atrim=end_sample=%d[a]", a.Samples),
	}, ",")
	args := append(global(), in.args()...)
	args = append(args, "-filter_complex", graph, "-map", "[a]", "-vn", "-c:a", "aac", "-b:a", strconv.Itoa(a.Rung.MaxRate), "-flags", "+bitexact", "-threads", "1")
	args = append(args, clean[:]...)
	return append(args, "-f", "mp4", "-movflags", "+empty_moov+delay_moov+default_base_moof", "-frag_duration", "1000000", "pipe:1")
}

func layout(channels int) string {
	switch channels {
	case 1:
		return "mono"
	case 6:
		return "5.1"
	}
	return "stereo"
}

// StillArgs write the grid frame n.First as a JPEG into file, width x height.
func StillArgs(n Normalise, width, height int, file string) []string {
	n.Frames = 1
	a := append(global(), n.Input.args()...)
	a = append(a, "-filter_complex", n.fanOut(fitJPEG(width, height)), "-map", "[v0]", "-an", "-c:v", "mjpeg", "-q:v", "4",
		"-huffman", "optimal", "-threads", "1", "-flags", "+bitexact", "-frames:v", "1")
	a = append(a, clean[:]...)
	return append(a, "-f", "mjpeg", "file:"+file)
}

// FramesArgs print a hash of each normalised frame, scaled to width x height, on stdout (ffmpeg's framemd5 format).
func FramesArgs(n Normalise, width, height int) []string {
	a := append(global(), n.Input.args()...)
	a = append(a, "-filter_complex", n.fanOut(fit(width, height)), "-map", "[v0]", "-an", "-c:v", "rawvideo", "-fps_mode", "passthrough",
		"-frames:v", strconv.FormatInt(n.Frames, 10))
	a = append(a, clean[:]...)
	return append(a, "-f", "framemd5", "pipe:1")
}
