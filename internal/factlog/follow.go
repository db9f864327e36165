package factlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	weir "github.com/weirstream/weir"
	"golang.org/x/sync/errgroup"
)

const (
	baseEvery  = 30 * time.Second // the base is read again, to notice a log made anew
	sweepEvery = time.Minute
	trimEvery  = 10 * time.Minute
	fetches    = 16 // side by side
)

// Run follows the log until ctx ends, and returns nil then: whatever fails is tried again, and shows in Fresh and State. It
// also compacts now and then what all who run have written.
func (l *Log) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { l.follow(ctx); return nil })
	group.Go(func() error { l.trimming(ctx); return nil })
	if l.Cache != nil {
		group.Go(func() error { l.listen(ctx); return nil })
	}
	return group.Wait()
}

func (l *Log) follow(ctx context.Context) {
	poll := or(l.Poll, time.Second)
	var swept time.Time
	away := false
	for ctx.Err() == nil {
		err := l.look(ctx)
		if ctx.Err() != nil {
			return
		}
		l.note(func() { l.failed = err })
		if err != nil && !away {
			l.log().Warn("the edges' log cannot be read; not ready until it can", "error", err)
		} else if err == nil && away {
			l.log().Info("the edges' log is read again", "number", l.Number())
		}
		away = err != nil
		if now := l.now(); now.Sub(swept) >= sweepEvery {
			swept = now
			l.Sink.Sweep(now)
		}
		timer := time.NewTimer(poll)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.kicks():
		}
		timer.Stop()
	}
}

// listen wakes the follower for each message. A cache that is away is asked again each second.
func (l *Log) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.Cache.Subscribe(ctx, channel, nil, func([]byte) { l.kick() }); err != nil {
			l.log().Debug("not told of what is new in the edges' log", "error", err)
		}
		pause(ctx, time.Second)
	}
}

func (l *Log) trimming(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, trimEvery/2+rand.N(trimEvery)) // edges should not all try at once
		within, cancel := context.WithTimeout(ctx, trimWithin)
		if err := l.Trim(within); err != nil && ctx.Err() == nil {
			l.log().Warn("the edges' log is not compacted", "error", err)
		}
		cancel()
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// look reads what is new, to the end.
func (l *Log) look(ctx context.Context) error {
	l.mu.Lock()
	pos, old := l.pos, l.now().Sub(l.based) >= baseEvery
	l.mu.Unlock()
	if pos == 0 || old {
		if err := l.rebase(ctx); err != nil {
			return err
		}
	}
	for gaps := 0; ; {
		began, pos := l.now(), l.Number()
		facts, err := l.list(ctx, pos)
		if err != nil {
			return err
		}
		if len(facts) > 0 && facts[0].number != pos+1 {
			if gaps++; gaps > 3 {
				return weir.Errorf(weir.Unavailable, "the log has no number %d, but %d", pos+1, facts[0].number)
			}
			if err := l.rebase(ctx); err != nil { // they were compacted meanwhile
				return err
			}
			continue
		}
		switch err := l.obey(ctx, facts); {
		case weir.KindOf(err) == weir.NotFound && gaps < 3: // deleted meanwhile
			gaps++
			if err := l.rebase(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if len(facts) == 0 || len(facts) < page && l.Number() == facts[len(facts)-1].number {
			l.note(func() { l.seen = began })
			return nil
		}
	}
}

// obey reads facts that were listed, side by side, and applies them in order as far as there is no gap.
func (l *Log) obey(ctx context.Context, facts []listed) error {
	for len(facts) > 0 {
		some := facts[:min(len(facts), 4*fetches)]
		facts = facts[len(some):]
		read, err := l.facts(ctx, len(some), func(i int) uint64 { return some[i].number })
		if err != nil {
			return err
		}
		for _, fact := range read {
			if fact.Number != l.Number()+1 {
				return nil // a gap: it is listed again
			}
			l.Sink.Apply(fact)
			l.note(func() { l.pos = fact.Number })
		}
	}
	return nil
}

// facts reads n facts side by side.
func (l *Log) facts(ctx context.Context, n int, number func(i int) uint64) ([]weir.Rulings, error) {
	read := make([]weir.Rulings, n)
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(fetches)
	for i := range read {
		group.Go(func() (err error) {
			read[i], err = l.fact(within, number(i))
			return err
		})
	}
	return read, group.Wait()
}

func (l *Log) fact(ctx context.Context, number uint64) (weir.Rulings, error) {
	text, _, err := l.get(ctx, keyOf(number), weir.MaxRulingsBytes)
	if err != nil {
		return weir.Rulings{}, err
	}
	fact, err := weir.ParseRulings(text)
	if err != nil {
		return fact, weir.Errorf(weir.Internal, "number %d of the log is not understood by this program: %w", number, err)
	}
	if fact.Number != number {
		return fact, weir.Errorf(weir.Internal, "number %d of the log says it is %d", number, fact.Number)
	}
	return fact, nil
}

// rebase reads the base, and if the follower is not that far, obeys what is left of everything up to it.
func (l *Log) rebase(ctx context.Context) error {
	b, _, err := l.readBase(ctx)
	if err != nil {
		return err
	}
	pos := l.Number()
	if b.Through > pos {
		facts, err := l.readSnapshot(ctx, b)
		if err != nil {
			return err
		}
		if b.Floor > pos {
			l.Sink.Raise(b.Floor)
		}
		for _, fact := range facts {
			if fact.Number > pos {
				l.Sink.Apply(fact)
			}
		}
		l.note(func() { l.pos = b.Through })
	}
	l.note(func() { l.based = l.now() })
	return nil
}

// note changes the state and wakes who waits for it.
func (l *Log) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
}

func (l *Log) kicks() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kicked == nil {
		l.kicked = make(chan struct{}, 1)
	}
	return l.kicked
}

