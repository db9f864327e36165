package redis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirstream/weir"
)

// So many calls in a row must fail before the breaker opens, for at first and at most so long.
const (
	breakAfter = 3
	openFirst  = 200 * time.Millisecond
	openMost   = 5 * time.Second
)

// errOpen is the answer for a server that is away. It never changes.
var errOpen = weir.Errorf(weir.Unavailable, "this cache does not answer and is left alone for a moment")

// breaker answers for a server that fails: after breakAfter failures in a row every call is refused at once, for a time
// that doubles. Then one call is let through; it ends the time or starts the next. It is a hook of the client of one
// server, so that in a cluster each node has its own.
type breaker struct {
	server  string
	log     *slog.Logger
	refused *atomic.Int64

	mu      sync.Mutex // guards what follows
	failed  int        // in a row
	open    time.Duration
	until   time.Time
	probing bool
}

var _ redis.Hook = (*breaker)(nil)

// verdict is what a call says of the server.
type verdict int

const (
	nothing  verdict = iota // the call was given up, or never reached it
	answered                // be it with an error
	failed
)

// judge reads a call's error. An error reply is an answer, unless it says that the server serves nobody.
func judge(err error) verdict {
	var reply redis.Error
	switch {
	case err == nil:
		return answered
	case redis.IsLoadingError(err), redis.IsClusterDownError(err), redis.IsMasterDownError(err), redis.IsMaxClientsError(err):
		return failed
	case errors.As(err, &reply):
		return answered
	case errors.Is(err, context.Canceled), errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted), errors.Is(err, redis.ErrClosed):
		return nothing
	}
	return failed
}

// admit lets a call through, as the probe of a server that was away or not, or refuses it.
func (b *breaker) admit() (probe bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.open == 0:
		return false, nil
	case b.probing || time.Now().Before(b.until):
		b.refused.Add(1)
		return false, errOpen
	}
	b.probing = true
	return true, nil
}

// report takes the outcome of a call that was let through.
func (b *breaker) report(probe bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch judge(err) {
	case answered:
		if b.open > 0 {
			b.log.Info("cache answers again", "server", b.server)
		}
		b.failed, b.open = 0, 0
	case failed:
		b.failed++
		switch {
		case probe:
			b.open = min(2*b.open, openMost)
			b.until = time.Now().Add(b.open)
		case b.open == 0 && b.failed >= breakAfter:
			b.log.Warn("cache does not answer", "server", b.server, "error", err)
			b.open = openFirst
			b.until = time.Now().Add(b.open)
		}
	}
}

// DialHook leaves dialling alone: it is part of some call.
func (b *breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook admits single commands.
func (b *breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if handshake(cmd) {
			return next(ctx, cmd)
		}
		probe, err := b.admit()
		if err != nil {
			return err
		}
		err = next(ctx, cmd)
		b.report(probe, err)
		return err
	}
}

// ProcessPipelineHook admits pipelines.
func (b *breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > 0 && handshake(cmds[0]) {
			return next(ctx, cmds)
		}
		probe, err := b.admit()
		if err != nil {
			return err
		}
		err = next(ctx, cmds)
		b.report(probe, err)
		return err
	}
}

// handshake says that cmd opens a connection, within a call that was let through already.
func handshake(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "hello", "auth", "select":
		return true
	}
	return false
}
