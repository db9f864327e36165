package transcode

import (
	"encoding/json"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
)

// Bounds of a plan. A day at 60 frames a second has 5,184,000 frames.
const (
	maxPlanBytes  = 16 << 20
	maxPlanFrames = 1 << 24
	maxPlanTicks  = 1 << 52
	maxPlanRate   = 1000
	maxRenditions = 64
)

// Encode is p in canonical bytes: equal plans give equal bytes.
func (p Plan) Encode() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings, booleans and integers always encode
	}
	return b
}

// ParsePlan reads a stored plan and checks every bound and relation that workers rely on. Errors are of kind Internal: a
// plan is ours, so a bad one is a defect or damage.
func ParsePlan(b []byte) (Plan, error) {
	var p Plan
	if len(b) > maxPlanBytes {
		return Plan{}, weir.Errorf(weir.Internal, "plan has %d bytes, more than %d", len(b), maxPlanBytes)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return Plan{}, weir.Errorf(weir.Internal, "plan is not JSON: %w", err)
	}
	if err := p.check(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

func (p Plan) check() error {
	if p.Version < 1 || p.Version > PlanVersion {
		return broken("its version is %d, this program reads 1 to %d", p.Version, PlanVersion)
	}
	if p.Tool == "" || !x264Presets[p.Preset] {
		return broken("it names no encoder")
	}
	g := p.Grid
	if !g.Rate.Known() || g.Rate.Den > 1<<20 || g.Rate.Num > maxPlanRate*g.Rate.Den || g.Rate.Num*4 < g.Rate.Den ||
		g.Frames < 1 || g.Frames > maxPlanFrames || g.SegmentFrames < 1 || g.SegmentFrames > maxPlanFrames {
		return broken("its grid of %d frames at %s in segments of %d is out of bounds", g.Frames, g.Rate, g.SegmentFrames)
	}
	for _, check := range []func() error{p.checkSource, p.checkRenditions, p.checkChunks, p.checkTasks} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func broken(format string, args ...any) error {
	return weir.Errorf(weir.Internal, "the plan is broken: "+format, args...)
}

func (p Plan) checkSource() error {
	s := p.Source
	if len(s.SHA256) != 64 || !weir.ValidID(s.SHA256) {
		return broken("it names no master")
	}
	if !weir.ValidID(s.Demuxer) || s.OriginDen < 1 || s.OriginDen > 1<<32 || s.OriginNum > maxPlanTicks || s.OriginNum < -maxPlanTicks {
		return broken("its source is out of bounds")
	}
	if (s.Video == nil) != (len(p.Video) == 0) || (s.Video == nil && len(s.Audio) == 0) {
		return broken("it has no track, or pictures from nowhere")
	}
	if v := s.Video; v != nil && (v.Index < 0 || v.Width < 1 || v.Height < 1 || v.Frames < 1 || v.Frames > p.Grid.Frames || v.Rate != p.Grid.Rate ||
		v.Delay > maxPlanTicks || v.Delay < -maxPlanTicks) {
		return broken("its picture is out of bounds")
	}
	for _, a := range s.Audio {
		if a.Index < 0 {
			return broken("its sound is out of bounds")
		}
	}
	return nil
}

func (p Plan) checkRenditions() error {
	if len(p.Video)+len(p.Audio) > maxRenditions {
		return broken("it has %d renditions, more than %d", len(p.Video)+len(p.Audio), maxRenditions)
	}
	for _, v := range p.Video {
		r := v.Rung
		if !weir.ValidID(v.ID) || r.Width < 2 || r.Height < 2 || r.Width%2+r.Height%2 != 0 || r.Width > 8192 || r.Height > 8192 ||
			r.MaxRate < 1 || r.BufferSize < 1 || r.CRF < 0 || r.CRF > 51 {
			return broken("video rendition %q is out of bounds", v.ID)
		}
	}
	for _, a := range p.Audio {
		r := a.Rung
		if !weir.ValidID(a.ID) || a.Source < 0 || a.Source >= len(p.Source.Audio) || r.MaxRate < 1 || r.Channels < 1 || r.Channels > 8 ||
			r.SampleRate < 8000 || r.SampleRate > 96000 || a.Samples != p.Grid.SamplesAt(p.Grid.Frames, int64(r.SampleRate)) {
			return broken("audio rendition %q is out of bounds", a.ID)
		}
	}
	return nil
}

// checkChunks checks that chunks tile the grid and that each has a picture of the source.
func (p Plan) checkChunks() error {
	if p.Source.Video == nil {
		if len(p.Chunks) > 0 {
			return broken("it has chunks of nothing")
		}
		return nil
	}
	segment := 0
	for i, c := range p.Chunks {
		if c.Segments < 1 || c.Segments > maxChunkSegments {
			return broken("chunk %d has %d segments, want 1 to %d", i, c.Segments, maxChunkSegments)
		}
		first, end := p.Grid.SegmentStart(segment), p.Grid.SegmentStart(segment+c.Segments)
		if c.FirstSegment != segment || c.FirstFrame != first || c.Frames != end-first || c.Frames < 1 || first >= p.Source.Video.Frames {
			return broken("chunk %d does not follow the one before it", i)
		}
		if err := checkSeek(c.Seek); err != nil {
			return err
		}
		segment += c.Segments
	}
	if segment != p.Grid.Segments() {
		return broken("its chunks hold %d of %d segments", segment, p.Grid.Segments())
	}
	return nil
}

func checkSeek(s *ffmpeg.Seek) error {
	if s != nil && (s.US > maxPlanTicks || s.US < -maxPlanTicks || s.From > maxPlanTicks || s.From < -maxPlanTicks) {
		return broken("a seek is out of bounds")
	}
	return nil
}

func (p Plan) checkTasks() error {
	for i, t := range p.Tasks {
		known := false
		switch t.Kind {
		case weir.TaskVideo:
			known = t.Chunk >= 0 && t.Chunk < len(p.Chunks)
		case weir.TaskAudio:
			known = t.Audio >= 0 && t.Audio < len(p.Audio)
		case weir.TaskStill:
			known = p.Source.Video != nil && t.At >= 0 && t.At < p.Source.Video.Frames && checkSeek(t.Seek) == nil
		}
		if !known || t.Total < 1 {
			return broken("task %d of kind %q is about nothing", i+1, t.Kind)
		}
	}
	if want := len(p.Chunks) + len(p.Audio); len(p.Tasks) < want || len(p.Tasks) > want+1 {
		return broken("it has %d tasks for %d chunks and tracks", len(p.Tasks), want)
	}
	return nil
}
