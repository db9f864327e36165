package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

const (
	againFirst = 100 * time.Millisecond
	againMost  = 3 * time.Second
)

// again calls f until it succeeds or fails with what time does not mend, with growing delay. When ctx ends it returns the
// last error, joined with that of ctx.
func again(ctx context.Context, f func() error) error {
	for delay := againFirst; ; delay = min(2*delay, againMost) {
		err := f()
		if err == nil || !mends(err) {
			return err
		}
		if !rest(ctx, delay) {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// rest waits; false says that ctx has ended.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// mends says whether an error may pass with time. What is no answer of a broker is the network's and does.
func mends(err error) bool {
	var known *weir.Error
	var code kafkago.Error
	switch {
	case errors.As(err, &known):
		return known.Kind == weir.Unavailable
	case errors.As(err, &code):
		return code.Temporary() || code == kafkago.Unknown
	}
	return true
}

// kinded gives an error of a broker or of the network its kind.
func kinded(err error) error {
	var known *weir.Error
	var code kafkago.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, kafkago.MessageSizeTooLarge):
		return weir.Errorf(weir.TooLarge, "the broker takes no message of this size: %w", err)
	case errors.Is(err, kafkago.InvalidTimestamp):
		return weir.Errorf(weir.Invalid, "the broker takes no message of this time: %w", err)
	case errors.As(err, &code) && !mends(err):
		return err // a defect, or a right that is missing
	}
	return weir.Errorf(weir.Unavailable, "the bus is away: %w", err)
}
