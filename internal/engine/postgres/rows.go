package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// list runs a query outside of a transaction and reads all its rows.
func list[T any](ctx context.Context, db *DB, scan func(func(...any) error) (T, error), q string, args ...any) (rows []T, err error) {
	err = db.read(ctx, func(ctx context.Context, c on) (err error) {
		rows, err = query(ctx, c, scan, q, args...)
		return err
	})
	return rows, err
}

// query reads all rows of a query.
func query[T any](ctx context.Context, c on, scan func(func(...any) error) (T, error), q string, args ...any) ([]T, error) {
	rows, err := c.Query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// change runs a statement and says how many rows it touched.
func change(ctx context.Context, tx pgx.Tx, q string, args ...any) (int64, error) {
	tag, err := tx.Exec(ctx, q, args...)
	return tag.RowsAffected(), err
}

// holds says if a condition is true.
func holds(ctx context.Context, c on, condition string, args ...any) (yes bool, err error) {
	err = c.QueryRow(ctx, "SELECT "+condition, args...).Scan(&yes)
	return yes, err
}

func wrap(act string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}

// micros is t as stored: microseconds since 1970, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// blob is b, never nil, which would be stored as no value.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// at calls a kill point.
func at(f func(string), point string) {
	if f != nil {
		f(point)
	}
}
