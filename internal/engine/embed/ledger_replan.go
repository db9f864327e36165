package embed

import (
	"context"
	"database/sql"
	"time"
)

const selectStranded = "SELECT DISTINCT job.id FROM job JOIN task ON task.job = job.id WHERE " + openJob +
	" AND job.state = 'running' AND " + claimable + ` AND task.tool <> ''
	AND NOT EXISTS (SELECT 1 FROM tool WHERE version = task.tool AND seen >= :before)`

// Replan notes the tools that are there, and takes back the plans that wait for others, all in one transaction.
func (l *Ledger) Replan(ctx context.Context, tools []string, now, before time.Time) (n int, err error) {
	err = l.DB.Write(ctx, func(tx *sql.Tx) error {
		for _, t := range tools {
			_, err := change(ctx, tx, "INSERT INTO tool VALUES (?, ?) ON CONFLICT DO UPDATE SET seen = max(seen, excluded.seen)", t, micros(now))
			if err != nil {
				return err
			}
		}
		jobs, err := query(ctx, tx, scanID, selectStranded, sql.Named("now", micros(now)), sql.Named("before", micros(before)))
		for _, job := range jobs {
			if err == nil {
				err = supersede(ctx, tx, job, now)
			}
		}
		n = len(jobs)
		return err
	})
	if err != nil {
		return 0, wrap("plan anew", err)
	}
	return n, nil
}

func scanID(scan func(...any) error) (id string, err error) {
	err = scan(&id)
	return id, err
}

// supersede makes the job as it was created, but for its revision, and for the fence of its plan task, which is above all
// that were given: the tasks of the next plan start there.
func supersede(ctx context.Context, tx *sql.Tx, job string, now time.Time) error {
	for _, q := range []string{
		`UPDATE task SET state = 'ready', progress = 0, attempt = 0, worker = '', lease = 0, not_before = 0,
			fence = (SELECT max(fence) + 1 FROM task WHERE job = :job) WHERE job = :job AND n = 0`,
		"DELETE FROM record WHERE job = :job",
		"DELETE FROM task WHERE job = :job AND n > 0",
		"DELETE FROM plan WHERE job = :job",
		`UPDATE job SET state = 'pending', revision = revision + 1, superseded = records, assembled = records, updated = :now
			WHERE id = :job`,
	} {
		if _, err := change(ctx, tx, q, sql.Named("job", job), sql.Named("now", micros(now))); err != nil {
			return err
		}
	}
	return nil
}
