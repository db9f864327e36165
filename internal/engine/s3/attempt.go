package s3

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// An operation is tried so often, with pauses that double from the first to the last. Together they outlast a store that
// sheds load or changes its leader, not one that is down: that is for the caller to wait for.
const (
	attempts   = 5
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// errStalled ends an attempt at which nothing moved.
var errStalled = errors.New("the object store did not move a byte in time")

// watch ends an attempt's context when nothing has moved for a while.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// watched derives the context of one attempt. The caller ends it.
func watched(ctx context.Context, limit time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watch{cancel: cancel, timer: time.AfterFunc(limit, func() { cancel(errStalled) }), limit: limit}
}

// moved starts the time again.
func (w *watch) moved() { w.timer.Reset(w.limit) }

// rest stops the time until something moves again: nobody waits for the store.
func (w *watch) rest() { w.timer.Stop() }

// end ends the attempt's context.
func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// try calls f until it succeeds, fails for good, or has failed too often. lost says that an attempt before the last may
// have had its effect although its answer was lost. What f waits for it tells the watch.
func (b *Blobs) try(ctx context.Context, f func(context.Context, *watch) error) (lost bool, err error) {
	return b.tryFor(ctx, b.place.stall, f)
}

// tryFor is try with another limit for attempts at which nothing moves.
func (b *Blobs) tryFor(ctx context.Context, limit time.Duration, f func(context.Context, *watch) error) (lost bool, err error) {
	for i := range attempts {
		if err := pause(ctx, i); err != nil {
			return lost, err
		}
		err = b.once(ctx, limit, f)
		if err == nil || !failureOf(err).again {
			return lost, err
		}
		lost = true
		b.log.Debug("attempt at the object store is made again", "attempt", i+1, "error", err)
	}
	return lost, err
}

// once is one attempt. A context that ends it is ctx, whose error is returned, or the watch.
func (b *Blobs) once(ctx context.Context, limit time.Duration, f func(context.Context, *watch) error) error {
	attempt, w := watched(ctx, limit)
	defer w.end()
	return attemptError(ctx, attempt, f(attempt, w))
}

// attemptError is err, or why its context ended.
func attemptError(ctx, attempt context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case attempt.Err() != nil:
		return context.Cause(attempt)
	}
	return err
}

// pause waits before attempt i, counted from 0, before which there is no wait.
func pause(ctx context.Context, i int) error {
	if i == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	d := min(firstPause<<(i-1), lastPause)
	timer := time.NewTimer(d/2 + rand.N(d/2)) // spread, so that those who failed together do not come back together
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
