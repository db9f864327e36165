package transcode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests/cmaf"
	"github.com/weirstream/weir/transcode/ffmpeg"
)

// video encodes one chunk into every rendition from one decode, then packs, checks and stores each, then records all.
func (a *attempt) video(ctx context.Context, master string, plan Plan, spec Spec) error {
	c := plan.Chunks[spec.Chunk]
	files := make([]string, len(plan.Video))
	for i := range files {
		files[i] = fmt.Sprintf("%d.mp4", i)
	}
	seconds := float64(c.Frames*plan.Grid.Rate.Den) / float64(plan.Grid.Rate.Num)
	err := ffmpeg.Run(ctx, a.Runner, ffmpeg.Job{Args: plan.ChunkArgs(master, c, files), Dir: a.dir, Input: master,
		OnProgress: func(p ffmpeg.Progress) { a.progress.Store(min(p.Frames, c.Frames)) },
		Limits:     limits(seconds, plan.Video[0].Rung.MaxRate)})
	if err != nil {
		return fmt.Errorf("encode chunk %d: %w", spec.Chunk, err)
	}
	reach(a.At, "worker.encoded")
	var r Result
	for i, v := range plan.Video {
		out, err := a.rendition(ctx, plan, spec.Chunk, v, filepath.Join(a.dir, files[i]))
		if err != nil {
			return fmt.Errorf("chunk %d of rendition %s: %w", spec.Chunk, v.ID, err)
		}
		r.Outputs = append(r.Outputs, out)
	}
	return a.record(ctx, 0, r, true)
}

// rendition makes a stored chunk of what the encoder wrote in file, and removes that.
func (a *attempt) rendition(ctx context.Context, plan Plan, number int, v Video, file string) (Output, error) {
	c := plan.Chunks[number]
	packed := file + ".cmf"
	defer os.Remove(packed)
	p, err := packVideo(file, packed, videoSpec(plan.Grid, c))
	if err != nil {
		return Output{}, err
	}
	if err := os.Remove(file); err != nil {
		return Output{}, fmt.Errorf("remove encoded chunk: %w", err)
	}
	if err := checkVideo(p, plan.Grid, c); err != nil {
		return Output{}, err
	}
	out, err := a.publish(ctx, chunk{rendition: v.ID, number: number, first: c.FirstSegment + 1, init: p.Init, sha256: p.SHA256,
		length: p.Length, segments: p.Segments}, videoPoints,
		func(ctx context.Context, key string) error { return a.putFile(ctx, key, packed) })
	out.Codec, out.Width, out.Height, out.Colour = p.Codec, p.Width, p.Height, p.Colour
	return out, err
}

func packVideo(from, to string, spec cmaf.VideoSpec) (p cmaf.Packed, err error) {
	in, err := os.Open(from)
	if err != nil {
		return p, fmt.Errorf("open encoded chunk: %w", err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return p, fmt.Errorf("make packed chunk: %w", err)
	}
	p, err = cmaf.PackVideo(in, out, spec)
	if closing := out.Close(); err == nil && closing != nil {
		err = fmt.Errorf("close packed chunk: %w", closing)
	}
	return p, err
}

func videoSpec(g Grid, c Chunk) cmaf.VideoSpec {
	s := cmaf.VideoSpec{Timescale: g.Timescale(), FrameDuration: g.FrameDuration(), FirstFrame: c.FirstFrame, Frames: c.Frames,
		FirstSegment: c.FirstSegment + 1}
	for i := range c.Segments {
		s.SegmentStarts = append(s.SegmentStarts, g.SegmentStart(c.FirstSegment+i))
	}
	return s
}

// checkVideo checks that a packed chunk covers exactly its stretch of the grid.
func checkVideo(p cmaf.Packed, g Grid, c Chunk) error {
	if err := tiles(p.Segments, c.Segments); err != nil {
		return err
	}
	first, last := p.Segments[0], p.Segments[len(p.Segments)-1]
	if first.Start != c.FirstFrame*g.FrameDuration() || last.Start+last.Duration != (c.FirstFrame+c.Frames)*g.FrameDuration() {
		return weir.Errorf(weir.Internal, "the chunk lasts from %d to %d ticks, the plan asked for %d frames from frame %d",
			first.Start, last.Start+last.Duration, c.Frames, c.FirstFrame)
	}
	return nil
}
