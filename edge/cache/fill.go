//go:build linux

package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"time"
	"unique"

	weir "github.com/weirstream/weir"
)

// Fill reads the bytes of a key into w, in order. Nil means that all of them are there and are what they should be. Until
// it returns nil the last HoldBack bytes are handed to nobody, so that no client ever gets a whole answer that was not
// verified. It must return soon after ctx ends.
type Fill func(ctx context.Context, w *Writer) error

// Options are how a fill is kept.
type Options struct {
	Live  bool   // of a growing presentation: it has a share of the budget of its own
	Ahead bool   // nobody has asked for it yet: it is not counted as a miss, and if it fails the next one tries again at once
	Stamp uint64 // how far the purge log was read when the fill began, for Remove
	Kept  func() // called by the fill's goroutine once all is there and Peek finds it; nil is nobody
}

// Fill returns the body of key as soon as its first byte is there, calling fill if nobody else is filling it already. The
// fill runs detached: when ctx ends this call returns and the fill goes on for those who still wait and for the next ones.
// The error is the fill's if it failed before its first byte, and then answers for the key a while (Config.Remember), unless it is Fleeting;
// Internal for a panic or another length than the key's; TooLarge for more bytes than the cache has room for; Timeout for
// a fill that stalled or took too long; Unavailable if no room came free in time, or the cache is closed; and ctx's.
func (m *Memory) Fill(ctx context.Context, key Key, o Options, fill Fill) (*Body, Source, error) {
	if key.Length < Unknown {
		return nil, Stored, weir.Errorf(weir.Internal, "fill of %d bytes", key.Length)
	}
	if key.Length > m.largest {
		return nil, Stored, weir.Errorf(weir.TooLarge, "%d bytes do not fit the cache", key.Length)
	}
	p, source, err := m.join(key, o, fill)
	if err != nil {
		return nil, source, err
	}
	e := p.entry
	if f := e.flight.Load(); f != nil {
		if err := f.wait(ctx, e, 0); err != nil {
			m.release(p)
			return nil, source, err
		}
	}
	return m.body(p), source, nil
}

// join refers to the place of key's bytes, and starts its fill if there is none.
func (m *Memory) join(key Key, o Options, fill Fill) (*place, Source, error) {
	h := m.hash(&key)
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(h, &key); e != nil {
		source := Hit
		if e.flight.Load() != nil {
			source = Collapsed
		}
		return s.take(e), source, nil
	}
	if err := s.failed(h); err != nil {
		s.refused++
		return nil, Refused, err
	}
	if s.closed {
		return nil, Stored, weir.Errorf(weir.Unavailable, "the cache is closed")
	}
	e := &entry{hash: h, object: unique.Make(key.Object), off: key.Offset, length: key.Length, stamp: o.Stamp, ahead: o.Ahead}
	e.live = o.Live && key.Length <= m.config.LiveShare/2 // a larger one would have the share for itself
	f := &flight{}
	e.flight.Store(f)
	e.size.Store(key.Length)
	p := &place{entry: e}
	p.refs.Store(3) // the index, the fill, the caller
	e.place = p
	s.insert(e)
	if !o.Ahead {
		s.misses++
	}
	m.fills.Go(func() { m.run(p, f, fill, o.Kept) })
	return p, Stored, nil
}

