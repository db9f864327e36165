package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/transcode"
)

// jobStatus shows ingest what the ledger and the head say of an asset's job.
type jobStatus struct {
	jobs interface {
		Job(ctx context.Context, asset string) (weir.Job, []weir.Task, error)
	}
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
