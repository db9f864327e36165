package enginetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// atOnce runs n calls at once and waits for them.
func atOnce(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() { <-start; f(i) })
	}
	close(start)
	all.Wait()
}

// ledgerCreateRace: of many who create the job of one asset, under one id or several, all succeed and one job is there.
func ledgerCreateRace(l *ledgerTest) {
	for round := range 5 {
		asset := fmt.Sprint("a", round)
		atOnce(8, func(i int) {
			job := l.newJob(asset)
			job.ID = fmt.Sprint(job.ID, "-", i/4)
			if err := l.engine.Jobs.Create(l.Context(), job); err != nil {
				l.Errorf("Create of job %s = %v", job.ID, err)
			}
		})
		l.same("tasks", len(l.tasks(asset)), 1)
	}
	if n, err := l.engine.Jobs.Claimable(l.Context(), l.now); err != nil || n != 5 {
		l.Errorf("Claimable = %d, %v, want 5", n, err)
	}
}

// ledgerClaimRace: many at once claim the tasks of many jobs, when nobody had them and when all leases ended: each task has
// one holder at a time, and no claimer is told that there is nothing while there is.
func ledgerClaimRace(l *ledgerTest) {
	const jobs, each, workers = 6, 8, 12
	for j := range jobs {
		l.planned(fmt.Sprint("a", j), make([]int, each)...)
	}
	for round := 1; round <= 3; round++ {
		var mu sync.Mutex
		got := map[string]int{}
		atOnce(workers, func(w int) {
			r := l.request()
			r.Worker = fmt.Sprint("w", w)
			for range jobs * each / workers {
				c, err := l.engine.Claims.Claim(l.Context(), r)
				if err != nil {
					l.Errorf("Claim = %v", err)
					return
				}
				if c.Task.Attempt != round || c.Task.Worker != r.Worker {
					l.Errorf("claim in round %d = %+v", round, c.Task)
				}
				mu.Lock()
				got[fmt.Sprint(c.Task.Job, " ", c.Task.N)]++
				mu.Unlock()
			}
		})
		if len(got) != jobs*each {
			l.Errorf("round %d gave %d tasks out, want %d", round, len(got), jobs*each)
		}
		_, err := l.engine.Claims.Claim(l.Context(), l.request())
		l.kind("Claim when all are held", err, weir.NotFound)
		l.later(2 * time.Minute)
	}
}

// ledgerThiefRace: a holder records at the moment its lease is taken over: one of the two has the task.
func ledgerThiefRace(l *ledgerTest) {
	const rounds = 20
	l.planned("a1", make([]int, 2*rounds)...)
	for range rounds {
		l.later(2 * time.Minute)
		old := l.claim(l.request())
		l.later(2 * time.Minute)
		var recorded, stolen error
		var thief weir.Claim
		atOnce(2, func(i int) {
			if i == 0 {
				recorded = l.engine.Claims.Record(l.Context(), old, weir.Record{Body: []byte("old")}, true)
			} else {
				thief, stolen = l.engine.Claims.Claim(l.Context(), l.request())
			}
		})
		if recorded != nil && weir.KindOf(recorded) != weir.Conflict || stolen != nil && weir.KindOf(stolen) != weir.NotFound {
			l.Fatalf("Record = %v, Claim = %v", recorded, stolen)
		}
		if took := stolen == nil && thief.Task.N == old.Task.N; took == (recorded == nil) {
			l.Fatalf("Record of task %d = %v, and Claim got task %d, %v", old.Task.N, recorded, thief.Task.N, stolen)
		}
		if stolen == nil {
			l.ok("Record by the thief", l.engine.Claims.Record(l.Context(), thief, weir.Record{Body: []byte("new")}, true))
		}
	}
}

// ledgerEndRace: holders record and fail while the job is cancelled, failed or planned anew: what is stored agrees with
// itself, and a fact of the failure goes out once.
func ledgerEndRace(l *ledgerTest) {
	for round := range 12 {
		asset := fmt.Sprint("a", round)
		l.tooled(asset, "old", "old", "old", "old")
		r := l.request()
		r.Tools = []string{"old"}
		claims := []weir.Claim{l.claim(r), l.claim(r), l.claim(r)}
		facts := len(l.engine.Facts())
		var stored, failed atomic.Int32
		note := func(n *atomic.Int32, what string, err error) {
			if err == nil {
				n.Add(1)
			} else if weir.KindOf(err) != weir.Conflict {
				l.Errorf("%s = %v", what, err)
			}
		}
		atOnce(4, func(i int) {
			ctx := l.Context()
			switch {
			case i < 2:
				note(&stored, "Record", l.engine.Claims.Record(ctx, claims[i], weir.Record{Body: []byte("r")}, true))
			case i == 2:
				note(&failed, "Fail", l.engine.Claims.Fail(ctx, claims[2], "it broke", round%3 == 0, 9))
			default:
				l.end(ctx, round, asset)
			}
		})
		l.agrees(asset, int(stored.Load()), len(l.engine.Facts())-facts, round%3 == 0 && failed.Load() == 1)
		l.ok("Cancel", l.engine.Jobs.Cancel(l.Context(), asset, l.now))
	}
}

// end ends or restarts the job in one of the ways.
func (l *ledgerTest) end(ctx context.Context, round int, asset string) {
	if round%2 == 0 {
		l.ok("Cancel", l.engine.Jobs.Cancel(ctx, asset, l.now))
		return
	}
	_, err := l.engine.Jobs.Replan(ctx, nil, l.now, l.now.Add(time.Second)) // nobody has the tool
	l.ok("Replan", err)
}

// agrees: the job has the records that its writers were told are stored, and its state is that of its tasks and facts.
func (l *ledgerTest) agrees(asset string, stored, facts int, failed bool) {
	l.Helper()
	job, tasks := l.job(asset), l.tasks(asset)
	records, err := l.engine.Jobs.Records(l.Context(), job.ID)
	l.ok("Records", err)
	if job.Revision == 1 && len(records) != stored || job.Revision == 2 && (job.Superseded != stored || len(records) != 0 || len(tasks) != 1) {
		l.Errorf("%d records were stored, the job has %d, %d tasks: %+v", stored, len(records), len(tasks), job)
	}
	if failed != (job.State == weir.JobFailed) || failed != (facts == 1) || facts > 1 {
		l.Errorf("Fail succeeded: %t, with %d facts; job = %+v", failed, facts, job)
	}
}
