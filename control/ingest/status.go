package ingest

import (
	"context"
	"os"
	"time"

	weir "github.com/weirstream/weir"
)

// State is where an asset is, as people are told.
type State string

// States, in the order an asset goes through them; the last four are final.
const (
	StateUploading State = "uploading"
	StateQueued    State = "queued"
	StateProbing   State = "probing"
	StateEncoding  State = "encoding"
	StateComplete  State = "complete"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
	StateDeleted   State = "deleted"
)

// Final says that the state will not change, but for a deletion.
func (s State) Final() bool {
	return s == StateComplete || s == StateFailed || s == StateCancelled || s == StateDeleted
}

// Status is an asset as the API shows it.
type Status struct {
	ID            string      `json:"id"`
	Title         string      `json:"title" doc:"The name the uploader proposed"`
	State         State       `json:"state" enum:"uploading,queued,probing,encoding,complete,failed,cancelled,deleted"`
	Reason        string      `json:"reason,omitempty" doc:"Why it failed, for people"`
	Playable      bool        `json:"playable" doc:"It has segments that can be played now"`
	Segments      int         `json:"segments" doc:"Segments that can be played now"`
	TotalSegments int         `json:"total_segments" doc:"0 until the plan is known"`
	Duration      float64     `json:"duration" doc:"Seconds; 0 until the plan is known"`
	Progress      float64     `json:"progress" minimum:"0" maximum:"1" doc:"Of the current state's work: bytes while uploading, pictures and samples while encoding"`
	Renditions    []Rendition `json:"renditions" nullable:"false"`
	Master        MasterInfo  `json:"master"`
	Created       time.Time   `json:"created"`
}

// Rendition is how far one rendition is.
type Rendition struct {
	Name  string         `json:"name" example:"480p"`
	Kind  weir.TrackKind `json:"kind" example:"video"`
	Done  int64          `json:"done" doc:"Frames (video) or samples (audio) that are encoded"`
	Total int64          `json:"total"`
}

// MasterInfo is the uploaded file. SHA256 is empty until all of it is here.
type MasterInfo struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

// JobStatus is what the job ledger knows of an asset.
type JobStatus struct {
	State         weir.JobState
	Probing       bool // pending, and a worker is at its plan
	Reason        string
	Segments      int // listed in the head
	TotalSegments int
	Duration      weir.Rational // of the plan; unknown before it
	Renditions    []Rendition   // of the plan
}

// Jobs is the job ledger, as ingest needs it.
type Jobs interface {
	// Status is NotFound while the asset has no job.
	Status(ctx context.Context, asset string) (JobStatus, error)
}

// Status is the asset's. NotFound; a deleted asset has one too.
func (s *Service) Status(ctx context.Context, organisation, id string) (Status, error) {
	r, err := s.load(ctx, organisation, id)
	if err != nil {
		return Status{}, err
	}
	return s.status(ctx, r)
}

func (s *Service) status(ctx context.Context, r Record) (Status, error) {
	a := r.Asset
	st := Status{ID: a.ID, Title: a.Title, Reason: a.Reason, Renditions: []Rendition{}, Created: a.Created,
		Master: MasterInfo{Name: a.Master.Name, Size: a.Master.Size, SHA256: a.Master.SHA256}}
	switch a.State {
	case weir.AssetUploading:
		st.State = StateUploading
		if f, err := os.Stat(s.path(a.ID)); err == nil && a.Master.Size > 0 {
			st.Progress = fraction(f.Size(), a.Master.Size)
		}
		return st, nil
	case weir.AssetFailed:
		st.State = StateFailed
		return st, nil
	case weir.AssetDeleted:
		st.State = StateDeleted
		return st, nil
	}
	job, err := s.c.Jobs.Status(ctx, a.ID)
	if weir.KindOf(err) == weir.NotFound {
		st.State = StateQueued
		return st, nil
	}
	if err != nil {
		return Status{}, err
	}
	st.of(job)
	return st, nil
}

// of takes over what the job says.
func (st *Status) of(job JobStatus) {
	switch job.State {
	case weir.JobPending:
		st.State = StateQueued
		if job.Probing {
			st.State = StateProbing
		}
	case weir.JobRunning:
		st.State = StateEncoding
	case weir.JobDone:
		st.State = StateComplete
	case weir.JobFailed:
		st.State = StateFailed
	case weir.JobCancelled:
		st.State = StateCancelled
	}
	st.Reason = job.Reason
	st.Segments, st.TotalSegments, st.Duration = job.Segments, job.TotalSegments, job.Duration.Float()
	st.Playable = job.Segments > 0 && st.State != StateFailed && st.State != StateCancelled // also while it is planned anew
	if job.Renditions != nil {
		st.Renditions = job.Renditions
	}
	for _, r := range st.Renditions {
		st.Progress += fraction(r.Done, r.Total) / float64(len(st.Renditions))
	}
	if st.State == StateComplete {
		st.Progress = 1
	}
	st.Progress = min(st.Progress, 1)
}

func fraction(done, total int64) float64 {
	if total <= 0 {
		return 0
	}
	return min(1, max(0, float64(done)/float64(total)))
}