// run is the life of one fill: get room, read, keep or give back, tell the waiters.
func (m *Memory) run(p *place, f *flight, fill Fill, kept func()) {
	start, e := time.Now(), p.entry
	ctx, cancel := context.WithCancelCause(m.ctx)
	defer cancel(nil)
	// Readers are told at once, also if fill does not heed its context; its room stays charged until it returns.
	abort := func(d time.Duration, what string) *time.Timer {
		return time.AfterFunc(d, func() {
			err := weir.Errorf(weir.Timeout, "%s %v", what, d)
			m.fail(e, f, err)
			cancel(err)
		})
	}
	total := abort(m.config.FillTimeout, "the bytes were not there within")
	defer total.Stop()
	w := &Writer{memory: m, ctx: ctx, entry: e, place: p, flight: f, stall: abort(m.config.Stall, "no byte came for")}
	defer w.stall.Stop()
	w.stall.Stop()
	err := w.begin()
	if err == nil {
		err = m.call(ctx, w, fill)
	}
	if err == nil {
		err = m.settle(p, f, w)
	}
	if err == nil && kept != nil {
		kept()
	}
	if err != nil {
		m.fail(e, f, err)
		m.mu.Lock()
		if p.state == filling {
			m.charge(p, loose)
		}
		m.mu.Unlock()
		m.release(p)
	}
	if m.config.Filled != nil {
		m.config.Filled(time.Since(start), err)
	}
}

// call runs fill and contains what can go wrong in it.
func (m *Memory) call(ctx context.Context, w *Writer, fill Fill) (err error) {
	defer func() {
		if p := recover(); p != nil {
			m.events.panics.Add(1)
			err = weir.Errorf(weir.Internal, "fill panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return w.finish(fill(ctx, w))
}

// settle makes the entry whole and gives it to its queue, unless it failed or was forgotten meanwhile.
func (m *Memory) settle(p *place, f *flight, w *Writer) error {
	e := p.entry
	f.mu.Lock()
	if f.err != nil {
		f.mu.Unlock()
		return f.err
	}
	f.ended = true
	f.mu.Unlock()
	e.size.Store(w.total)
	m.mu.Lock()
	m.trim(p, w.total)
	if e.gone {
		m.charge(p, loose)
	} else {
		m.charge(p, queued)
	}
	m.admit()
	m.mu.Unlock()
	s := m.shard(e.hash)
	s.mu.Lock()
	if !e.ahead {
		s.missBytes += w.total
	}
	s.mu.Unlock()
	e.ready.Store(w.total)
	m.release(p) // before anybody can know that it is whole: who does finds it evictable
	f.mu.Lock()
	e.flight.Store(nil)
	f.tell()
	f.mu.Unlock()
	return nil
}

// fail ends the flight with err, unless it has ended, and has err answer for the key a while.
func (m *Memory) fail(e *entry, f *flight, err error) {
	f.mu.Lock()
	if f.err != nil || f.ended {
		f.mu.Unlock()
		return
	}
	remember := m.config.Remember > 0 && m.ctx.Err() == nil && !IsFleeting(err) && !e.ahead // who fetches ahead gives up early
	if f.starved {
		err, remember = weir.Errorf(weir.Unavailable, "no room came free in time: %w", err), false
	}
	f.err = err
	f.mu.Unlock()
	m.mu.Lock()
	if remember && !e.gone {
		s := m.shard(e.hash)
		s.mu.Lock()
		// Not all at once when the time is over: what failed together was asked for together.
		s.remember(e.hash, err, m.config.Remember*2/5+rand.N(m.config.Remember*3/5+1))
		s.mu.Unlock()
	}
	m.drop(e)
	m.admit()
	m.mu.Unlock()
	f.mu.Lock()
	f.tell()
	f.mu.Unlock()
}

// fleeting is an error that says nothing of the next fill.
type fleeting struct{ err error }

// Fleeting is err, not to be remembered: the next call for the key fills again at once. It is for what came over one fill (it was
// refused its turn, its bytes were damaged on the way), not for what may be so a moment later. Kind and text are err's.
func Fleeting(err error) error { return &fleeting{err} }

// IsFleeting says whether err came of Fleeting.
func IsFleeting(err error) bool {
	var f *fleeting
	return errors.As(err, &f)
}

// Error is that of what it wraps.
func (f *fleeting) Error() string { return f.err.Error() }

// Unwrap returns what it wraps.
func (f *fleeting) Unwrap() error { return f.err }
