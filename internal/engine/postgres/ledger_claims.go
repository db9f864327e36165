package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

var _ transcode.Claims = (*Ledger)(nil)

// A task rests after a failed attempt: 1 s, doubled with every further one up to a minute.
const (
	restFirst = time.Second
	restMost  = time.Minute
)

const maxReason = 4 << 10 // bytes: it has to fit into a fact

const (
	// claimable is true of a row of task, in a job that is open, when $1 has come; first in the words of the index.
	claimable = `task.state IN ('ready', 'leased')
		AND (task.state = 'ready' AND task.not_before <= $1 OR task.state = 'leased' AND task.lease < $1)`

	// held is true of a row of task whose claim still stands; it takes job, n and fence.
	held = `task.job = $1 AND task.n = $2 AND task.fence = $3 AND task.state = 'leased'
		AND EXISTS (SELECT 1 FROM job WHERE job.id = task.job AND ` + openJob + `)`

	claimableBy = claimable + ` AND (task.tool = '' OR task.tool = ANY ($2::text[]))`

	// claim leases the best task that nobody is claiming right now: jobs are tried in order, and of each the best of its tasks
	// that is not locked. The order of the inner query is kept, because the lateral one can only be run for each of its rows
	// in turn, and locks a row when it is its turn; an ORDER BY outside would lock a task of every job first. A pending job has
	// only its plan task, and its state sorts before the other.
	claim = `WITH best AS MATERIALIZED (
			SELECT t.job, t.n FROM (
				SELECT job.id FROM job WHERE ` + openJob + `
				ORDER BY job.state, job.created, job.master_id = ANY ($3::text[]) DESC, job.id) AS j
			CROSS JOIN LATERAL (
				SELECT task.job, task.n FROM task WHERE task.job = j.id AND ` + claimableBy + `
				ORDER BY task.wanted, task.n LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS t
			LIMIT 1)
		UPDATE task SET state = 'leased', attempt = attempt + 1, fence = fence + 1, worker = $4, lease = $5
		FROM best WHERE task.job = best.job AND task.n = best.n
		RETURNING ` + taskColumns
)

// Claim leases the best claimable task and reads what belongs to it, in one transaction. It passes by tasks that others are
// claiming at this moment.
func (l *Ledger) Claim(ctx context.Context, r transcode.ClaimRequest) (c weir.Claim, err error) {
	at(l.At, "ledger.before-claim")
	err = l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		if again && c.Task.Fence > 0 { // of an earlier run
			if ours, err := stillLeased(ctx, tx, c.Task); err != nil || ours {
				return err
			}
		}
		c, err = claimOnce(ctx, tx, r)
		return err
	})
	if err != nil {
		return weir.Claim{}, wrap("claim task", err)
	}
	at(l.At, "ledger.after-claim")
	return c, nil
}

func claimOnce(ctx context.Context, tx pgx.Tx, r transcode.ClaimRequest) (c weir.Claim, err error) {
	row := tx.QueryRow(ctx, claim, micros(r.Now), array(r.Tools), array(r.Masters), r.Worker, micros(r.Until))
	if c.Task, err = scanTask(row.Scan); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return weir.Claim{}, weir.Errorf(weir.NotFound, "there is no task to claim")
		}
		return weir.Claim{}, err
	}
	// Statements of their own, since the job may have been planned anew just before the task was locked.
	if c.Job, err = scanJob(tx.QueryRow(ctx, selectJob+" WHERE job.id = $1", c.Task.Job).Scan); err != nil {
		return weir.Claim{}, err
	}
	c.Records, err = query(ctx, tx, scanRecord, selectRecord+" WHERE job = $1 AND task = $2 ORDER BY seq", c.Task.Job, c.Task.N)
	return c, err
}

// array is s, never nil, which would be no list.
func array(s []string) []string { return append([]string{}, s...) }

// stillLeased says if the task is as this claim left it, once whoever has it locked is done.
func stillLeased(ctx context.Context, tx pgx.Tx, t weir.Task) (bool, error) {
	var fence int64
	var state weir.TaskState
	var worker string
	err := tx.QueryRow(ctx, "SELECT fence, state, worker FROM task WHERE job = $1 AND n = $2 FOR NO KEY UPDATE", t.Job, t.N).
		Scan(&fence, &state, &worker)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return fence == t.Fence && state == weir.TaskLeased && worker == t.Worker, err
}

