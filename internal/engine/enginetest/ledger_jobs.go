package enginetest

import (
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
)

func ledgerCreate(l *ledgerTest) {
	job := l.newJob("a1")
	l.ok("Create", l.engine.Jobs.Create(l.Context(), job))
	job.State, job.Updated, job.Revision = weir.JobPending, job.Created, 1
	l.same("the job", l.job("a1"), job)
	l.same("its tasks", l.tasks("a1"), []weir.Task{{Job: job.ID, Kind: weir.TaskPlan, State: weir.TaskReady}})
	_, _, err := l.engine.Jobs.Job(l.Context(), "unknown")
	l.kind("Job of an unknown asset", err, weir.NotFound)
	bad := l.newJob("a2")
	bad.Asset = "../a2"
	l.kind("Create with a bad id", l.engine.Jobs.Create(l.Context(), bad), weir.Invalid)
}

func ledgerCreateTwice(l *ledgerTest) {
	c := l.working("a1")
	before, tasks := l.job("a1"), l.tasks("a1")
	second := l.newJob("a1")
	second.ID, second.Master.ID = "another", "another"
	l.ok("Create of a second job", l.engine.Jobs.Create(l.Context(), second))
	l.same("the job", l.job("a1"), before)
	l.same("its tasks", l.tasks("a1"), tasks)
	l.ok("Cancel", l.engine.Jobs.Cancel(l.Context(), "a1", l.now))
	l.ok("Create after the end", l.engine.Jobs.Create(l.Context(), l.newJob("a1")))
	if s := l.job("a1").State; s != weir.JobCancelled {
		l.Errorf("state = %s, want the first job's", s)
	}
	taken := l.newJob("a2")
	taken.ID = c.Job.ID
	l.kind("Create with another job's id", l.engine.Jobs.Create(l.Context(), taken), weir.Conflict)
}

func ledgerPlanned(l *ledgerTest) {
	l.create("a1")
	c := l.claim(l.request())
	l.same("claimed task", c.Task, weir.Task{Job: "job-a1", Kind: weir.TaskPlan, State: weir.TaskLeased, Attempt: 1, Fence: 1,
		Worker: "w", Lease: l.now.Add(time.Minute)})
	l.same("its job", c.Job, l.job("a1"))
	tasks := []weir.Task{
		{N: 2, Kind: weir.TaskAudio, Order: 1, Tool: "x264 164", Total: 48000},
		{N: 1, Kind: weir.TaskVideo, Order: 5, Tool: "x264 164", Total: 250},
	}
	l.later(time.Second)
	l.kind("Planned with a task 0", l.engine.Claims.Planned(l.Context(), c, []byte("p"), []weir.Task{{N: 0}}), weir.Invalid)
	l.ok("Planned", l.engine.Claims.Planned(l.Context(), c, []byte("\x00plan"), tasks))
	l.kind("Planned again", l.engine.Claims.Planned(l.Context(), c, []byte("other"), tasks), weir.Conflict)
	job := l.job("a1")
	if job.State != weir.JobRunning || string(job.Plan) != "\x00plan" || !job.Updated.Equal(l.now) {
		l.Errorf("job after Planned = %+v", job)
	}
	got := l.tasks("a1")
	l.same("plan task's state", got[0].State, weir.TaskDone)
	l.same("the others", got[1:], []weir.Task{
		{Job: "job-a1", N: 1, Kind: weir.TaskVideo, Order: 5, Tool: "x264 164", Total: 250, State: weir.TaskReady, Fence: 1},
		{Job: "job-a1", N: 2, Kind: weir.TaskAudio, Order: 1, Tool: "x264 164", Total: 48000, State: weir.TaskReady, Fence: 1},
	})
	r := l.request()
	r.Tools = []string{"x264 164"}
	c = l.claim(r)
	if string(c.Job.Plan) != "\x00plan" || c.Task.N != 2 {
		l.Errorf("next claim is task %d with plan %q", c.Task.N, c.Job.Plan)
	}
	l.kind("Planned by another task", l.engine.Claims.Planned(l.Context(), c, []byte("p"), nil), weir.Invalid)
}

func ledgerCancel(l *ledgerTest) {
	l.ok("Cancel of no job", l.engine.Jobs.Cancel(l.Context(), "unknown", l.now))
	c := l.working("a1")
	l.later(time.Second)
	l.ok("Cancel", l.engine.Jobs.Cancel(l.Context(), "a1", l.now))
	if job := l.job("a1"); job.State != weir.JobCancelled || !job.Updated.Equal(l.now) {
		l.Errorf("job after Cancel = %+v", job)
	}
	l.refused(c)
	l.later(time.Hour)
	_, err := l.engine.Claims.Claim(l.Context(), l.request())
	l.kind("Claim of a cancelled job", err, weir.NotFound)
	l.ok("Assembled", l.engine.Jobs.Assembled(l.Context(), c.Job, 9, true, l.fact("a1", 1)))
	l.ok("Cancel again", l.engine.Jobs.Cancel(l.Context(), "a1", l.now))
	if job := l.job("a1"); job.State != weir.JobCancelled || len(l.engine.Facts()) != 0 {
		l.Errorf("job = %+v with facts %v, want it as it was", job, l.engine.Facts())
	}
	c = l.working("a2")
	l.ok("Fail", l.engine.Claims.Fail(l.Context(), c, "it broke", true, 1))
	l.ok("Cancel of a failed job", l.engine.Jobs.Cancel(l.Context(), "a2", l.now))
	if s := l.job("a2").State; s != weir.JobFailed {
		l.Errorf("a failed job became %s", s)
	}
}

