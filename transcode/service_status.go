package transcode

import (
	weir "github.com/weirstream/weir"
)

// Status is how far a job is, for people.
type Status struct {
	State      weir.JobState
	Reason     string            // why it failed, in a sentence
	Renditions []RenditionStatus // in the order of the plan; empty until there is one
}

// RenditionStatus is how far one rendition is: frames of video, or samples of audio.
type RenditionStatus struct {
	Rendition string
	Kind      weir.TrackKind
	Name      string // "480p", "stereo"
	Done      int64
	Total     int64
}

// StatusOf counts what the tasks of a job say is done. All video renditions advance together, because one decode makes
// all of a chunk. Progress of an attempt that was lost is taken back. The error is of kind Internal: a damaged plan.
func StatusOf(job weir.Job, tasks []weir.Task) (Status, error) {
	s := Status{State: job.State, Reason: job.Reason}
	if len(job.Plan) == 0 {
		return s, nil
	}
	plan, err := ParsePlan(job.Plan)
	if err != nil {
		return Status{}, err
	}
	var video RenditionStatus
	audio := make([]RenditionStatus, len(plan.Audio))
	for _, t := range tasks {
		if t.N < 1 || t.N > len(plan.Tasks) {
			continue
		}
		switch spec := plan.Tasks[t.N-1]; spec.Kind {
		case weir.TaskVideo:
			video.count(t)
		case weir.TaskAudio:
			audio[spec.Audio].count(t)
		}
	}
	for _, v := range plan.Video {
		s.Renditions = append(s.Renditions, RenditionStatus{v.ID, weir.Video, v.Rung.Name, video.Done, video.Total})
	}
	for i, a := range plan.Audio {
		s.Renditions = append(s.Renditions, RenditionStatus{a.ID, weir.Audio, a.Rung.Name, audio[i].Done, audio[i].Total})
	}
	return s, nil
}

func (r *RenditionStatus) count(t weir.Task) {
	r.Total += t.Total
	switch t.State {
	case weir.TaskDone:
		r.Done += t.Total
	case weir.TaskLeased:
		r.Done += min(t.Progress, t.Total)
	}
}
