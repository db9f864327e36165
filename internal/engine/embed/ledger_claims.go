package embed

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

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
	// claimable is true of a row of task, in a job that is open, when :now has come; first in the words of the index.
	claimable = `task.state IN ('ready', 'leased')
		AND (task.state = 'ready' AND task.not_before <= :now OR task.state = 'leased' AND task.lease < :now)`

	// held is true of a row of task whose claim still stands; it takes job, n and fence.
	held = `task.job = ? AND task.n = ? AND task.fence = ? AND task.state = 'leased'
		AND EXISTS (SELECT 1 FROM job WHERE job.id = task.job AND ` + openJob + `)`

	claimableBy = claimable + ` AND (task.tool = '' OR task.tool IN (SELECT value FROM json_each(:tools)))`

	// claim leases the best task: first the best job that has one, then the best of its tasks. A pending job has only its
	// plan task, and its state sorts before the other.
	claim = `UPDATE task SET state = 'leased', attempt = attempt + 1, fence = fence + 1, worker = :worker, lease = :until
		WHERE (job, n) = (SELECT job, n FROM task INDEXED BY task_open
			WHERE job = (SELECT job.id FROM job
				WHERE ` + openJob + ` AND EXISTS (SELECT 1 FROM task INDEXED BY task_open WHERE task.job = job.id AND ` + claimableBy + `)
				ORDER BY job.state, job.created, job.master_id IN (SELECT value FROM json_each(:masters)) DESC, job.id LIMIT 1)
			AND ` + claimableBy + ` ORDER BY wanted, n LIMIT 1)
		RETURNING ` + taskColumns
)

// Claim leases the best claimable task and reads what belongs to it, in one transaction.
func (l *Ledger) Claim(ctx context.Context, r transcode.ClaimRequest) (c weir.Claim, err error) {
	tools, err := json.Marshal(r.Tools)
	if err != nil {
		return weir.Claim{}, weir.Errorf(weir.Internal, "encode tools: %w", err)
	}
	masters, err := json.Marshal(r.Masters)
	if err != nil {
		return weir.Claim{}, weir.Errorf(weir.Internal, "encode masters: %w", err)
	}
	l.at("ledger.before-claim")
	err = l.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		row := tx.QueryRowContext(ctx, claim, sql.Named("now", micros(r.Now)), sql.Named("until", micros(r.Until)),
			sql.Named("worker", r.Worker), sql.Named("tools", string(tools)), sql.Named("masters", string(masters)))
		if c.Task, err = scanTask(row.Scan); err != nil {
			if errors.Is(err, sql.ErrNoRows) {
				return weir.Errorf(weir.NotFound, "there is no task to claim")
			}
			return err
		}
		if c.Job, err = scanJob(tx.QueryRowContext(ctx, selectJob+" WHERE job.id = ?", c.Task.Job).Scan); err != nil {
			return err
		}
		c.Records, err = query(ctx, tx, scanRecord, selectRecord+" WHERE job = ? AND task = ? ORDER BY seq", c.Task.Job, c.Task.N)
		return err
	})
	if err != nil {
		return weir.Claim{}, wrap("claim task", err)
	}
	l.at("ledger.after-claim")
	return c, nil
}