// Heartbeat extends the lease and notes progress.
func (l *Ledger) Heartbeat(ctx context.Context, c weir.Claim, progress int64, until time.Time) error {
	return wrap("extend lease", l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, _ bool) error {
		return changeHeld(ctx, tx, c, "progress = $4, lease = $5", progress, micros(until))
	}))
}

// Planned ends the plan task with the plan and the tasks it asks for. Invalid: the claim is of another task, or a task's
// number is not above 0.
func (l *Ledger) Planned(ctx context.Context, c weir.Claim, plan []byte, tasks []weir.Task) error {
	if c.Task.N != 0 {
		return weir.Errorf(weir.Invalid, "task %d is not the plan task", c.Task.N)
	}
	for _, t := range tasks {
		if t.N < 1 {
			return weir.Errorf(weir.Invalid, "a planned task has the number %d", t.N)
		}
	}
	at(l.At, "ledger.before-planned")
	err := l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		if err := lockJob(ctx, tx, c); err != nil {
			return err
		}
		if again {
			done, err := left(ctx, tx, c, weir.TaskDone, "EXISTS (SELECT 1 FROM plan WHERE job = $1 AND body = $5)", blob(plan))
			if err != nil || done {
				return err
			}
		}
		if err := changeHeld(ctx, tx, c, "state = $4", weir.TaskDone); err != nil {
			return err
		}
		_, err := change(ctx, tx, "INSERT INTO plan (job, organisation, body) VALUES ($1, $2, $3)", c.Job.ID, c.Job.Organisation, blob(plan))
		if err != nil {
			return err
		}
		if err := insertTasks(ctx, tx, c.Job, c.Task.Fence, tasks); err != nil { // above the fences of a plan before this one
			return err
		}
		_, err = change(ctx, tx, "UPDATE job SET state = $1, updated = $2 WHERE id = $3", weir.JobRunning, micros(l.now()), c.Job.ID)
		return err
	})
	if err != nil {
		return wrap("store plan", err)
	}
	at(l.At, "ledger.after-planned")
	return nil
}

// Record stores a record of the claimed task, whatever job and task it names. Invalid: its Seq would leave a hole.
func (l *Ledger) Record(ctx context.Context, c weir.Claim, r weir.Record, final bool) error {
	at(l.At, "ledger.before-record")
	state := weir.TaskLeased
	if final {
		state = weir.TaskDone
	}
	err := l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		if err := lockJob(ctx, tx, c); err != nil {
			return err
		}
		if again {
			done, err := left(ctx, tx, c, state, "EXISTS (SELECT 1 FROM record WHERE job = $1 AND task = $2 AND seq = $5 AND body = $6)", r.Seq, blob(r.Body))
			if err != nil || done {
				return err
			}
		}
		if err := changeHeld(ctx, tx, c, "state = $4", state); err != nil {
			return err
		}
		var next int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM record WHERE job = $1 AND task = $2", c.Task.Job, c.Task.N).Scan(&next)
		switch {
		case err != nil:
			return err
		case r.Seq < next:
			return weir.Errorf(weir.Conflict, "record %d exists already", r.Seq)
		case r.Seq > next:
			return weir.Errorf(weir.Invalid, "record %d would leave a hole; the next is %d", r.Seq, next)
		}
		_, err = change(ctx, tx, "INSERT INTO record (job, task, seq, organisation, body) VALUES ($1, $2, $3, $4, $5)",
			c.Task.Job, c.Task.N, r.Seq, c.Job.Organisation, blob(r.Body))
		if err != nil {
			return err
		}
		_, err = change(ctx, tx, "UPDATE job SET records = records + 1, updated = $1 WHERE id = $2", micros(l.now()), c.Task.Job)
		return err
	})
	if err != nil {
		return wrap("store record", err)
	}
	at(l.At, "ledger.after-record")
	return nil
}

