package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
)

// What the scan functions read, in their order. The plan is apart, because it may be megabytes.
const (
	selectJob    = "SELECT " + jobColumns + ", plan.body FROM job LEFT JOIN plan ON plan.job = job.id"
	selectTask   = "SELECT " + taskColumns + " FROM task"
	selectRecord = "SELECT job, task, seq, body FROM record"

	jobColumns = `job.id, job.organisation, job.asset, job.master, job.state, job.reason, job.revision, job.superseded,
		job.created, job.updated`
	taskColumns = `task.job, task.n, task.kind, task.wanted, task.tool, task.total, task.progress, task.state, task.attempt, task.fence,
		task.worker, task.lease`
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

func scanID(scan func(...any) error) (id string, err error) {
	err = scan(&id)
	return id, err
}

// insertTasks stores tasks nobody has claimed yet, whose fences grow from this one, in one statement.
func insertTasks(ctx context.Context, tx pgx.Tx, job weir.Job, fence int64, tasks []weir.Task) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"task"},
		[]string{"job", "n", "organisation", "kind", "wanted", "tool", "total", "state", "fence"},
		pgx.CopyFromSlice(len(tasks), func(i int) ([]any, error) {
			t := tasks[i]
			return []any{job.ID, t.N, job.Organisation, string(t.Kind), t.Order, t.Tool, t.Total, string(weir.TaskReady), fence}, nil
		}))
	return err
}