// Heartbeat extends the lease and notes progress.
func (l *Ledger) Heartbeat(ctx context.Context, c weir.Claim, progress int64, until time.Time) error {
	return wrap("extend lease", l.DB.Write(ctx, func(tx *sql.Tx) error {
		return changeHeld(ctx, tx, c, "progress = ?, lease = ?", progress, micros(until))
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
	l.at("ledger.before-planned")
	err := l.DB.Write(ctx, func(tx *sql.Tx) error {
		if err := changeHeld(ctx, tx, c, "state = ?", weir.TaskDone); err != nil {
			return err
		}
		_, err := change(ctx, tx, "INSERT INTO plan (job, organisation, body) VALUES (?, ?, ?)", c.Job.ID, c.Job.Organisation, blob(plan))
		for _, t := range tasks {
			t.Fence = c.Task.Fence // above those of a plan before this one
			if err == nil {
				err = insertTask(ctx, tx, c.Job, t)
			}
		}
		if err != nil {
			return err
		}
		_, err = change(ctx, tx, "UPDATE job SET state = ?, updated = ? WHERE id = ?", weir.JobRunning, micros(l.now()), c.Job.ID)
		return err
	})
	if err != nil {
		return wrap("store plan", err)
	}
	l.at("ledger.after-planned")
	return nil
}

// Record stores a record of the claimed task, whatever job and task it names. Invalid: its Seq would leave a hole.
func (l *Ledger) Record(ctx context.Context, c weir.Claim, r weir.Record, final bool) error {
	l.at("ledger.before-record")
	err := l.DB.Write(ctx, func(tx *sql.Tx) error {
		if err := changeHeld(ctx, tx, c, "state = iif(?, 'done', state)", final); err != nil {
			return err
		}
		var next int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM record WHERE job = ? AND task = ?", c.Task.Job, c.Task.N).Scan(&next)
		switch {
		case err != nil:
			return err
		case r.Seq < next:
			return weir.Errorf(weir.Conflict, "record %d exists already", r.Seq)
		case r.Seq > next:
			return weir.Errorf(weir.Invalid, "record %d would leave a hole; the next is %d", r.Seq, next)
		}
		_, err = change(ctx, tx, "INSERT INTO record (job, task, seq, organisation, body) VALUES (?, ?, ?, ?, ?)",
			c.Task.Job, c.Task.N, r.Seq, c.Job.Organisation, blob(r.Body))
		if err != nil {
			return err
		}
		_, err = change(ctx, tx, "UPDATE job SET records = records + 1, updated = ? WHERE id = ?", micros(l.now()), c.Task.Job)
		return err
	})
	if err != nil {
		return wrap("store record", err)
	}
	l.at("ledger.after-record")
	return nil
}

// Release gives the task back unharmed.
func (l *Ledger) Release(ctx context.Context, c weir.Claim) error {
	return wrap("release task", l.DB.Write(ctx, func(tx *sql.Tx) error {
		return changeHeld(ctx, tx, c, "state = ?, attempt = attempt - 1, worker = '', lease = 0", weir.TaskReady)
	}))
}

// Void gives back every leased task as if its lease had run out: claimable at once, the attempt counted, because it may be
// what ended its worker. Only a process that alone can hold leases may call it, before it claims any.
func (l *Ledger) Void(ctx context.Context) error {
	return wrap("void leases", l.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := change(ctx, tx, "UPDATE task SET state = ?, worker = '', lease = 0 WHERE state = ? AND job IN (SELECT id FROM job WHERE "+openJob+")",
			weir.TaskReady, weir.TaskLeased)
		return err
	}))
}

// Fail ends the attempt: the task rests and is tried again, or the job fails.
func (l *Ledger) Fail(ctx context.Context, c weir.Claim, reason string, final bool, maxAttempts int) error {
	l.at("ledger.before-fail")
	now := l.now()
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	err := l.DB.Write(ctx, func(tx *sql.Tx) error {
		if final || c.Task.Attempt >= maxAttempts {
			if err := changeHeld(ctx, tx, c, "state = ?, worker = '', lease = 0", weir.TaskFailed); err != nil {
				return err
			}
			return failJob(ctx, tx, c, reason, now)
		}
		rest := min(restFirst<<min(max(c.Task.Attempt-1, 0), 10), restMost)
		return changeHeld(ctx, tx, c, "state = ?, worker = '', lease = 0, not_before = ?", weir.TaskReady, micros(now.Add(rest)))
	})
	if err != nil {
		return wrap("end attempt", err)
	}
	l.at("ledger.after-fail")
	return nil
}

// failJob ends the claim's job with the fact of it. Its revision is above that of any fact about fewer records.
func failJob(ctx context.Context, tx *sql.Tx, c weir.Claim, reason string, now time.Time) error {
	var records int64
	err := tx.QueryRowContext(ctx, "UPDATE job SET state = ?, reason = ?, updated = ? WHERE id = ? RETURNING records",
		weir.JobFailed, reason, micros(now), c.Job.ID).Scan(&records)
	if err != nil {
		return err
	}
	fact, err := weir.NewFact(now, weir.FactAssetFailed, "transcode", c.Job.Organisation, c.Job.Asset, records+1,
		map[string]string{"reason": reason})
	if err != nil {
		return err
	}
	return putFact(ctx, tx, fact)
}

// changeHeld sets columns of the claimed task if the claim still stands, and is Conflict otherwise.
func changeHeld(ctx context.Context, tx *sql.Tx, c weir.Claim, set string, args ...any) error {
	n, err := change(ctx, tx, "UPDATE task SET "+set+" WHERE "+held, append(args, c.Task.Job, c.Task.N, c.Task.Fence)...)
	if err == nil && n == 0 {
		return weir.Errorf(weir.Conflict, "task %d of job %s is no longer this worker's", c.Task.N, c.Task.Job)
	}
	return err
}
