package cmaf

import (
	"io"

	weir "github.com/weirstream/weir"
)

// AudioSpec says what one audio rendition must be.
type AudioSpec struct {
	Boundaries   []int64 // presentation sample positions: 0, the other segments' nominal starts, and the end of the timeline
	FirstSegment int     // number of the first segment
}

// AudioInfo describes an audio rendition.
type AudioInfo struct {
	Init       []byte // the CMAF header; its edit list skips EditOffset samples
	Codec      string // RFC 6381, from the esds: "mp4a.40.2"
	EditOffset int64  // the encoder's priming in samples, from its own edit list
	SampleRate int64  // Hz; also the timescale
	Channels   int64
	Packets    int64 // how many were packed; known at the end only
}

// AudioSegment is one segment. Its bytes belong to whoever receives it.
type AudioSegment struct {
	Number  int
	Data    []byte
	Segment weir.Segment // Offset is 0
}

// PackAudio reads AAC as ffmpeg wrote it (-f mp4 -movflags +empty_moov+delay_moov+default_base_moof+frag_every_frame, or
// with -frag_duration), calls onInit once and then emit for each segment as soon as it is complete. Packets are never
// cut: segment n holds those whose presentation starts in [Boundaries[n], Boundaries[n+1]), the first one also the
// priming. The last packet's duration is cut so that the whole lasts exactly to the last boundary; packets behind it are
// dropped. Errors are of kind Internal, or r's and the callbacks' own.
func PackAudio(r io.Reader, spec AudioSpec, onInit func(AudioInfo) error, emit func(AudioSegment) error) (AudioInfo, error) {
	return AudioInfo{}, weir.Errorf(weir.Internal, "not written yet")
}