func ledgerAssembled(l *ledgerTest) {
	l.planned("a1", 0, 1)
	c1, c2 := l.claim(l.request()), l.claim(l.request())
	l.later(time.Second)
	l.create("a2")
	l.unassembled()
	l.ok("Record", l.engine.Claims.Record(l.Context(), c1, weir.Record{Body: []byte("r")}, true))
	l.unassembled("a1")
	l.ok("Assembled", l.engine.Jobs.Assembled(l.Context(), c1.Job, 1, false))
	l.unassembled()
	l.ok("Record", l.engine.Claims.Record(l.Context(), c2, weir.Record{Body: []byte("r")}, true))
	l.unassembled("a1")
	l.ok("Assembled of what is known", l.engine.Jobs.Assembled(l.Context(), c1.Job, 1, false))
	l.unassembled("a1")
	l.ok("Assembled", l.engine.Jobs.Assembled(l.Context(), c1.Job, 2, true))
	l.unassembled()
	if job := l.job("a1"); job.State != weir.JobDone || !job.Updated.Equal(l.now) {
		l.Errorf("job after Assembled = %+v", job)
	}
	l.kind("Assembled of no job", l.engine.Jobs.Assembled(l.Context(), l.newJob("unknown"), 1, false), weir.NotFound)
	l.later(time.Second)
	c3 := l.claim(l.request())
	if c3.Job.Asset != "a2" {
		l.Errorf("claim after a job is done is of %s", c3.Job.Asset)
	}
}

func ledgerAssembledFacts(l *ledgerTest) {
	c := l.working("a1")
	for seq := range 3 {
		l.ok("Record", l.engine.Claims.Record(l.Context(), c, weir.Record{Seq: seq, Body: []byte("r")}, seq == 2))
	}
	f := func(records int, done bool, fact int64, want ...int64) {
		l.Helper()
		l.ok("Assembled", l.engine.Jobs.Assembled(l.Context(), c.Job, records, done, l.fact("a1", fact)))
		var got []int64
		for _, f := range l.engine.Facts() {
			got = append(got, f.Revision)
		}
		l.same(fmt.Sprintf("facts after Assembled(%d, %t)", records, done), got, want)
	}
	f(2, false, 10, 10)
	f(1, false, 11, 10) // an older view: neither the count nor its facts
	f(1, true, 12, 10)
	l.unassembled("a1")
	f(2, false, 13, 10, 13)
	f(3, true, 14, 10, 13, 14)
	f(4, true, 15, 10, 13, 14) // it is final
	l.same("a stored fact", l.engine.Facts()[0], l.fact("a1", 10))
}

func ledgerClaimable(l *ledgerTest) {
	f := func(want int) {
		l.Helper()
		if n, err := l.engine.Jobs.Claimable(l.Context(), l.now); err != nil || n != want {
			l.Errorf("Claimable = %d, %v, want %d", n, err, want)
		}
	}
	f(0)
	l.planned("a1", 0, 1, 2)
	l.create("a2")
	f(4)
	l.claim(l.request()) // a2's
	c := l.claim(l.request())
	f(2)
	l.later(time.Minute)
	f(2) // the lease ends now, it has not ended
	l.later(time.Second)
	f(4)
	l.ok("Fail", l.engine.Claims.Fail(l.Context(), c, "it broke", false, 3))
	f(3)
	l.later(time.Minute)
	f(4)
	l.ok("Cancel", l.engine.Jobs.Cancel(l.Context(), "a2", l.now))
	f(3)
	l.ok("Cancel", l.engine.Jobs.Cancel(l.Context(), "a1", l.now))
	f(0)
}

// unassembled: these assets' jobs, oldest first, wait for the assembler.
func (l *ledgerTest) unassembled(want ...string) {
	l.Helper()
	jobs, err := l.engine.Jobs.Unassembled(l.Context(), 10)
	l.ok("Unassembled", err)
	var got []string
	for _, j := range jobs {
		got = append(got, j.Asset)
		if string(j.Plan) != "plan" || j.State != weir.JobRunning {
			l.Errorf("unassembled job = %+v", j)
		}
	}
	l.same("assets of unassembled jobs", got, want)
}

func (l *ledgerTest) fact(asset string, revision int64) weir.Fact {
	return weir.Fact{ID: fmt.Sprint("fact", revision), Type: weir.FactAssetPlayable, Source: "transcode", Subject: asset, Time: l.now,
		DataVersion: 1, Organisation: "org", Revision: revision, Data: []byte(`{"a":1}`)}
}
