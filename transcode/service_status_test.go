package transcode_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

func TestStatusOf(t *testing.T) {
	plan := testPlan()
	job := weir.Job{State: weir.JobRunning, Plan: plan.Encode()}
	tasks := append([]weir.Task{{Kind: weir.TaskPlan, State: weir.TaskDone}}, plan.LedgerTasks("job")...)
	tasks[1].State = weir.TaskDone
	tasks[2].State, tasks[2].Progress = weir.TaskLeased, 50
	tasks[3].State, tasks[3].Progress = weir.TaskReady, 70 // of an attempt that was lost
	tasks[5].State, tasks[5].Progress = weir.TaskLeased, 9_999_999
	got, err := transcode.StatusOf(job, tasks)
	if err != nil {
		t.Fatal(err)
	}
	want := transcode.Status{State: weir.JobRunning, Renditions: []transcode.RenditionStatus{
		{Rendition: "high", Kind: weir.Video, Name: "720p", Done: 150, Total: 1000},
		{Rendition: "low", Kind: weir.Video, Name: "360p", Done: 150, Total: 1000},
		{Rendition: "stereo", Kind: weir.Audio, Name: "stereo", Done: 1_920_000, Total: 1_920_000}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("StatusOf (-want +got):\n%s", diff)
	}
	got, err = transcode.StatusOf(weir.Job{State: weir.JobFailed, Reason: "no picture"}, tasks[:1])
	if want := (transcode.Status{State: weir.JobFailed, Reason: "no picture"}); err != nil || !cmp.Equal(want, got) {
		t.Errorf("StatusOf a job without a plan = %+v, %v", got, err)
	}
	if _, err := transcode.StatusOf(weir.Job{Plan: []byte("{")}, nil); err == nil {
		t.Error("StatusOf a damaged plan gave no error")
	}
}
