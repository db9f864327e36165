package embed

import (
	"context"
	"database/sql"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

var _ transcode.FailedJobs = (*Ledger)(nil)

const selectFailed = "SELECT " + jobColumns + `, NULL FROM job
	WHERE job.state = 'failed' AND job.collected = 0 AND job.updated < ? ORDER BY job.updated LIMIT ?`

// Failed walks the index of failed jobs whose objects wait for their collection.
func (l *Ledger) Failed(ctx context.Context, before time.Time, limit int) ([]weir.Job, error) {
	jobs, err := query(ctx, l.DB.Reader(), scanJob, selectFailed, micros(before), limit)
	return jobs, wrap("list failed jobs", err)
}

// Collected notes the time, which takes the job out of Failed. Doing it again changes nothing that matters.
func (l *Ledger) Collected(ctx context.Context, job string) error {
	return wrap("note collection", l.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := change(ctx, tx, "UPDATE job SET collected = ? WHERE id = ? AND state = 'failed'", micros(l.now()), job)
		return err
	}))
}
