package transcode

import (
	"fmt"
	"sort"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/ladder"
	"github.com/weirstream/weir/transcode/probe"
)

// PlanVersion is what MakePlan writes in Plan.Version. Readers refuse larger ones.
const PlanVersion = 1

// soundRate is the virtual grid of an asset without a picture: a "frame" is one AAC packet of 1024 samples at 48 kHz.
var soundRate = weir.Rational{Num: 375, Den: 8}

// maxChunkSegments bounds a chunk to what one index page holds.
const maxChunkSegments = 4096

// MakePlan plans a master of the given sha256, 64 hex digits. It is a pure function: equal arguments give equal
// canonical bytes. tool is the version of the encoder ([ffmpeg.Version]). Unprocessable says what about the master cannot
// be planned.
func MakePlan(sha256 string, facts probe.Facts, policy Policy, tool string) (Plan, error) {
	if err := policy.Check(); err != nil {
		return Plan{}, err
	}
	policy = policy.withDefaults()
	p := Plan{Version: PlanVersion, Tool: tool, Preset: policy.Preset, Source: sourceOf(sha256, facts), Grid: gridOf(facts, policy),
		Video: []Video{}, Audio: []Audio{}, Chunks: []Chunk{}, Tasks: []Spec{}}
	p.Source.DurationUS = p.Grid.Frames * p.Grid.Rate.Den * 1_000_000 / p.Grid.Rate.Num
	rungs := ladder.Make(policy.Ladder, 0, 0, weir.Rational{})
	if v := p.Source.Video; v != nil {
		rungs = ladder.Make(policy.Ladder, v.Width, v.Height, v.Rate)
		p.Chunks = chunksOf(p.Grid, v.Frames, policy)
		for i := range p.Chunks {
			p.Chunks[i].Seek = seekTo(facts, p.Chunks[i].FirstFrame)
		}
	}
	for _, r := range rungs {
		if r.Channels > 0 {
			p.addAudio(r)
			continue
		}
		v := Video{Rung: r}
		v.ID = p.videoID(v)
		p.Video = append(p.Video, v)
	}
	p.addTasks(facts)
	if err := p.check(); err != nil {
		return Plan{}, weir.Errorf(weir.Unprocessable, "this file cannot be planned: %w", err)
	}
	return p, nil
}

func sourceOf(sha256 string, facts probe.Facts) Source {
	s := Source{SHA256: sha256, Demuxer: facts.Demuxer, OriginNum: facts.OriginNum, OriginDen: facts.OriginDen}
	if v := facts.Video; v != nil {
		s.Video = &VideoSource{Index: v.Index, Codec: v.Codec, Width: v.Width, Height: v.Height, CodedWidth: v.CodedWidth,
			CodedHigh: v.CodedHeight, Rate: v.Rate, Frames: v.Frames, Interlaced: v.Interlaced, Rotation: v.Rotation, HDR: v.HDR, RGB: v.RGB, Delay: v.Delay}
	}
	for _, a := range facts.Audio {
		s.Audio = append(s.Audio, AudioSource{Index: a.Index, Codec: a.Codec, Channels: a.Channels, SampleRate: a.SampleRate,
			Language: a.Language, Default: a.Default})
	}
	return s
}

// gridOf makes the timeline as long as the longest track. Sound that ends within the last frame's slot does not add one,
// unless little is missing: clocks are coarse.
func gridOf(facts probe.Facts, policy Policy) Grid {
	g := Grid{Rate: soundRate}
	end := int64(0)
	for _, a := range facts.Audio {
		end = max(end, a.EndUS)
	}
	if facts.Video != nil {
		g.Rate = facts.Video.Rate
		unit := g.Rate.Den * 1_000_000
		g.Frames = max(facts.Video.Frames, (end*g.Rate.Num+unit/4)/unit)
	} else {
		unit := g.Rate.Den * 1_000_000
		g.Frames = (end*g.Rate.Num + unit - 1) / unit
	}
	g.SegmentFrames = max(1, (2*int64(policy.SegmentSeconds)*g.Rate.Num+g.Rate.Den)/(2*g.Rate.Den))
	return g
}

