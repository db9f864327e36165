package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// Ledger is the job ledger: [transcode.Jobs] for planner and assembler, [transcode.Claims] for workers, of any number of
// processes. Leases end by the time that callers tell, so their clocks have to agree within a lease. Set the fields before use.
type Ledger struct {
	DB  *DB
	Now func() time.Time // of changes whose method takes no time; nil is time.Now
	// At is called at named kill points, before and after the commit of a change: "ledger.before-claim",
	// "ledger.after-claim" and so for planned, record, fail and assembled. nil does nothing.
	At func(point string)
}

var _ transcode.Jobs = (*Ledger)(nil)

// openJob is true of a row of job that is not final, in the words of the index job_open.
const openJob = "job.state IN ('pending', 'running')"

const (
	selectUnassembled = selectJob + " WHERE " + openJob +
		" AND job.state = 'running' AND job.records > job.assembled ORDER BY job.created, job.id LIMIT $1"
	countClaimable = "SELECT count(*) FROM job JOIN task ON task.job = job.id WHERE " + openJob + " AND " + claimable
)

// Create stores a pending job with its plan task, unless the asset has one. Invalid: an id that cannot be one; Conflict:
// the job's id is taken by another asset.
func (l *Ledger) Create(ctx context.Context, job weir.Job) error {
	if !weir.ValidID(job.ID) || !weir.ValidID(job.Organisation) || !weir.ValidID(job.Asset) || !weir.ValidID(job.Master.ID) {
		return weir.Errorf(weir.Invalid, "a job's ids are not valid")
	}
	master, err := json.Marshal(job.Master)
	if err != nil {
		return weir.Errorf(weir.Internal, "encode master: %w", err)
	}
	return wrap("create job", l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, _ bool) error {
		created, err := change(ctx, tx, `INSERT INTO job (id, organisation, asset, master_id, master, state, created, updated)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING`, job.ID, job.Organisation, job.Asset, job.Master.ID,
			master, weir.JobPending, micros(job.Created))
		if err != nil {
			return err
		}
		if created == 0 {
			has, err := holds(ctx, tx, "EXISTS (SELECT 1 FROM job WHERE asset = $1)", job.Asset)
			if err == nil && !has {
				return weir.Errorf(weir.Conflict, "it exists already")
			}
			return err
		}
		return insertTasks(ctx, tx, job, 0, []weir.Task{{Kind: weir.TaskPlan}})
	}))
}

// Job is the asset's job and its tasks, of one moment.
func (l *Ledger) Job(ctx context.Context, asset string) (job weir.Job, tasks []weir.Task, err error) {
	err = l.DB.snapshot(ctx, func(ctx context.Context, c on) (err error) {
		if job, err = scanJob(c.QueryRow(ctx, selectJob+" WHERE job.asset = $1", asset).Scan); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return weir.Errorf(weir.NotFound, "asset %s has no job", asset)
			}
			return err
		}
		tasks, err = query(ctx, c, scanTask, selectTask+" WHERE job = $1 ORDER BY n", job.ID)
		return err
	})
	if err != nil {
		return weir.Job{}, nil, wrap("read job", err)
	}
	return job, tasks, nil
}

// Records are all records of a job, by task and seq.
func (l *Ledger) Records(ctx context.Context, job string) ([]weir.Record, error) {
	records, err := list(ctx, l.DB, scanRecord, selectRecord+" WHERE job = $1 ORDER BY task, seq", job)
	return records, wrap("read records", err)
}

// Unassembled lists running jobs with more records than the head holds, oldest first.
func (l *Ledger) Unassembled(ctx context.Context, limit int) ([]weir.Job, error) {
	jobs, err := list(ctx, l.DB, scanJob, selectUnassembled, limit)
	return jobs, wrap("list unassembled jobs", err)
}

// Assembled notes how many records of its plan the head holds, and with done ends the job. NotFound: there is no such job.
func (l *Ledger) Assembled(ctx context.Context, job weir.Job, records int, done bool, facts ...weir.Fact) error {
	at(l.At, "ledger.before-assembled")
	now := micros(l.now())
	err := l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		var current bool
		var stored int
		var updated int64
		err := tx.QueryRow(ctx, "SELECT "+openJob+" AND revision = $1, assembled - superseded, updated FROM job WHERE id = $2 FOR NO KEY UPDATE",
			job.Revision, job.ID).Scan(&current, &stored, &updated)
		if errors.Is(err, pgx.ErrNoRows) {
			return weir.Errorf(weir.NotFound, "there is no job %s", job.ID)
		}
		if err != nil || !current || records < stored || again && records == stored && updated == now {
			return err
		}
		_, err = change(ctx, tx, `UPDATE job SET assembled = superseded + $1, state = CASE WHEN $2 THEN 'done' ELSE state END, updated = $3
			WHERE id = $4`, records, done, now, job.ID)
		if err != nil {
			return err
		}
		return putFacts(ctx, tx, facts)
	})
	if err != nil {
		return wrap("note assembly", err)
	}
	at(l.At, "ledger.after-assembled")
	return nil
}

// Cancel ends the asset's job unless it is final. Its leases are void from then on, since writes ask for an open job.
func (l *Ledger) Cancel(ctx context.Context, asset string, now time.Time) error {
	return wrap("cancel job", l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, _ bool) error {
		_, err := change(ctx, tx, "UPDATE job SET state = $1, updated = $2 WHERE asset = $3 AND "+openJob,
			weir.JobCancelled, micros(now), asset)
		return err
	}))
}

// Claimable counts the tasks that could be claimed now by a worker that has every tool.
func (l *Ledger) Claimable(ctx context.Context, now time.Time) (n int, err error) {
	err = l.DB.read(ctx, func(ctx context.Context, c on) error {
		return c.QueryRow(ctx, countClaimable, micros(now)).Scan(&n)
	})
	return n, wrap("count claimable tasks", err)
}

func (l *Ledger) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}
