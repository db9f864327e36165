package enginetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

func ledgerClaimOrder(l *ledgerTest) {
	l.later(time.Second)
	l.planned("young", 0)
	l.later(-time.Second)
	l.planned("b", 2, 1) // task 2 is wanted before 1
	l.planned("a", 0)    // as old as b
	l.later(2 * time.Second)
	l.create("new") // has no plan yet
	l.create("held")
	r := l.request()
	r.Masters = []string{"master-b", "master-young", "master-held"}
	var got []string
	for range 6 {
		c := l.claim(r)
		got = append(got, fmt.Sprint(c.Job.Asset, c.Task.N))
	}
	l.same("claims with masters b, young and held", got, []string{"held0", "new0", "b2", "b1", "a1", "young1"})
	_, err := l.engine.Claims.Claim(l.Context(), r)
	l.kind("Claim of nothing", err, weir.NotFound)
}

func ledgerClaimTools(l *ledgerTest) {
	l.create("a1")
	tasks := []weir.Task{{N: 1, Kind: weir.TaskVideo, Tool: "v1"}, {N: 2, Kind: weir.TaskVideo, Tool: "v2"}, {N: 3, Kind: weir.TaskStill}}
	l.ok("Planned", l.engine.Claims.Planned(l.Context(), l.claim(l.request()), []byte("p"), tasks))
	f := func(want int, tools ...string) {
		l.Helper()
		r := l.request()
		r.Tools = tools
		c, err := l.engine.Claims.Claim(l.Context(), r)
		if want == 0 {
			l.kind(fmt.Sprint("Claim with ", tools), err, weir.NotFound)
		} else if err != nil || c.Task.N != want {
			l.Errorf("Claim with %q = task %d, %v, want %d", tools, c.Task.N, err, want)
		}
	}
	f(2, "v2")
	f(3)
	f(0, "v2", "v3")
	f(1, "v3", "v1")
}

func ledgerHeartbeat(l *ledgerTest) {
	c := l.working("a1")
	l.ok("Heartbeat", l.engine.Claims.Heartbeat(l.Context(), c, 17, l.now.Add(time.Hour)))
	task := l.tasks("a1")[1]
	if task.Progress != 17 || !task.Lease.Equal(l.now.Add(time.Hour)) || task.Worker != "w" {
		l.Errorf("task after Heartbeat = %+v", task)
	}
	l.later(time.Hour)
	_, err := l.engine.Claims.Claim(l.Context(), l.request())
	l.kind("Claim while the lease holds", err, weir.NotFound)
	l.later(time.Second)
	l.ok("Heartbeat by the one who was late, but not replaced", l.engine.Claims.Heartbeat(l.Context(), c, 18, l.now.Add(time.Hour)))
	c.Task.N = 99
	l.kind("Heartbeat of no task", l.engine.Claims.Heartbeat(l.Context(), c, 0, l.now), weir.Conflict)
}

func ledgerStolenLease(l *ledgerTest) {
	old := l.working("a1")
	l.ok("Record", l.engine.Claims.Record(l.Context(), old, weir.Record{Seq: 0, Body: []byte("r0")}, false))
	l.later(time.Minute + time.Second)
	r := l.request()
	r.Worker = "thief"
	c := l.claim(r)
	if c.Task.N != old.Task.N || c.Task.Fence <= old.Task.Fence || c.Task.Attempt != old.Task.Attempt+1 || c.Task.Worker != "thief" {
		l.Errorf("stolen task = %+v, was %+v", c.Task, old.Task)
	}
	l.same("what was recorded", c.Records, []weir.Record{{Job: c.Job.ID, Task: 1, Seq: 0, Body: []byte("r0")}})
	before := l.tasks("a1")
	l.refused(old)
	l.same("tasks after refused writes", l.tasks("a1"), before)
	l.ok("Record by the thief", l.engine.Claims.Record(l.Context(), c, weir.Record{Seq: 1, Body: []byte("r1")}, true))
	l.refused(old)
}

