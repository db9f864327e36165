package cmaf

import (
	"io"

	weir "github.com/weirstream/weir"
)

// VideoSpec says what one chunk of one video rendition must be. Frames are numbered on the asset's grid: frame f is
// presented at f x FrameDuration, in ticks of Timescale a second.
type VideoSpec struct {
	Timescale     int64
	FrameDuration int64
	FirstFrame    int64   // grid number of the chunk's first frame
	Frames        int64   // how many frames the chunk has
	SegmentStarts []int64 // grid numbers of the segments' first frames; the first is FirstFrame
	FirstSegment  int     // number of the chunk's first segment
}

// Packed describes a chunk that was written.
type Packed struct {
	Init     []byte         // the CMAF header; equal for equal parameter sets, sizes and timescale
	Segments []weir.Segment // offsets count from the first byte written
	Codec    string         // RFC 6381, from the avcC: "avc1.64001e"
	Width    int            // pixels, after cropping
	Height   int
	Colour   *weir.Colour // from the SPS; nil when it says nothing
	Length   int64        // bytes written
	SHA256   string       // of the bytes written, 64 hex digits
}

// PackVideo reads one chunk of H.264 as ffmpeg wrote it (-f mp4 -movflags +frag_keyframe+empty_moov+default_base_moof)
// and writes it to w as one moof and mdat a segment. Frames are put on the grid by the rank of their presentation times,
// which must be evenly spaced; every segment must start with an IDR frame and be closed. At most one segment is held in
// memory. After an error what was written to w is to be thrown away. Errors are of kind Internal, or r's and w's own.
func PackVideo(r io.Reader, w io.Writer, spec VideoSpec) (Packed, error) {
	return Packed{}, weir.Errorf(weir.Internal, "not written yet")
}
