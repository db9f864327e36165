package embed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	weir "github.com/weirstream/weir"
)

const relayAtOnce = 100 // facts in one Publish

// Relay moves facts from the outbox of a DB to the bus: it publishes, then removes, so a fact may go out twice but never
// not at all. It works from what is there, not from the last id it saw. One relay a DB.
type Relay struct {
	DB  *DB
	Bus weir.Bus
	Log *slog.Logger       // nil is nowhere
	At  func(point string) // named kill points "relay.before-publish", "relay.after-publish"; nil does nothing
}

// Run publishes facts to [weir.TopicFacts], in the order they were committed and keyed by subject, until ctx ends. A commit
// wakes it; while the bus refuses, it tries again with growing delay.
func (r *Relay) Run(ctx context.Context) error {
	for delay := time.Duration(0); ; {
		err := r.publishAll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait, committed := pollEvery, r.DB.committed
		if err != nil {
			delay = min(max(2*delay, retryFirst), retryMost)
			wait, committed = delay, nil
			orNowhere(r.Log).Warn("facts cannot be published", "error", err, "retry", delay)
		} else {
			delay = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-committed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// publishAll returns when the outbox is empty.
func (r *Relay) publishAll(ctx context.Context) error {
	for {
		ids, messages, err := r.unsent(ctx)
		if err != nil || len(ids) == 0 {
			return err
		}
		r.at("relay.before-publish")
		if err := r.Bus.Publish(ctx, messages...); err != nil {
			return err
		}
		r.at("relay.after-publish")
		if err := r.remove(ctx, ids); err != nil {
			return err
		}
	}
}

func (r *Relay) unsent(ctx context.Context) (ids []int64, messages []weir.Message, err error) {
	rows, err := r.DB.Reader().QueryContext(ctx, "SELECT id, subject, fact FROM outbox ORDER BY id LIMIT ?", relayAtOnce)
	if err != nil {
		return nil, nil, fmt.Errorf("read outbox: %w", storeError(err))
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		m := weir.Message{Topic: weir.TopicFacts}
		if err := rows.Scan(&id, &m.Key, &m.Value); err != nil {
			return nil, nil, fmt.Errorf("read outbox: %w", storeError(err))
		}
		ids, messages = append(ids, id), append(messages, m)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read outbox: %w", storeError(err))
	}
	return ids, messages, nil
}

func (r *Relay) remove(ctx context.Context, ids []int64) error {
	err := r.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		remove, err := tx.PrepareContext(ctx, "DELETE FROM outbox WHERE id = ?")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove.Close()) }()
		for _, id := range ids {
			if _, err := remove.ExecContext(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("empty outbox: %w", err)
	}
	return nil
}

func (r *Relay) at(point string) {
	if r.At != nil {
		r.At(point)
	}
}
