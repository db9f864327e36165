package embed

import (
	"context"
	"database/sql"
	"encoding/json"

	weir "github.com/weirstream/weir"
)

// What the scan functions read, in their order. The plan is apart, because it may be megabytes.
const (
	selectJob    = "SELECT " + jobColumns + ", plan.body FROM job LEFT JOIN plan ON plan.job = job.id"
	selectTask   = "SELECT " + taskColumns + " FROM task"
	selectRecord = "SELECT job, task, seq, body FROM record"

	jobColumns = `job.id, job.organisation, job.asset, job.master, job.state, job.reason, job.revision, job.superseded,
		job.created, job.updated`
	taskColumns = "job, n, kind, wanted, tool, total, progress, state, attempt, fence, worker, lease"
)

func scanJob(scan func(...any) error) (j weir.Job, err error) {
	var master []byte
	var created, updated int64
	err = scan(&j.ID, &j.Organisation, &j.Asset, &master, &j.State, &j.Reason, &j.Revision, &j.Superseded, &created, &updated, &j.Plan)
	if err != nil {
		return weir.Job{}, err
	}
	j.Created, j.Updated = fromMicros(created), fromMicros(updated)
	if err := json.Unmarshal(master, &j.Master); err != nil {
		return weir.Job{}, weir.Errorf(weir.Internal, "master of job %s is not JSON: %w", j.ID, err)
	}
	return j, nil
}

func scanTask(scan func(...any) error) (t weir.Task, err error) {
	var lease int64
	err = scan(&t.Job, &t.N, &t.Kind, &t.Order, &t.Tool, &t.Total, &t.Progress, &t.State, &t.Attempt, &t.Fence, &t.Worker, &lease)
	t.Lease = fromMicros(lease)
	return t, err
}

func scanRecord(scan func(...any) error) (r weir.Record, err error) {
	err = scan(&r.Job, &r.Task, &r.Seq, &r.Body)
	return r, err
}

// query reads all rows of a query.
func query[T any](ctx context.Context, on queryer, scan func(func(...any) error) (T, error), q string, args ...any) ([]T, error) {
	rows, err := on.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, storeError(err)
	}
	return collect(rows, scan)
}

// queryer is a *sql.DB or *sql.Tx.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// insertTask stores a task nobody has claimed yet, whose fences grow from the one it has.
func insertTask(ctx context.Context, tx *sql.Tx, job weir.Job, t weir.Task) error {
	_, err := change(ctx, tx, `INSERT INTO task (job, n, organisation, kind, wanted, tool, total, state, fence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		job.ID, t.N, job.Organisation, t.Kind, t.Order, t.Tool, t.Total, weir.TaskReady, t.Fence)
	return err
}

// change runs a statement and says how many rows it touched.
func change(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// blob is b, never nil, which would be stored as no value.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
