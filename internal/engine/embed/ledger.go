package embed

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// Ledger is the job ledger over the stores' file: [transcode.Jobs] for planner and assembler, [transcode.Claims] for
// workers. Set the fields before use.
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
		" AND job.state = 'running' AND job.records > job.assembled ORDER BY job.created, job.id LIMIT ?"
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
	err = l.DB.Write(ctx, func(tx *sql.Tx) error {
		created, err := change(ctx, tx, `INSERT INTO job (id, organisation, asset, master_id, master, state, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (asset) DO NOTHING`, job.ID, job.Organisation, job.Asset, job.Master.ID,
			master, weir.JobPending, micros(job.Created), micros(job.Created))
		if err != nil || created == 0 {
			return err
		}
		return insertTask(ctx, tx, job, weir.Task{Kind: weir.TaskPlan})
	})
	return wrap("create job", err)
}

// Job is the asset's job and its tasks, of one moment.
func (l *Ledger) Job(ctx context.Context, asset string) (job weir.Job, tasks []weir.Task, err error) {
	err = l.DB.Read(ctx, func(tx *sql.Tx) error {
		row := tx.QueryRowContext(ctx, selectJob+" WHERE job.asset = ?", asset)
		if job, err = scanJob(row.Scan); err != nil {
			if errors.Is(err, sql.ErrNoRows) {
				return weir.Errorf(weir.NotFound, "asset %s has no job", asset)
			}
			return err
		}
		tasks, err = query(ctx, tx, scanTask, selectTask+" WHERE job = ? ORDER BY n", job.ID)
		return err
	})
	if err != nil {
		return weir.Job{}, nil, wrap("read job", err)
	}
	return job, tasks, nil
}

// Records are all records of a job, by task and seq.
func (l *Ledger) Records(ctx context.Context, job string) ([]weir.Record, error) {
	records, err := query(ctx, l.DB.Reader(), scanRecord, selectRecord+" WHERE job = ? ORDER BY task, seq", job)
	return records, wrap("read records", err)
}

// Unassembled lists running jobs with more records than the head holds, oldest first.
func (l *Ledger) Unassembled(ctx context.Context, limit int) ([]weir.Job, error) {
	jobs, err := query(ctx, l.DB.Reader(), scanJob, selectUnassembled, limit)
	return jobs, wrap("list unassembled jobs", err)
}

// Assembled notes how many records of its plan the head holds, and with done ends the job. NotFound: there is no such job.
func (l *Ledger) Assembled(ctx context.Context, job weir.Job, records int, done bool, facts ...weir.Fact) error {
	l.at("ledger.before-assembled")
	err := l.DB.Write(ctx, func(tx *sql.Tx) error {
		var current bool
		var stored int
		err := tx.QueryRowContext(ctx, "SELECT "+openJob+" AND revision = ?, assembled - superseded FROM job WHERE id = ?",
			job.Revision, job.ID).Scan(&current, &stored)
		if errors.Is(err, sql.ErrNoRows) {
			return weir.Errorf(weir.NotFound, "there is no job %s", job.ID)
		}
		if err != nil || !current || records < stored {
			return err
		}
		_, err = change(ctx, tx, "UPDATE job SET assembled = superseded + ?, state = iif(?, 'done', state), updated = ? WHERE id = ?",
			records, done, micros(l.now()), job.ID)
		for _, f := range facts {
			if err == nil {
				err = putFact(ctx, tx, f)
			}
		}
		return err
	})
	if err != nil {
		return wrap("note assembly", err)
	}
	l.at("ledger.after-assembled")
	return nil
}

// Cancel ends the asset's job unless it is final. Its leases are void from then on, since writes ask for an open job.
func (l *Ledger) Cancel(ctx context.Context, asset string, now time.Time) error {
	return wrap("cancel job", l.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := change(ctx, tx, "UPDATE job SET state = ?, updated = ? WHERE asset = ? AND "+openJob,
			weir.JobCancelled, micros(now), asset)
		return err
	}))
}

// Claimable counts the tasks that could be claimed now by a worker that has every tool.
func (l *Ledger) Claimable(ctx context.Context, now time.Time) (n int, err error) {
	err = l.DB.Reader().QueryRowContext(ctx, countClaimable, sql.Named("now", micros(now))).Scan(&n)
	return n, wrap("count claimable tasks", storeError(err))
}

func (l *Ledger) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

func (l *Ledger) at(point string) {
	if l.At != nil {
		l.At(point)
	}
}

func wrap(act string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}
