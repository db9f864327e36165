package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	weir "github.com/weirstream/weir"
)

const (
	relayAtOnce    = 100              // facts in one Publish
	publishWithin  = 20 * time.Second // less than the server lets a transaction rest
	pollEvery      = 5 * time.Second  // when nothing wakes a relay
	retryFirst     = 50 * time.Millisecond
	retryMost      = 30 * time.Second
	relayLockClass = 0x77656972 // of advisory locks; the other half is the table
)

// Relay moves facts from the outbox to the bus: it publishes, then removes, so a fact may go out twice but never not at all.
// Any number of relays, one a process, may run: one at a time works, in a transaction that holds a lock. A relay whose
// process hangs or whose connection dies loses the lock, and another publishes again what it had not removed.
//
// It never works from the last id it saw: ids of several subjects appear in any order. Of one subject they appear in order
// (see [DB]), and it publishes what is there by id.
type Relay struct {
	DB  *DB
	Bus weir.Bus
	Log *slog.Logger       // nil is nowhere
	At  func(point string) // named kill points "relay.before-publish", "relay.after-publish"; nil does nothing
}

// Run publishes facts to [weir.TopicFacts], those of one subject in the order they were committed and keyed by it, until
// ctx ends. A commit by any process wakes it; while the bus or the store refuses, it tries again with growing delay.
func (r *Relay) Run(ctx context.Context) error {
	committed := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() { r.listen(ctx, committed) })
	defer listening.Wait()
	defer cancel()
	for delay := time.Duration(0); ; {
		err := r.publishAll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait, wake := jitter(pollEvery), committed
		if err != nil {
			delay = min(max(2*delay, retryFirst), retryMost)
			wait, wake = delay, nil
			r.log().Warn("facts cannot be published", "error", err, "retry", delay)
		} else {
			delay = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// publishAll returns when the outbox is empty, or when another relay is at work: that one was woken, too.
func (r *Relay) publishAll(ctx context.Context) error {
	for {
		n, err := r.publishSome(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

// publishSome is not run again by itself: what an unknown outcome leaves is published again.
func (r *Relay) publishSome(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.DB.call+publishWithin)
	defer cancel()
	_, err = r.DB.transact(ctx, func(tx pgx.Tx) error {
		// The lock is the transaction's, so it ends with it, whatever becomes of the connection.
		mine, err := holds(ctx, tx, "pg_try_advisory_xact_lock($1, 'outbox'::regclass::oid::int)", relayLockClass)
		if err != nil || !mine {
			return err
		}
		ids, messages, err := unsent(ctx, tx) // a statement after the lock: it sees what its last holder removed
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := r.publish(ctx, messages); err != nil {
			return err
		}
		n = len(ids)
		_, err = change(ctx, tx, "DELETE FROM outbox WHERE id = ANY ($1)", ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("move facts: %w", ended(ctx, err, false))
	}
	return n, nil
}

func (r *Relay) publish(ctx context.Context, messages []weir.Message) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	at(r.At, "relay.before-publish")
	if err := r.Bus.Publish(ctx, messages...); err != nil {
		return err
	}
	at(r.At, "relay.after-publish")
	return nil
}

func unsent(ctx context.Context, tx pgx.Tx) (ids []int64, messages []weir.Message, err error) {
	rows, err := tx.Query(ctx, "SELECT id, subject, fact FROM outbox ORDER BY id LIMIT $1", relayAtOnce)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		m := weir.Message{Topic: weir.TopicFacts}
		if err := rows.Scan(&id, &m.Key, &m.Value); err != nil {
			return nil, nil, err
		}
		ids, messages = append(ids, id), append(messages, m)
	}
	return ids, messages, rows.Err()
}

// listen sends a token for each commit that put facts, as long as a connection of its own holds, and makes a new one after.
func (r *Relay) listen(ctx context.Context, committed chan<- struct{}) {
	wake := func() {
		select {
		case committed <- struct{}{}:
		default:
		}
	}
	for pause := retryFirst; ctx.Err() == nil; pause = min(2*pause, retryMost) {
		heard, err := r.hear(ctx, wake)
		if ctx.Err() != nil {
			return
		}
		r.log().Debug("commits are not heard", "error", err)
		if heard {
			pause = retryFirst
		}
		sleep(ctx, jitter(pause))
	}
}

// hear returns when the connection broke. heard says that it stood.
func (r *Relay) hear(ctx context.Context, wake func()) (heard bool, err error) {
	c := r.DB.pool.Config().ConnConfig
	c.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler { // there is no statement to cancel
		return &pgconn.DeadlineContextWatcherHandler{Conn: c.Conn()}
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return false, err
	}
	wake() // what was committed before
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return true, err
		}
		wake()
	}
}

func (r *Relay) log() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}
