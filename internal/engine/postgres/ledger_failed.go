package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

var _ transcode.FailedJobs = (*Ledger)(nil)

const selectFailed = "SELECT " + jobColumns + `, NULL::bytea FROM job
	WHERE job.state = 'failed' AND job.collected = 0 AND job.updated < $1 ORDER BY job.updated LIMIT $2`

// Failed walks the index of failed jobs whose objects wait for their collection.
func (l *Ledger) Failed(ctx context.Context, before time.Time, limit int) ([]weir.Job, error) {
	jobs, err := list(ctx, l.DB, scanJob, selectFailed, micros(before), limit)
	return jobs, wrap("list failed jobs", err)
}

// Collected notes the time, which takes the job out of Failed. Doing it again changes nothing that matters.
func (l *Ledger) Collected(ctx context.Context, job string) error {
	return wrap("note collection", l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, _ bool) error {
		_, err := change(ctx, tx, "UPDATE job SET collected = $1 WHERE id = $2 AND state = 'failed'", micros(l.now()), job)
		return err
	}))
}
