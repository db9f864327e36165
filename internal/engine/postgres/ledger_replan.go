package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// selectStranded takes now and before.
const selectStranded = "SELECT DISTINCT job.id FROM job JOIN task ON task.job = job.id WHERE " + openJob +
	" AND job.state = 'running' AND " + claimable + ` AND task.tool <> ''
	AND NOT EXISTS (SELECT 1 FROM tool WHERE version = task.tool AND seen >= $2)`

// Replan notes the tools that are there, and takes back the plans that wait for others, all in one transaction.
func (l *Ledger) Replan(ctx context.Context, tools []string, now, before time.Time) (n int, err error) {
	earlier := map[string]int64{} // revisions that runs whose outcome is unknown gave
	err = l.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		n = 0
		if again {
			if n, err = replanned(ctx, tx, earlier, now); err != nil {
				return err
			}
		}
		// In order, or two that come at once would wait for each other.
		_, err := change(ctx, tx, `INSERT INTO tool (version, seen) SELECT DISTINCT v, $2::bigint FROM unnest($1::text[]) AS v ORDER BY v
			ON CONFLICT (version) DO UPDATE SET seen = greatest(tool.seen, excluded.seen)`, array(tools), micros(now))
		if err != nil {
			return err
		}
		jobs, err := query(ctx, tx, scanID, selectStranded+" ORDER BY job.id", micros(now), micros(before))
		if err != nil {
			return err
		}
		for _, job := range jobs {
			revision, err := supersede(ctx, tx, job, now, before)
			if err != nil {
				return err
			}
			if revision > 0 {
				earlier[job] = revision
				n++
			}
		}
		return nil
	})
	if err != nil {
		return 0, wrap("plan anew", err)
	}
	return n, nil
}

// replanned counts the jobs that an earlier run of this call has taken back.
func replanned(ctx context.Context, tx pgx.Tx, earlier map[string]int64, now time.Time) (n int, err error) {
	for job, revision := range earlier {
		yes, err := holds(ctx, tx, "EXISTS (SELECT 1 FROM job WHERE id = $1 AND revision = $2 AND updated = $3 FOR NO KEY UPDATE)",
			job, revision, micros(now))
		if err != nil {
			return 0, err
		}
		if yes {
			n++
		}
	}
	return n, nil
}

// supersede makes the job as it was created, but for its revision, which it returns, and for the fence of its plan task,
// which is above all that were given: the tasks of the next plan start there. It returns 0 if the job, once nobody else has
// it or a task of it, is not stranded any more.
func supersede(ctx context.Context, tx pgx.Tx, job string, now, before time.Time) (revision int64, err error) {
	if _, err := change(ctx, tx, "SELECT 1 FROM job WHERE id = $1 FOR NO KEY UPDATE", job); err != nil {
		return 0, err
	}
	if _, err := change(ctx, tx, "SELECT 1 FROM task WHERE job = $1 ORDER BY n FOR UPDATE", job); err != nil {
		return 0, err
	}
	still, err := query(ctx, tx, scanID, selectStranded+" AND job.id = $3", micros(now), micros(before), job)
	if err != nil || len(still) == 0 {
		return 0, err
	}
	for _, q := range []string{
		`UPDATE task SET state = 'ready', progress = 0, attempt = 0, worker = '', lease = 0, not_before = 0,
			fence = (SELECT max(fence) + 1 FROM task WHERE job = $1) WHERE job = $1 AND n = 0`,
		"DELETE FROM record WHERE job = $1",
		"DELETE FROM task WHERE job = $1 AND n > 0",
		"DELETE FROM plan WHERE job = $1",
	} {
		if _, err := change(ctx, tx, q, job); err != nil {
			return 0, err
		}
	}
	err = tx.QueryRow(ctx, `UPDATE job SET state = 'pending', revision = revision + 1, superseded = records, assembled = records, updated = $2
		WHERE id = $1 RETURNING revision`, job, micros(now)).Scan(&revision)
	return revision, err
}
