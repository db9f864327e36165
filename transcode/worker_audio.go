package transcode

import (
	"bytes"
	"context"
	"io"
	"slices"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests/cmaf"
	"github.com/weirstream/weir/transcode/ffmpeg"
)

// audio encodes one track without interruption, and stores and records a chunk of it every so often while it runs. A
// second attempt encodes from the start again, because AAC must never be cut and joined, and leaves what the first
// recorded as it is.
func (a *attempt) audio(ctx context.Context, master string, plan Plan, spec Spec) error {
	track := plan.Audio[spec.Audio]
	w := &audioWriter{attempt: a, ctx: ctx, track: track, chunks: audioChunks(plan), records: a.claim.Records}
	seconds := plan.Grid.Duration().Float()
	err := a.stream(ctx, ffmpeg.Job{Args: plan.AudioArgs(master, track), Dir: a.dir, Input: master, Limits: limits(seconds, 0)},
		func(r io.Reader) error {
			_, err := cmaf.PackAudio(r, cmaf.AudioSpec{Boundaries: boundaries(plan.Grid, track), FirstSegment: 1}, w.onInit, w.emit)
			return err
		})
	if err != nil {
		return err
	}
	if len(w.chunks) > 0 {
		return weir.Errorf(weir.Internal, "the audio encode ended %d chunks early", len(w.chunks))
	}
	return nil
}

// boundaries are the presentation samples at which a track's segments start, and its end.
func boundaries(g Grid, track Audio) []int64 {
	rate := int64(track.Rung.SampleRate)
	list := make([]int64, 0, g.Segments()+1)
	for i := range g.Segments() {
		list = append(list, g.SamplesAt(g.SegmentStart(i), rate))
	}
	return append(list, track.Samples)
}

// audioChunkSeconds bounds what is held in memory of a track, and how much of it an unfinished attempt can lose.
const audioChunkSeconds = 60

// audioChunks are the runs of segments of one audio chunk each: one, two, four and so on, as the video's, up to the
// longest of those and a minute. It is a pure function of the plan, so that a second attempt cuts as the first did.
func audioChunks(plan Plan) []Chunk {
	g := plan.Grid
	most := max(1, int(audioChunkSeconds*g.Rate.Num/(g.SegmentFrames*g.Rate.Den)))
	if len(plan.Chunks) > 0 {
		longest := slices.MaxFunc(plan.Chunks, func(a, b Chunk) int { return a.Segments - b.Segments })
		most = min(most, longest.Segments)
	}
	var chunks []Chunk
	for first, ramp := 0, 1; first < g.Segments(); ramp = min(2*ramp, most) {
		n := min(ramp, most, g.Segments()-first)
		chunks = append(chunks, Chunk{FirstSegment: first, Segments: n})
		first += n
	}
	return chunks
}

// audioWriter gathers segments into chunks and makes each count.
type audioWriter struct {
	*attempt
	ctx     context.Context
	track   Audio
	info    cmaf.AudioInfo
	chunks  []Chunk       // still to be made
	records []weir.Record // of the task, from earlier attempts
	number  int           // of chunks[0]
	data    bytes.Buffer  // of the chunk so far
	list    []weir.Segment
}

func (w *audioWriter) onInit(info cmaf.AudioInfo) error {
	w.info = info
	return nil
}

func (w *audioWriter) emit(s cmaf.AudioSegment) error {
	if len(w.chunks) == 0 || s.Number != w.chunks[0].FirstSegment+1+len(w.list) {
		return weir.Errorf(weir.Internal, "the audio encode made segment %d out of turn", s.Number)
	}
	seg := s.Segment
	seg.Offset = int64(w.data.Len())
	w.data.Write(s.Data)
	w.list = append(w.list, seg)
	w.progress.Store(seg.Start + seg.Duration)
	if len(w.list) < w.chunks[0].Segments {
		return nil
	}
	err := w.flush()
	w.chunks, w.number, w.list = w.chunks[1:], w.number+1, nil
	w.data.Reset()
	return err
}

// flush stores and records the gathered chunk, or compares it with the record there is.
func (w *audioWriter) flush() error {
	if err := tiles(w.list, w.chunks[0].Segments); err != nil {
		return err
	}
	c := chunk{rendition: w.track.ID, number: w.number, first: w.chunks[0].FirstSegment + 1, init: w.info.Init,
		sha256: hexSHA256(w.data.Bytes()), length: int64(w.data.Len()), segments: w.list}
	if w.number < len(w.records) {
		return w.compare(c, w.records[w.number])
	}
	out, err := w.publish(w.ctx, c, audioPoints, func(ctx context.Context, key string) error {
		return w.putBytes(ctx, key, w.data.Bytes())
	})
	if err != nil {
		return err
	}
	out.Codec, out.EditOffset = w.info.Codec, w.info.EditOffset
	out.SampleRate, out.Channels = int(w.info.SampleRate), int(w.info.Channels)
	if err := w.record(w.ctx, w.number, Result{Outputs: []Output{out}}, len(w.chunks) == 1); err != nil {
		return err
	}
	reach(w.At, "worker.audio-recorded")
	return nil
}

// compare checks a repeated chunk against what counts already. Other segments than those listed could not be joined;
// other bytes can, since every packet has its place and its priming, and are only worth a line in the log.
func (w *audioWriter) compare(c chunk, rec weir.Record) error {
	r, err := ParseResult(rec.Body)
	if err != nil {
		return err
	}
	if rec.Seq != c.number || len(r.Outputs) != 1 || r.Outputs[0].Page.First != c.first || r.Outputs[0].Page.Count != len(c.segments) {
		return weir.Errorf(weir.Internal, "record %d of task %d does not hold audio chunk %d", rec.Seq, rec.Task, c.number)
	}
	if r.Outputs[0].EditOffset != w.info.EditOffset {
		return weir.Errorf(weir.Internal, "audio encoded again has a priming of %d samples, not %d", w.info.EditOffset, r.Outputs[0].EditOffset)
	}
	if r.Outputs[0].SHA256 != c.sha256 {
		w.log.Warn("audio encoded again differs from what is listed", "chunk", c.number)
	}
	return nil
}
