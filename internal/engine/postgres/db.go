package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	weir "github.com/weirstream/weir"
)

// DB is the stores' database, or a schema of it: a bounded pool of connections. Every call is bounded, by its ctx or else by
// the URL's call_timeout. Safe for concurrent use.
type DB struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	call time.Duration
}

// Open connects and brings the schema up to this program's migrations; processes that do so at once take turns. The URL
// is of the form postgres://user:password@host:port/database, with the parameters that its error lists; what it leaves out is
// taken from the PG variables of the environment. log, if not nil, hears of transactions that are run again. Invalid: the
// URL. Conflict: a newer program made the schema. Unavailable, Timeout: the server. The caller calls Close.
func Open(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	c, call, err := config(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open stores: %w", storeError(err))
	}
	db := &DB{pool: pool, log: log, call: call}
	if err := db.insist(ctx, func() (bool, error) { return false, migrate(ctx, c.ConnConfig) }); err != nil {
		pool.Close()
		var known *weir.Error
		if errors.As(err, &known) && known.Kind == weir.Unavailable { // who starts a process is told which server, and why
			return nil, fmt.Errorf("open stores: %w (%v)", err, known.Err)
		}
		return nil, fmt.Errorf("open stores: %w", err)
	}
	return db, nil
}

// Close waits for the calls under way and closes the connections.
func (db *DB) Close() error {
	db.pool.Close()
	return nil
}

// on is a transaction, or a connection outside of one.
type on interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// write runs f in a transaction and commits it if f returned nil. It runs f again, within ctx, after failures that a new
// transaction may not meet. f must use its own ctx, and leave nothing behind but what it sets anew each time. With again set
// an earlier run may have been committed: f then recognises its effect, under the locks it takes in any case, for that
// earlier transaction holds them until it has ended.
func (db *DB) write(ctx context.Context, f func(ctx context.Context, tx pgx.Tx, again bool) error) error {
	ctx, cancel := within(ctx, db.call)
	defer cancel()
	again := false
	err := db.insist(ctx, func() (unknown bool, err error) {
		unknown, err = db.transact(ctx, func(tx pgx.Tx) error { return f(ctx, tx, again) })
		again = again || unknown
		return again, err
	})
	return err
}

// transact says besides whether the error leaves open if the transaction is committed.
func (db *DB) transact(ctx context.Context, f func(tx pgx.Tx) error) (unknown bool, err error) {
	tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return false, lost(err)
	}
	defer func() { // does nothing after a commit; frees the connection if f panics
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	if err = f(tx); err == nil && tx.Conn().IsClosed() {
		err = errLost
	}
	if err != nil {
		if tx.Conn().IsClosed() {
			err = lost(err)
		}
		return false, err
	}
	if err := tx.Commit(ctx); err != nil {
		if refused(err) {
			return false, err
		}
		return true, lost(err)
	}
	return false, nil
}

// read runs f with a connection, again after failures as write does. Each statement is of its own moment.
func (db *DB) read(ctx context.Context, f func(ctx context.Context, c on) error) error {
	ctx, cancel := within(ctx, db.call)
	defer cancel()
	return db.insist(ctx, func() (bool, error) {
		c, err := db.pool.Acquire(ctx)
		if err != nil {
			return false, lost(err)
		}
		defer c.Release()
		if err := f(ctx, c); err != nil && c.Conn().IsClosed() {
			return false, lost(err)
		} else {
			return false, err
		}
	})
}

// snapshot is read with every statement of one moment.
func (db *DB) snapshot(ctx context.Context, f func(ctx context.Context, c on) error) error {
	return db.read(ctx, func(ctx context.Context, c on) error {
		return pgx.BeginTxFunc(ctx, c.(*pgxpool.Conn), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
			func(tx pgx.Tx) error { return f(ctx, tx) })
	})
}

// How often and how long a call insists: after ordinary failures for a good second, so that who waits for it learns that the
// server is away; with an outcome that is unknown until its ctx ends, since only the server can tell.
const (
	triesMost  = 7
	pauseFirst = 20 * time.Millisecond
	pauseMost  = time.Second
)

// insist calls try until it succeeds or fails for good, and gives its error a kind.
func (db *DB) insist(ctx context.Context, try func() (unknown bool, err error)) error {
	pause := pauseFirst
	for n := 1; ; n++ {
		unknown, err := try()
		if err == nil {
			return nil
		}
		if !passing(err) || ctx.Err() != nil || n >= triesMost && !unknown {
			return ended(ctx, err, unknown)
		}
		db.log.Debug("a transaction is run again", "error", err, "try", n, "unknown", unknown)
		if !sleep(ctx, jitter(pause)) {
			return ended(ctx, err, unknown)
		}
		pause = min(2*pause, pauseMost)
	}
}

// ended is the error of a call that gave up.
func ended(ctx context.Context, err error, unknown bool) error {
	var known *weir.Error
	if errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil { // whatever it did to the statement that was running
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	} else {
		err = storeError(err)
	}
	if unknown {
		return fmt.Errorf("the outcome is unknown: %w", err)
	}
	return err
}
