package embed

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	trimEvery   = 10 * time.Minute
	trimAtOnce  = 1000 // messages in one transaction, so that publishers wait little
	defaultAge  = 7 * 24 * time.Hour
	defaultMost = 1_000_000
)

// Run drops old messages now and then, until ctx ends.
func (b *Bus) Run(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		if err := b.Trim(ctx, b.now()); err != nil && ctx.Err() == nil {
			b.log().Warn("bus cannot be trimmed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Trim drops what MaxAge and MaxMessages no longer keep. A laptop may have been off for longer than MaxAge, so age alone
// never drops what a group has not acknowledged.
func (b *Bus) Trim(ctx context.Context, now time.Time) error {
	limits, err := b.trimLimits(ctx)
	if err != nil {
		return fmt.Errorf("trim bus: %w", storeError(err))
	}
	oldest := now.Add(-cmp.Or(b.MaxAge, defaultAge)).UnixMicro()
	for _, l := range limits {
		for more := true; more; {
			if more, err = b.trimSome(ctx, l, oldest); err != nil {
				return fmt.Errorf("trim bus: %w", storeError(err))
			}
		}
	}
	return nil
}

// trimLimit: below must, messages go; below may, they go if they are old.
type trimLimit struct{ log, must, may int64 }

func (b *Bus) trimLimits(ctx context.Context) ([]trimLimit, error) {
	rows, err := b.db.Reader().QueryContext(ctx,
		"SELECT id, next, coalesce((SELECT min(p.next) FROM position p WHERE p.log = log.id), next) FROM log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []trimLimit
	for rows.Next() {
		var l trimLimit
		if err := rows.Scan(&l.log, &l.must, &l.may); err != nil {
			return nil, err
		}
		l.must -= cmp.Or(b.MaxMessages, defaultMost)
		out = append(out, l)
	}
	return out, rows.Err()
}

// trimSome drops from the front of a partition, and says whether there may be more to drop. It stops at the first message
// that stays, so that a partition has no holes.
func (b *Bus) trimSome(ctx context.Context, l trimLimit, oldest int64) (more bool, err error) {
	dropped, below, err := b.droppable(ctx, l, oldest)
	if err != nil || dropped == 0 {
		return false, err
	}
	err = b.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM message WHERE log = ? AND offset < ?", l.log, below)
		return err
	})
	return dropped == trimAtOnce, err
}

// droppable counts the first messages that may go, up to trimAtOnce; they are those below an offset.
func (b *Bus) droppable(ctx context.Context, l trimLimit, oldest int64) (n int, below int64, err error) {
	rows, err := b.db.Reader().QueryContext(ctx,
		"SELECT offset, time FROM message WHERE log = ? ORDER BY offset LIMIT ?", l.log, trimAtOnce)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var offset, at int64
		if err := rows.Scan(&offset, &at); err != nil {
			return 0, 0, err
		}
		if offset >= l.must && (offset >= l.may || at >= oldest) {
			break
		}
		n, below = n+1, offset+1
	}
	return n, below, rows.Err()
}
