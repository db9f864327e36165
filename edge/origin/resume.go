package origin

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

const (
	attempts   = 4                     // in a row without a byte more, until a read is given up
	retryDelay = 20 * time.Millisecond // after the first of them, at most; it doubles
	endGrace   = time.Second           // for a read that was told to end
)

// toTheEnd is the length of what is read to its end.
const toTheEnd = -1

// read is a part on its way into a sink, by as many reads of the store as that takes.
type read struct {
	origin *Origin
	part   Part // what is to be read: its key, offset and length, or toTheEnd
	waiter *waiter
	sink   cache.Sink
	// restart empties the sink. It is nil where others have seen what went into it.
	restart func()

	info weir.ObjectInfo // of the first answer
	got  int64
}

// run reads until all is there. Where a read broke it goes on, on the same ETag, so that it never joins bytes of two objects. Without
// an ETag it does not go on at all once bytes were handed over: a checksum at the end would refuse a wrong joint too, but clients
// would be sent bytes of another object before, and a fill that is sure to fail is better ended now.
func (r *read) run(ctx context.Context) error {
	if r.part.Length == 0 {
		return nil
	}
	most := int64(0)
	for failures := 0; ; {
		err := r.attempt(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		replaced := r.got > 0 && weir.KindOf(err) == weir.Precondition
		joint := replaced || r.got > 0 && r.info.ETag == ""
		if err == errNoSpace || cache.IsFleeting(err) || permanent(err) && !replaced || joint && r.restart == nil {
			return err
		}
		if r.got > most {
			failures, most = 0, r.got
		}
		if failures++; failures == attempts {
			return err
		}
		if joint {
			r.restart()
			r.got, r.info = 0, weir.ObjectInfo{}
		}
		r.origin.counters.resumed.Add(1)
		delay := retryDelay << (failures - 1)
		select {
		case <-time.After(delay/2 + rand.N(delay/2+1)): // what broke together does not come back together
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// permanent says whether asking again cannot help.
func permanent(err error) bool {
	switch weir.KindOf(err) {
	case weir.NotFound, weir.Gone, weir.BadRange, weir.Precondition, weir.Invalid, weir.Forbidden:
		return true
	}
	return false
}

// attempt reads as far as one read gets.
func (r *read) attempt(ctx context.Context) error {
	f, err := r.first(ctx)
	if err != nil {
		return err
	}
	defer f.cancel()
	if r.got > 0 && f.info.ETag != r.info.ETag {
		return weir.Errorf(weir.Precondition, "%s was replaced while it was read", r.part.Key)
	}
	if r.got == 0 {
		r.info = f.info
	}
	f.turn <- r.sink
	stalled, err := r.watch(ctx, f)
	if err != nil {
		return err
	}
	r.got += f.got
	if p := (*panicked)(nil); errors.As(f.err, &p) {
		panic(p.what)
	}
	if stalled {
		return r.judge(r.stalled())
	}
	return r.judge(f.err)
}

// stalled is the error of a read that yields nothing.
func (r *read) stalled() error {
	return weir.Errorf(weir.Unavailable, "no byte of %s came for %v", r.part.Key, r.origin.stall())
}

// judge says whether all is there, however the last read ended.
func (r *read) judge(err error) error {
	size, end := r.info.Size, r.part.Off+r.part.Length
	whole := r.part.Length == toTheEnd
	switch {
	case !whole && r.got == r.part.Length, whole && r.got == size && size > 0:
		return nil
	case err == errNoSpace:
		return err
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		return weir.Errorf(kindOf(err), "read of %s broke: %w", r.part.Key, err)
	case whole && err == io.EOF && size == 0:
		return nil
	case !whole && size > 0 && size < end:
		return weir.Errorf(weir.BadRange, "%s has %d bytes, %d were listed", r.part.Key, size, end)
	}
	return weir.Errorf(weir.Unavailable, "read of %s broke: %w", r.part.Key, io.ErrUnexpectedEOF)
}

// kindOf is the kind of what broke a read: what has none is the network's.
func kindOf(err error) weir.Kind {
	if k := weir.KindOf(err); k != weir.Internal {
		return k
	}
	return weir.Unavailable
}

// first starts a read and returns it when its first byte is there; if that is late, a second one too, and then the one that is faster.
// Those that lost are told to end and not waited for: what they write is their own.
func (r *read) first(ctx context.Context) (*fetch, error) {
	o := r.origin
	s, err := o.slots.acquire(ctx, o.concurrency(), o.queueBound(), r.waiter)
	if err != nil {
		return nil, err
	}
	o.pace.began()
	a, b := r.fetch(ctx, s), (*fetch)(nil)
	began := a.began
	stall := time.NewTimer(o.stall())
	defer stall.Stop()
	var late <-chan time.Time
	if d, known := o.pace.late(); known && s.priority == Player {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	var second <-chan struct{}
	for {
		var won, lost *fetch
		select {
		case <-a.first:
			won, lost = a, b
		case <-second:
			won, lost = b, a
		case <-late:
			if b = r.hedge(ctx); b != nil {
				second = b.first
			}
			continue
		case <-stall.C:
			o.counters.stalled.Add(1)
			err = r.stalled()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if won == nil {
			a.drop()
			b.drop()
			return nil, err
		}
		if won.failed != nil && lost != nil && !permanent(won.failed) {
			a, b, second, late = lost, nil, nil, nil // the other may do better
			won.drop()
			continue
		}
		lost.drop()
		return r.taken(won, began)
	}
}

// taken is what becomes of the read that was first.
func (r *read) taken(f *fetch, began time.Time) (*fetch, error) {
	if f.failed == nil {
		r.origin.pace.saw(time.Since(began))
		if f.began != began {
			r.origin.counters.hedgesWon.Add(1)
		}
		return f, nil
	}
	f.drop()
	if p := (*panicked)(nil); errors.As(f.failed, &p) {
		panic(p.what)
	}
	return nil, f.failed
}

// hedge starts a second read, or returns nil if there is none to spare.
func (r *read) hedge(ctx context.Context) *fetch {
	if !r.origin.pace.spend() {
		return nil
	}
	s, ok := r.origin.slots.try()
	if !ok {
		return nil
	}
	r.origin.counters.hedged.Add(1)
	return r.fetch(ctx, s)
}

func (r *read) fetch(ctx context.Context, s slot) *fetch {
	n, etag := r.part.Length, ""
	if n != toTheEnd {
		n -= r.got
	}
	if r.got > 0 {
		etag = r.info.ETag
	}
	return r.origin.fetch(ctx, s, r.part.Key, r.part.Off+r.got, n, etag)
}

// drop tells a read, if it is one, to end.
func (f *fetch) drop() {
	if f != nil {
		f.cancel()
	}
}

// watch returns when f has ended. Where it stalls or ctx ends, it is told to end; if it does not, its sink is taken away from it, and
// the error is final.
func (r *read) watch(ctx context.Context, f *fetch) (stalled bool, err error) {
	t := time.NewTimer(r.origin.stall())
	defer t.Stop()
	for !stalled && ctx.Err() == nil {
		select {
		case <-f.done:
			return false, nil
		case <-ctx.Done():
		case <-t.C:
			left := r.origin.stall() - f.idle()
			stalled = left <= 0
			t.Reset(left)
		}
	}
	if stalled {
		r.origin.counters.stalled.Add(1)
	}
	f.cancel()
	t.Reset(endGrace)
	select {
	case <-f.done:
		return stalled, nil
	case <-t.C:
	}
	if f.lose(r.sink) {
		return stalled, cache.Fleeting(weir.Errorf(weir.Unavailable, "the read of %s does not end", r.part.Key))
	}
	<-f.done
	return stalled, nil
}

func (o *Origin) stall() time.Duration {
	if o.StallTimeout > 0 {
		return o.StallTimeout
	}
	return 5 * time.Second
}

func (o *Origin) queueBound() int {
	if o.Queue > 0 {
		return o.Queue
	}
	return 1024
}