// chunksOf cuts the grid into chunks of whole segments. They ramp up (one, two, four segments, then as many as ChunkSeconds
// hold), so that the first seconds are playable soon, and down again (a quarter of what is left, at least two segments), so
// that the last of a few encoders is not alone for long at the end. A last chunk of less than a segment joins the one
// before it, and so does all that begins after the last of the source's pictures, since there is nothing to decode there.
func chunksOf(g Grid, pictures int64, policy Policy) []Chunk {
	most := max(1, policy.ChunkSeconds/policy.SegmentSeconds)
	chunks := []Chunk{}
	for first, ramp := 0, 1; first < g.Segments(); ramp *= 2 {
		if ramp > 4 {
			ramp = most
		}
		left := g.Segments() - first
		n := min(ramp, most, max(2, (left+3)/4), left)
		rest := g.Frames - g.SegmentStart(first+n)
		if rest < g.SegmentFrames || g.SegmentStart(first+n) >= pictures {
			n = left
		}
		start := g.SegmentStart(first)
		chunks = append(chunks, Chunk{FirstFrame: start, Frames: g.SegmentStart(first+n) - start, FirstSegment: first, Segments: n})
		first += n
	}
	return chunks
}

// seekTo picks the key picture that decoding must start at to show grid frame f as a whole decode would. In MP4 and
// Matroska that is the last one at or before f. Elsewhere a picture marked as key may be a recovery point that is right
// only after a while, so it is the one before; a de-interlacer wants to see two frames more.
// A picture that comes late on the timeline is decoded from itself, since what is before it cannot be decoded.
func seekTo(facts probe.Facts, f int64) *ffmpeg.Seek {
	v := facts.Video
	if v.Interlaced {
		f -= 2
	}
	indexed := facts.Demuxer == "mov" || facts.Demuxer == "matroska"
	i := sort.Search(len(v.Keys), func(i int) bool { return v.Keys[i].Slot > f }) - 1
	if !indexed {
		i--
	}
	if len(v.Keys) == 0 || i < 1 && v.Keys[0].At <= 0 { // the first key is the start of the file
		return nil
	}
	k := v.Keys[max(i, 0)]
	if indexed {
		return &ffmpeg.Seek{US: k.PTS, From: k.At}
	}
	return &ffmpeg.Seek{US: k.DTS - 1_000_000, From: k.At}
}

// addAudio adds a rendition for every sound track of the source.
func (p *Plan) addAudio(r weir.Rung) {
	for i, s := range p.Source.Audio {
		a := Audio{Rung: r, Source: i, Samples: p.Grid.SamplesAt(p.Grid.Frames, int64(r.SampleRate)), Language: s.Language, Default: s.Default}
		a.ID = p.audioID(a)
		p.Audio = append(p.Audio, a)
	}
}

// addTasks orders the work: a poster, the first chunk, the sound (each track is one long encode), then the other chunks.
func (p *Plan) addTasks(facts probe.Facts) {
	add := func(s Spec) {
		s.Order = len(p.Tasks)
		p.Tasks = append(p.Tasks, s)
	}
	chunk := func(i int) {
		add(Spec{Kind: weir.TaskVideo, Chunk: i, Total: p.Chunks[i].Frames})
	}
	if v := p.Source.Video; v != nil {
		at := min(v.Frames/10, 10*v.Rate.Num/v.Rate.Den)
		add(Spec{Kind: weir.TaskStill, At: at, Total: 1, Seek: seekTo(facts, at)})
		chunk(0)
	}
	for i, a := range p.Audio {
		add(Spec{Kind: weir.TaskAudio, Audio: i, Total: a.Samples})
	}
	for i := 1; i < len(p.Chunks); i++ {
		chunk(i)
	}
}

// LedgerTasks are the plan's tasks as the ledger keeps them: task i+1 is Tasks[i].
func (p Plan) LedgerTasks(job string) []weir.Task {
	tasks := make([]weir.Task, len(p.Tasks))
	for i, s := range p.Tasks {
		tasks[i] = weir.Task{Job: job, N: i + 1, Kind: s.Kind, Order: s.Order, Tool: p.Tool, Total: s.Total, State: weir.TaskReady}
	}
	return tasks
}

// String is a line for logs.
func (p Plan) String() string {
	return fmt.Sprintf("%d frames at %s, %d segments, %d chunks, %d video and %d audio renditions", p.Grid.Frames, p.Grid.Rate,
		p.Grid.Segments(), len(p.Chunks), len(p.Video), len(p.Audio))
}
