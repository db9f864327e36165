package enginetest

import (
	"time"

	weir "github.com/weirstream/weir"
)

// toolPatience is how long these tests let a task wait for a tool.
const toolPatience = 10 * time.Minute

// replan has a sweeper come by that has these tools.
func (l *ledgerTest) replan(want int, tools ...string) {
	l.Helper()
	if n, err := l.engine.Jobs.Replan(l.Context(), tools, l.now, l.now.Add(-toolPatience)); err != nil || n != want {
		l.Errorf("Replan with %q = %d, %v, want %d", tools, n, err, want)
	}
}

// tooled makes a running job with a task for each tool.
func (l *ledgerTest) tooled(asset string, tools ...string) {
	l.Helper()
	l.create(asset)
	l.replanned(asset, tools...)
}

// replanned plans the only job that has no plan.
func (l *ledgerTest) replanned(asset string, tools ...string) weir.Claim {
	l.Helper()
	var tasks []weir.Task
	for i, tool := range tools {
		tasks = append(tasks, weir.Task{N: i + 1, Kind: weir.TaskVideo, Order: i, Tool: tool, Total: 9})
	}
	c := l.claim(l.request())
	if c.Job.Asset != asset || c.Task.N != 0 {
		l.Fatalf("claim is of task %d of %s, want the plan task of %s", c.Task.N, c.Job.Asset, asset)
	}
	l.ok("Planned", l.engine.Claims.Planned(l.Context(), c, []byte("plan"), tasks))
	return c
}

func ledgerReplanWhen(l *ledgerTest) {
	l.replan(0, "old", "new")
	l.tooled("a1", "old", "old")
	l.tooled("a2", "new", "", "new")
	l.later(toolPatience)
	l.replan(0, "new") // old was there ten minutes ago, not before
	l.later(time.Second)
	r := l.request()
	r.Tools, r.Until = []string{"old"}, l.now.Add(time.Hour)
	c1, c2 := l.claim(r), l.claim(r)
	l.replan(0, "new") // both are being done, so somebody has it
	l.ok("Release", l.engine.Claims.Release(l.Context(), c2))
	l.replan(0, "new", "old")
	l.later(toolPatience + time.Second)
	l.replan(1, "new")
	l.refused(c1)
	if job := l.job("a2"); job.State != weir.JobRunning || job.Revision != 1 || len(l.tasks("a2")) != 4 {
		l.Errorf("the other job = %+v", job)
	}
	l.replan(0, "new")
	l.replanned("a1", "old")
	l.ok("Cancel", l.engine.Jobs.Cancel(l.Context(), "a1", l.now))
	l.later(toolPatience + time.Second)
	l.replan(0, "new")
}

func ledgerReplanLeavesNothing(l *ledgerTest) {
	l.tooled("a1", "old", "old", "old")
	r := l.request()
	r.Tools = []string{"old"}
	done, half, late := l.claim(r), l.claim(r), l.claim(r)
	l.ok("Record", l.engine.Claims.Record(l.Context(), done, weir.Record{Body: []byte("r")}, true))
	l.ok("Assembled", l.engine.Jobs.Assembled(l.Context(), done.Job, 1, false, l.fact("a1", 1)))
	l.ok("Record", l.engine.Claims.Record(l.Context(), half, weir.Record{Body: []byte("r")}, false))
	l.later(2 * time.Minute) // all leases are out
	before := l.job("a1")
	l.replan(1, "new")
	want := before
	want.State, want.Plan, want.Revision, want.Superseded, want.Updated = weir.JobPending, nil, 2, 2, l.now
	l.same("the job", l.job("a1"), want)
	tasks := l.tasks("a1")
	if len(tasks) != 1 || tasks[0].N != 0 || tasks[0].State != weir.TaskReady || tasks[0].Attempt != 0 || tasks[0].Worker != "" {
		l.Errorf("tasks = %+v, want a plan task nobody claimed", tasks)
	}
	l.nothingRecorded(before)
	l.unassembled()
	plan := l.replanned("a1", "new", "new", "new")
	if plan.Task.Fence <= half.Task.Fence {
		l.Errorf("fence of the next plan is %d after one of %d", plan.Task.Fence, half.Task.Fence)
	}
	r = l.request()
	r.Tools = []string{"new"}
	for _, old := range []weir.Claim{done, half, late} {
		c := l.claim(r)
		if c.Task.N != old.Task.N || c.Task.Fence <= late.Task.Fence || c.Task.Attempt != 1 || len(c.Records) != 0 || c.Job.Revision != 2 {
			l.Errorf("claim of the next plan = %+v, before it was %+v", c.Task, old.Task)
		}
		l.refused(old)
	}
	l.nothingRecorded(before)
}

// nothingRecorded: the job has no records, and who still holds the job as it was cannot note any.
func (l *ledgerTest) nothingRecorded(old weir.Job) {
	l.Helper()
	l.ok("Assembled for the earlier plan", l.engine.Jobs.Assembled(l.Context(), old, 9, true, l.fact("a1", 9)))
	records, err := l.engine.Jobs.Records(l.Context(), old.ID)
	if err != nil || len(records) != 0 || len(l.engine.Facts()) != 1 {
		l.Errorf("records = %+v, %v, %d facts; want none of the earlier plan and no fact", records, err, len(l.engine.Facts()))
	}
}

func ledgerReplanCounts(l *ledgerTest) {
	l.tooled("a1", "old", "old")
	r := l.request()
	r.Tools = []string{"old", "new"}
	for range 2 {
		l.ok("Record", l.engine.Claims.Record(l.Context(), l.claim(r), weir.Record{Body: []byte("r")}, false))
	}
	l.later(2 * time.Minute)
	l.replan(1, "new")
	l.replanned("a1", "new", "new")
	r.Now, r.Until = l.now, l.now.Add(time.Minute)
	c := l.claim(r)
	l.ok("Record", l.engine.Claims.Record(l.Context(), c, weir.Record{Body: []byte("r")}, true))
	l.unassembled("a1")
	l.ok("Assembled of none", l.engine.Jobs.Assembled(l.Context(), c.Job, 0, false, l.fact("a1", 2)))
	l.unassembled("a1")
	l.ok("Assembled", l.engine.Jobs.Assembled(l.Context(), c.Job, 1, false, l.fact("a1", 3)))
	l.unassembled()
	l.ok("Fail", l.engine.Claims.Fail(l.Context(), l.claim(r), "it broke", true, 1))
	facts := l.engine.Facts()
	if n := len(facts); n != 3 || facts[2].Type != weir.FactAssetFailed || facts[2].Revision != 4 {
		l.Errorf("facts = %+v, want the failure's after those of 2 superseded records and 1", facts)
	}
}
