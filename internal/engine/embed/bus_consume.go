package embed

import (
	"context"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

const (
	fetchMost  = 64                     // messages read at once: at most 4 MiB
	ackEvery   = 100 * time.Millisecond // slow handlers are acknowledged one by one, quick ones together
	ackWithin  = 5 * time.Second        // after ctx ended
	pollEvery  = 10 * time.Second       // when nothing wakes a member
	retryFirst = 50 * time.Millisecond
	retryMost  = 30 * time.Second
)

// Consume makes the caller a member of the group until ctx ends, and returns nil then. handle is called for one message at
// a time; while a partition rests after an error, those of other partitions are handled. Errors: Invalid (a topic or group
// that cannot be one), Unavailable (the bus was closed), and those of joining.
func (b *Bus) Consume(ctx context.Context, topic, group string, handle func(context.Context, weir.Message) error) error {
	if !validName(topic) || !validName(group) || strings.Contains(group, ".") {
		return weir.Errorf(weir.Invalid, "%q and %q are not names of a topic and a group", topic, group)
	}
	g, err := b.join(ctx, groupName{topic, group})
	if err != nil {
		switch {
		case b.isClosed():
			return errClosed()
		case ctx.Err() != nil:
			return nil
		}
		return err
	}
	defer b.leave(g)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()
	for look := true; ctx.Err() == nil; {
		if look {
			if err := b.refresh(ctx, topic); err != nil && ctx.Err() == nil {
				b.log().Warn("bus cannot be read", "topic", topic, "group", group, "error", err)
			}
		}
		p, wait, changed := b.take(g, time.Now())
		if p == nil {
			look = idle(ctx, wait, changed) && wait == pollEvery
			continue
		}
		look = false
		next, failed := b.handle(ctx, g, p, handle)
		b.giveBack(g, p, next, failed, time.Now())
	}
	if b.life.Err() != nil {
		return errClosed()
	}
	return nil
}

// idle waits until changed is closed, ctx ends, or the time has passed, which it says.
func idle(ctx context.Context, wait time.Duration, changed <-chan struct{}) (passed bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timer.C:
		return true
	}
	return false
}

// handle gives the next few messages of a partition to the handler, acknowledging as it goes. next is the first that was
// not handled; failed says that it is to be tried again later.
func (b *Bus) handle(ctx context.Context, g *group, p *part, handle func(context.Context, weir.Message) error) (next int64, failed bool) {
	next = p.next
	messages, err := b.fetch(ctx, g.topic, p)
	if err != nil {
		b.warn(ctx, "bus cannot be read", g, p, next, err)
		return next, true
	}
	if len(messages) == 0 {
		next = p.until // what was there has been dropped
	}
	last := time.Now()
	for _, m := range messages {
		if err := handle(ctx, m); err != nil {
			b.warn(ctx, "message will be handled again", g, p, m.Offset, err)
			failed = ctx.Err() == nil
			break
		}
		next = m.Offset + 1
		if ctx.Err() != nil {
			break
		}
		if time.Since(last) > ackEvery {
			b.note(ctx, g, p, next)
			last = time.Now()
		}
	}
	b.note(ctx, g, p, next)
	return next, failed
}

// note acknowledges, also when ctx has ended. If it fails the messages come again after a restart, which is allowed.
func (b *Bus) note(ctx context.Context, g *group, p *part, next int64) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackWithin)
	defer cancel()
	if err := b.acknowledge(bounded, g, p, next); err != nil {
		b.warn(bounded, "messages cannot be acknowledged", g, p, next, err)
	}
}

func (b *Bus) warn(ctx context.Context, message string, g *group, p *part, offset int64, err error) {
	if ctx.Err() == nil {
		b.log().Warn(message, "topic", g.topic, "group", g.name, "partition", p.n, "offset", offset, "error", err)
	}
}
