package cmaf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/Eyevinn/mp4ff/avc"

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
// and writes it to w as one moof and mdat a segment. Frames are put on the grid by their presentation times, which must
// be exactly a frame apart; every segment must start with an IDR frame and be closed. Little more than one segment is
// held in memory. After an error what was written to w is to be thrown away. Errors are of kind Internal; r's and w's own
// are wrapped.
func PackVideo(r io.Reader, w io.Writer, spec VideoSpec) (Packed, error) {
	if err := spec.check(); err != nil {
		return Packed{}, err
	}
	src, err := openSource(r)
	if err != nil {
		return Packed{}, err
	}
	p := &videoPacker{spec: spec, w: w}
	if err := p.start(src); err != nil {
		return Packed{}, err
	}
	sum := sha256.New()
	p.w = io.MultiWriter(w, sum)
	for {
		samples, err := src.fragment()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Packed{}, err
		}
		if err := p.add(samples); err != nil {
			return Packed{}, err
		}
	}
	if p.done != spec.Frames {
		return Packed{}, bad("chunk has %d frames, want %d", p.done+int64(len(p.pending)), spec.Frames)
	}
	p.out.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return p.out, nil
}

func (s VideoSpec) check() error {
	if s.Timescale < 1 || s.Timescale > 1<<32-1 || s.FrameDuration < 1 || s.FrameDuration > s.Timescale*60 ||
		s.FirstFrame < 0 || s.FirstFrame > 1<<40 || s.Frames < 1 || s.Frames > 1<<24 || s.FirstSegment < 0 ||
		len(s.SegmentStarts) == 0 || s.SegmentStarts[0] != s.FirstFrame {
		return bad("video spec is out of bounds")
	}
	for i := range s.SegmentStarts {
		if s.frames(i) < 1 {
			return bad("video spec: segment %d has no frames", s.FirstSegment+i)
		}
	}
	return nil
}

// frames counts the frames of the chunk's segment i.
func (s VideoSpec) frames(i int) int64 {
	end := s.FirstFrame + s.Frames
	if i+1 < len(s.SegmentStarts) {
		end = s.SegmentStarts[i+1]
	}
	return end - s.SegmentStarts[i]
}

// videoPacker cuts a stream of samples into segments.
type videoPacker struct {
	spec    VideoSpec
	w       io.Writer
	step    int64 // one frame in the source's timescale
	origin  int64 // the source's time of the chunk's first frame
	pending []sample
	bytes   int64 // of pending
	done    int64 // frames written
	out     Packed
}

func (p *videoPacker) start(src *source) error {
	ticks := p.spec.FrameDuration * src.timescale()
	if ticks%p.spec.Timescale != 0 {
		return bad("the stream's timescale %d cannot count frames of %d/%d s", src.timescale(), p.spec.FrameDuration, p.spec.Timescale)
	}
	p.step = ticks / p.spec.Timescale
	return p.describe(src.track)
}

// add takes the samples of one fragment and writes every segment that they complete.
func (p *videoPacker) add(samples []sample) error {
	if len(samples) > 0 && p.done == 0 && len(p.pending) == 0 {
		p.origin = samples[0].present
	}
	p.pending = append(p.pending, samples...)
	for _, s := range samples {
		p.bytes += int64(len(s.data))
	}
	if p.bytes > 2*weir.MaxSegmentBytes {
		return bad("segment %d has more than %d bytes", p.spec.FirstSegment+len(p.out.Segments), weir.MaxSegmentBytes)
	}
	for len(p.pending) > 0 {
		i := len(p.out.Segments)
		if i == len(p.spec.SegmentStarts) {
			return bad("chunk has more than %d frames", p.spec.Frames)
		}
		n := p.spec.frames(i)
		if int64(len(p.pending)) < n {
			return nil
		}
		if err := p.write(i, p.pending[:n]); err != nil {
			return err
		}
		for _, s := range p.pending[:n] {
			p.bytes -= int64(len(s.data))
		}
		p.pending = append([]sample(nil), p.pending[n:]...)
		p.done += n
	}
	return nil
}

// write writes the chunk's segment i, having checked that samples are all of its frames and no others.
func (p *videoPacker) write(i int, samples []sample) error {
	first := p.spec.SegmentStarts[i]
	number := p.spec.FirstSegment + i
	if !samples[0].sync || !avc.IsIDRSample(samples[0].data) {
		return bad("segment %d does not start with an IDR frame", number)
	}
	seen := make([]bool, len(samples))
	out := make([]outSample, len(samples))
	for k, s := range samples {
		frame := (s.present-p.origin)/p.step + p.spec.FirstFrame
		rank := frame - first
		switch {
		case (s.present-p.origin)%p.step != 0:
			return bad("segment %d: a frame at %d is %d ticks off the grid", number, s.present, (s.present-p.origin)%p.step)
		case rank < 0 || rank >= int64(len(samples)):
			return bad("segment %d is not closed: frame %d is not one of its %d from %d", number, frame, len(samples), first)
		case seen[rank]:
			return bad("segment %d has frame %d twice", number, frame)
		case k == 0 && rank != 0:
			return bad("segment %d: its IDR frame is frame %d, not its first, %d", number, frame, first)
		}
		seen[rank] = true
		out[k] = outSample{length: p.spec.FrameDuration, offset: (rank - int64(k)) * p.spec.FrameDuration, sync: s.sync, data: s.data}
	}
	start := first * p.spec.FrameDuration
	segment, err := writeSegment(p.w, number, start, out)
	if err != nil {
		return err
	}
	segment.Offset = p.out.Length
	segment.Start, segment.Duration = start, int64(len(samples))*p.spec.FrameDuration
	p.out.Length += segment.Length
	p.out.Segments = append(p.out.Segments, segment)
	return nil
}
