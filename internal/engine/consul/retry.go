package consul

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// outage is the failures in a row of one loop.
type outage struct {
	log  *slog.Logger // knows what the loop is about
	max  time.Duration
	from time.Time // zero: there is none
	next time.Duration
}

// failed is how long to wait before the next try. Only the first failure is logged.
func (o *outage) failed(err error) time.Duration {
	if o.from.IsZero() {
		o.from, o.next = time.Now(), firstRetry
		o.log.Warn("consul is away", "error", err)
	}
	delay := min(o.next, o.max)
	o.next = min(2*o.next, o.max)
	return delay/2 + jitter(delay)
}

// over ends an outage, if there is one.
func (o *outage) over() {
	if !o.from.IsZero() {
		o.log.Info("consul is back", "after", time.Since(o.from).Round(time.Millisecond))
		o.from = time.Time{}
	}
}

// jitter is anything up to d, so that those who wait for one thing do not come at one time.
func jitter(d time.Duration) time.Duration { return rand.N(max(d, 1)) }

// sleep ends with ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// outlive is a context with the values of ctx that ends stopWithin after it, or at the latest after limit: what Consul was
// asked to do is done before it is undone.
func outlive(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() {
		sleep(longer, stopWithin)
		cancel()
	})
	return longer, func() {
		stop()
		cancel()
	}
}
