package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/ladder"
	"github.com/weirstream/weir/transcode/sandbox"
)

// edgeRoles wires the media listener.
func (p *process) edgeRoles(context.Context) ([]role, error) {
	s := &edge.Server{
		Config: edge.Config{CacheBytes: int64(p.cmd.Limits.CacheBytes), DrainTimeout: p.cmd.Limits.StopWithin / 4},
		Blobs:  p.engines.Blobs, Keys: p.keys.Lookup, Registerer: p.metrics, Log: p.log,
	}
	p.ready.add("edge", s.Ready)
	return []role{{"edge", func(ctx context.Context) error { return s.Serve(ctx, p.media) }}}, nil
}

// transcodeRoles wires planner, worker, assembler and collector.
func (p *process) transcodeRoles(ctx context.Context) ([]role, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tool, err := ffmpeg.Version(ctx, sandbox.Run)
	if err != nil {
		return nil, weir.Errorf(weir.Unavailable, "ffmpeg does not run here; see `weir check`: %w", err)
	}
	c := p.cmd
	policy := transcode.Policy{Ladder: ladder.Policy{MaxHeight: c.Policy.MaxHeight}, Preset: c.Policy.Preset,
		SegmentSeconds: c.Policy.SegmentSeconds, ChunkSeconds: c.Policy.ChunkSeconds}
	if err := policy.Check(); err != nil {
		return nil, err
	}
	s := &transcode.Service{
		ID:     "worker-" + weir.NewID(time.Now()),
		Claims: p.engines.Ledger, Jobs: p.engines.Ledger, Blobs: p.engines.Blobs, Bus: p.engines.Bus, Deleted: p.engines.Ingest, Failed: p.engines.Ledger,
		Runner: sandbox.Run, Tool: tool, Policy: policy, Dir: p.engines.Folder.Path("work"),
		Slots: c.Limits.Slots, Lease: c.Limits.Lease, Grace: c.Limits.DeleteGrace, Now: time.Now, At: p.at, Log: p.log,
	}
	return []role{{"transcode", s.Run}}, nil
}

// jobStatus shows ingest what the ledger and the head say of an asset's job.
type jobStatus struct {
	jobs  transcode.Jobs
	blobs weir.Blobs
}

var _ ingest.Jobs = jobStatus{}

// Status is NotFound while there is no job.
func (j jobStatus) Status(ctx context.Context, asset string) (ingest.JobStatus, error) {
	job, tasks, err := j.jobs.Job(ctx, asset)
	if err != nil {
		return ingest.JobStatus{}, err
	}
	s, err := transcode.StatusOf(job, tasks)
	if err != nil {
		return ingest.JobStatus{}, fmt.Errorf("status of job %s: %w", job.ID, err)
	}
	out := ingest.JobStatus{State: s.State, Reason: s.Reason}
	for _, t := range tasks {
		out.Probing = out.Probing || t.Kind == weir.TaskPlan && t.State == weir.TaskLeased
	}
	for _, r := range s.Renditions {
		out.Renditions = append(out.Renditions, ingest.Rendition{Name: r.Name, Kind: r.Kind, Done: r.Done, Total: r.Total})
	}
	if len(job.Plan) > 0 {
		plan, err := transcode.ParsePlan(job.Plan)
		if err != nil {
			return ingest.JobStatus{}, fmt.Errorf("plan of job %s: %w", job.ID, err)
		}
		out.TotalSegments, out.Duration = plan.Grid.Segments(), plan.Grid.Duration()
	}
	out.Segments, err = j.listed(ctx, job)
	return out, err
}

// listed counts the segments in the asset's newest head that lists any: what can be played now. Heads are read oldest first,
// because one becomes a tombstone only when the next is there.
func (j jobStatus) listed(ctx context.Context, job weir.Job) (segments int, err error) {
	for revision := transcode.FirstRevision; revision <= job.Revision; revision++ {
		h, err := j.head(ctx, weir.HeadKey(job.Organisation, job.Asset, revision))
		if err != nil && weir.KindOf(err) != weir.NotFound {
			return 0, fmt.Errorf("read a head of %s: %w", job.Asset, err)
		}
		if h.Segments > 0 {
			segments = h.Segments
		}
	}
	return segments, nil
}

func (j jobStatus) head(ctx context.Context, key string) (weir.Head, error) {
	r, _, err := j.blobs.Get(ctx, key, 0, -1, "")
	if err != nil {
		return weir.Head{}, err
	}
	b, err := io.ReadAll(io.LimitReader(r, weir.MaxHeadBytes))
	if err := errors.Join(err, r.Close()); err != nil {
		return weir.Head{}, err
	}
	return weir.ParseHead(b)
}