func (l *Log) kick() {
	select {
	case l.kicks() <- struct{}{}:
	default:
	}
}

// Number is up to where the log is obeyed; 0 before it was read at all.
func (l *Log) Number() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pos
}

// Fresh says whether all that was in the log FreshFor before now is obeyed. If not, nobody knows whether what this edge holds
// was purged.
func (l *Log) Fresh(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.seen.IsZero() && now.Sub(l.seen) <= or(l.FreshFor, 5*time.Second)
}

// Ready is Fresh now, as an error (Unavailable) that says why not.
func (l *Log) Ready() error {
	if l.Fresh(l.now()) {
		return nil
	}
	s := l.State()
	if s.Error != nil {
		return weir.Errorf(weir.Unavailable, "the edges' log was not read to its end lately: %w", s.Error)
	}
	return weir.Errorf(weir.Unavailable, "the edges' log was not read to its end lately")
}

// State is where the follower stands.
type State struct {
	Number uint64
	Fresh  bool
	Seen   time.Time // begin of the last look that reached the end; zero if none did
	Error  error     // of the last look; nil if it reached the end
}

// State tells where the follower stands.
func (l *Log) State() State {
	now := l.now()
	fresh := l.Fresh(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	return State{Number: l.pos, Fresh: fresh, Seen: l.seen, Error: l.failed}
}

// Wait returns when number is obeyed here. Timeout or Unavailable: ctx ended before.
func (l *Log) Wait(ctx context.Context, number uint64) error {
	return l.await(ctx, func() bool { return l.pos >= number })
}

// CaughtUp returns once the log was read to its end.
func (l *Log) CaughtUp(ctx context.Context) error {
	return l.await(ctx, func() bool { return !l.seen.IsZero() })
}

// await returns when done, asked under mu, says so.
func (l *Log) await(ctx context.Context, done func() bool) error {
	for {
		l.mu.Lock()
		if done() {
			l.mu.Unlock()
			return nil
		}
		if l.moved == nil {
			l.moved = make(chan struct{})
		}
		moved := l.moved
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the edges' log: %w", ctx.Err())
		case <-moved:
		}
	}
}