// Release gives the task back unharmed.
func (l *Ledger) Release(ctx context.Context, c weir.Claim) error {
	return wrap("release task", l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		err := changeHeld(ctx, tx, c, "state = $4, attempt = attempt - 1, worker = '', lease = 0", weir.TaskReady)
		return orLeft(ctx, tx, again, err, c, weir.TaskReady)
	}))
}

// Fail ends the attempt: the task rests and is tried again, or the job fails.
func (l *Ledger) Fail(ctx context.Context, c weir.Claim, reason string, final bool, maxAttempts int) error {
	at(l.At, "ledger.before-fail")
	now := l.now()
	reason = valid(reason[:min(len(reason), maxReason)])
	err := l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		if final || c.Task.Attempt >= maxAttempts {
			if err := lockJob(ctx, tx, c); err != nil {
				return err
			}
			err := changeHeld(ctx, tx, c, "state = $4, worker = '', lease = 0", weir.TaskFailed)
			if err != nil {
				return orLeft(ctx, tx, again, err, c, weir.TaskFailed)
			}
			return failJob(ctx, tx, c, reason, now)
		}
		rest := min(restFirst<<min(max(c.Task.Attempt-1, 0), 10), restMost)
		err := changeHeld(ctx, tx, c, "state = $4, worker = '', lease = 0, not_before = $5", weir.TaskReady, micros(now.Add(rest)))
		return orLeft(ctx, tx, again, err, c, weir.TaskReady)
	})
	if err != nil {
		return wrap("end attempt", err)
	}
	at(l.At, "ledger.after-fail")
	return nil
}

// failJob ends the claim's job, which is locked, with the fact of it. Its revision is above that of any fact about fewer
// records.
func failJob(ctx context.Context, tx pgx.Tx, c weir.Claim, reason string, now time.Time) error {
	var records int64
	err := tx.QueryRow(ctx, "UPDATE job SET state = $1, reason = $2, updated = $3 WHERE id = $4 RETURNING records",
		weir.JobFailed, reason, micros(now), c.Job.ID).Scan(&records)
	if err != nil {
		return err
	}
	fact, err := weir.NewFact(now, weir.FactAssetFailed, "transcode", c.Job.Organisation, c.Job.Asset, records+1,
		map[string]string{"reason": reason})
	if err != nil {
		return err
	}
	return putFacts(ctx, tx, []weir.Fact{fact})
}

// lockJob makes writers of one job take turns: their later statements see all that those before them did.
func lockJob(ctx context.Context, tx pgx.Tx, c weir.Claim) error {
	_, err := change(ctx, tx, "SELECT 1 FROM job WHERE id = $1 FOR NO KEY UPDATE", c.Task.Job)
	return err
}

// changeHeld sets columns of the claimed task, from $4 on, if the claim still stands, and is Conflict otherwise.
func changeHeld(ctx context.Context, tx pgx.Tx, c weir.Claim, set string, args ...any) error {
	n, err := change(ctx, tx, "UPDATE task SET "+set+" WHERE "+held, append([]any{c.Task.Job, c.Task.N, c.Task.Fence}, args...)...)
	if err == nil && n == 0 {
		return weir.Errorf(weir.Conflict, "task %d of job %s is no longer this worker's", c.Task.N, c.Task.Job)
	}
	return err
}

// left says if an earlier run of the same call left the task in this state, and what is besides, from $5 on. While the fence
// is the claim's only its holder takes the task out of its lease, so nobody else can have done it.
func left(ctx context.Context, tx pgx.Tx, c weir.Claim, state weir.TaskState, besides string, args ...any) (bool, error) {
	return holds(ctx, tx, fmt.Sprintf("EXISTS (SELECT 1 FROM task WHERE job = $1 AND n = $2 AND fence = $3 AND state = $4) AND %s", besides),
		slices.Concat([]any{c.Task.Job, c.Task.N, c.Task.Fence, state}, args)...)
}

// orLeft forgives a Conflict with what an earlier run did.
func orLeft(ctx context.Context, tx pgx.Tx, again bool, err error, c weir.Claim, state weir.TaskState) error {
	if !again || weir.KindOf(err) != weir.Conflict {
		return err
	}
	done, readErr := left(ctx, tx, c, state, "true")
	if readErr != nil {
		return readErr
	}
	if done {
		return nil
	}
	return err
}