func ledgerRecords(l *ledgerTest) {
	c := l.working("a1")
	f := func(seq int, final bool) error {
		return l.engine.Claims.Record(l.Context(), c, weir.Record{Seq: seq, Body: fmt.Appendf(nil, "body %d", seq)}, final)
	}
	l.kind("Record with a hole", f(1, false), weir.Invalid)
	l.ok("Record 0", f(0, false))
	l.kind("Record 0 again", f(0, true), weir.Conflict)
	l.ok("Record 1", f(1, true))
	l.kind("Record after the last", f(2, false), weir.Conflict)
	if s := l.tasks("a1")[1].State; s != weir.TaskDone {
		l.Errorf("state after the final record = %s", s)
	}
	l.later(time.Hour)
	_, err := l.engine.Claims.Claim(l.Context(), l.request())
	l.kind("Claim of a done task", err, weir.NotFound)
	got, err := l.engine.Jobs.Records(l.Context(), c.Job.ID)
	l.ok("Records", err)
	l.same("records", got, []weir.Record{
		{Job: c.Job.ID, Task: 1, Seq: 0, Body: []byte("body 0")}, {Job: c.Job.ID, Task: 1, Seq: 1, Body: []byte("body 1")}})
	none, err := l.engine.Jobs.Records(l.Context(), "unknown")
	if err != nil || len(none) != 0 {
		l.Errorf("Records of no job = %v, %v", none, err)
	}
}

func ledgerRelease(l *ledgerTest) {
	c := l.working("a1")
	l.ok("Release", l.engine.Claims.Release(l.Context(), c))
	task := l.tasks("a1")[1]
	if task.State != weir.TaskReady || task.Attempt != 0 || task.Worker != "" || !task.Lease.IsZero() {
		l.Errorf("task after Release = %+v", task)
	}
	l.refused(c)
	again := l.claim(l.request()) // at once
	if again.Task.Attempt != 1 || again.Task.Fence <= c.Task.Fence {
		l.Errorf("task claimed after Release = %+v", again.Task)
	}
	l.refused(c)
}

func ledgerFailAndRetry(l *ledgerTest) {
	l.planned("a1", 0, 1)
	c, other := l.claim(l.request()), l.claim(l.request())
	for attempt := 1; attempt < 3; attempt++ {
		l.ok("Fail", l.engine.Claims.Fail(l.Context(), c, "it broke", false, 3))
		l.refused(c)
		_, err := l.engine.Claims.Claim(l.Context(), l.request())
		l.kind("Claim right after Fail", err, weir.NotFound)
		l.ok("Heartbeat of the other", l.engine.Claims.Heartbeat(l.Context(), other, 0, l.now.Add(time.Hour)))
		l.later(time.Minute)
		if c = l.claim(l.request()); c.Task.N != 1 || c.Task.Attempt != attempt+1 {
			l.Errorf("claim after Fail = %+v", c.Task)
		}
	}
	if s := l.job("a1").State; s != weir.JobRunning || len(l.engine.Facts()) != 0 {
		l.Errorf("state = %s, facts = %v before the last attempt", s, l.engine.Facts())
	}
	l.ok("Fail", l.engine.Claims.Fail(l.Context(), c, "it broke", false, 3))
	l.failed("a1", "it broke")
	l.refused(other)
}

func ledgerFailFinally(l *ledgerTest) {
	l.create("a1")
	c := l.claim(l.request())
	reason := strings.Repeat("é", 40_000) // what a tool had to say
	l.ok("Fail", l.engine.Claims.Fail(l.Context(), c, reason, true, 3))
	l.failed("a1", reason)
	l.refused(c)
	l.later(time.Hour)
	_, err := l.engine.Claims.Claim(l.Context(), l.request())
	l.kind("Claim of a failed job", err, weir.NotFound)
	l.kind("Planned after it", l.engine.Claims.Planned(l.Context(), c, []byte("p"), nil), weir.Conflict)
}

// failed: the job is, and its fact went out once; the reason may be cut.
func (l *ledgerTest) failed(asset, reason string) {
	l.Helper()
	job := l.job(asset)
	if job.State != weir.JobFailed || job.Reason == "" || !strings.HasPrefix(reason, job.Reason) || !job.Updated.Equal(l.now) {
		l.Errorf("failed job = %+v", job)
	}
	facts := l.engine.Facts()
	if len(facts) != 1 {
		l.Fatalf("%d facts are out, want 1", len(facts))
	}
	f := facts[0]
	l.same("fact", f, weir.Fact{ID: f.ID, Type: weir.FactAssetFailed, Source: "transcode", Subject: asset, Time: l.now, DataVersion: 1,
		Organisation: "org", Revision: f.Revision, Data: f.Data})
	var data struct{ Reason string }
	if err := json.Unmarshal(f.Data, &data); err != nil || data.Reason != job.Reason || f.Revision < 1 {
		l.Errorf("fact's data = %q, %v, revision %d", f.Data, err, f.Revision)
	}
}

func ledgerFailed(l *ledgerTest) {
	f := func(limit int, want ...string) {
		l.Helper()
		jobs, err := l.engine.Failed.Failed(l.Context(), l.now, limit)
		l.ok("Failed", err)
		var got []string
		for _, j := range jobs {
			got = append(got, j.Asset)
			if j.State != weir.JobFailed || j.Organisation != "org" || len(j.Plan) > 0 {
				l.Errorf("failed job = %+v", j)
			}
		}
		l.same("assets of failed jobs", got, want)
	}
	l.working("running")
	l.working("cancelled")
	l.ok("Cancel", l.engine.Jobs.Cancel(l.Context(), "cancelled", l.now))
	for _, asset := range []string{"b", "a"} {
		l.later(time.Second)
		l.ok("Fail", l.engine.Claims.Fail(l.Context(), l.working(asset), "it broke", true, 1))
	}
	f(9, "b") // a failed just now, which is not before now
	l.later(time.Second)
	f(9, "b", "a")
	f(1, "b")
	for range 2 {
		l.ok("Collected", l.engine.Failed.Collected(l.Context(), "job-b"))
		l.ok("Collected of a job that runs", l.engine.Failed.Collected(l.Context(), "job-running"))
	}
	f(9, "a")
	if job := l.job("b"); job.State != weir.JobFailed || job.Reason != "it broke" {
		l.Errorf("collected job = %+v", job)
	}
}

func ledgerExactlyOnce(l *ledgerTest) {
	const workers, tasks = 16, 200
	l.create("a1")
	plan := make([]weir.Task, tasks)
	for i := range plan {
		plan[i] = weir.Task{N: i + 1, Kind: weir.TaskVideo, Order: i / 7}
	}
	l.ok("Planned", l.engine.Claims.Planned(l.Context(), l.claim(l.request()), []byte("p"), plan))
	var mu sync.Mutex
	claimed := map[int]int{}
	var wait sync.WaitGroup
	for w := range workers {
		r := l.request()
		r.Worker = fmt.Sprint("w", w)
		wait.Go(func() {
			for {
				c, err := l.engine.Claims.Claim(l.Context(), r)
				if weir.KindOf(err) == weir.NotFound {
					return
				}
				if err != nil || c.Task.Worker != r.Worker {
					l.Errorf("Claim = %+v, %v", c.Task, err)
					return
				}
				mu.Lock()
				claimed[c.Task.N]++
				mu.Unlock()
				if err := l.engine.Claims.Record(l.Context(), c, weir.Record{Body: []byte("r")}, true); err != nil {
					l.Errorf("Record = %v", err)
				}
			}
		})
	}
	wait.Wait()
	for n := 1; n <= tasks; n++ {
		if claimed[n] != 1 {
			l.Errorf("task %d was claimed %d times", n, claimed[n])
		}
	}
	if records, err := l.engine.Jobs.Records(l.Context(), "job-a1"); err != nil || len(records) != tasks {
		l.Errorf("there are %d records, %v, want %d", len(records), err, tasks)
	}
}
