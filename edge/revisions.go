package edge

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// How old what the edge knows of a revision may be. A head is re-read when older than its fresh time; until hardAge the
// answer does not wait for that. While the object store fails, what was known is told for at most staleAge.
const (
	freshGrowing  = time.Second
	freshComplete = 1500 * time.Millisecond
	freshMissing  = time.Second
	hardAge       = 2 * time.Second
	staleAge      = 30 * time.Second
	retryAfter    = time.Second // between reads that fail
	readTimeout   = 15 * time.Second
)

// slotBytes is what the shelf charges for a revision besides its own size; evictSample is how many candidates an
// eviction compares.
const (
	slotBytes   = 512
	evictSample = 16
)

// revisionKey names a revision in the object store.
type revisionKey struct {
	organisation, asset string
	revision            int
}

// shelf is the revisions the edge knows, each re-read from its head by one reader at a time. It is bounded by bytes; the
// least recently used of a sample is dropped.
type shelf struct {
	read  func(ctx context.Context, key revisionKey, old *revision) (*revision, error)
	limit int64
	stamp func() uint64 // the newest ruling known
	log   *slog.Logger
	warn  limiter // of lines about failed reads: all revisions fail when the store is away

	ctx   context.Context // of every read
	reads sync.WaitGroup
	ticks atomic.Int64 // counts look-ups, for recency

	mu    sync.RWMutex // guards the map and bytes; taken before a slot's own
	slots map[revisionKey]*slot
	bytes int64
}

// slot is one revision's place on the shelf.
type slot struct {
	state atomic.Pointer[state]
	used  atomic.Int64 // shelf.ticks at the last look-up

	mu     sync.Mutex // guards flight
	flight chan struct{}
	bytes  int64 // charged; guarded by the shelf's mu
}

// state is what is known of a revision. It is not changed.
type state struct {
	revision *revision // nil if it does not exist or was never read
	err      error     // of the last read
	good     time.Time // start of the last read that told the truth: found, or surely missing
	tried    time.Time // start of the last read
	stamp    uint64    // of rulings, when the last good read began
}

// fresh says whether another read is not due.
func (s *state) fresh(now time.Time) bool {
	age := now.Sub(s.tried)
	switch {
	case s.tried != s.good:
		return age < retryAfter
	case s.revision == nil:
		return age < freshMissing
	case s.revision.head.State == weir.Growing:
		return age < freshGrowing
	default:
		return age < freshComplete
	}
}

// answer is what a client may be told of the state.
func (s *state) answer(now time.Time) (*revision, error) {
	switch {
	case s.revision == nil, s.tried != s.good && now.Sub(s.good) >= staleAge:
		return nil, s.err
	case s.revision.head.State == weir.Deleted:
		return nil, weir.Errorf(weir.Gone, "this asset was deleted")
	}
	return s.revision, nil
}

// enough says whether no read is due for who wants a state read under stamp least: this one is, or the read after it has just
// failed.
func (s *state) enough(now time.Time, least uint64) bool {
	return s.fresh(now) && (s.stamp >= least || s.tried != s.good)
}

// told is answer with the state's stamp.
func (s *state) told(now time.Time) (*revision, uint64, error) {
	r, err := s.answer(now)
	return r, s.stamp, err
}

// find returns the revision, reading its head if what is known is due. latest asks for a state that is fresh even if an
// older one could still be told; least asks for one that was read under that stamp or a later one, and gets an older one only
// if the read fails. The stamp returned is the state's. Errors: NotFound; Gone; Unavailable or Timeout when the store does not answer.
func (s *shelf) find(ctx context.Context, organisation string, asset []byte, rev int, now func() time.Time, latest bool, least uint64) (*revision, uint64, error) {
	s.mu.RLock()
	sl := s.slots[revisionKey{organisation, string(asset), rev}]
	s.mu.RUnlock()
	if sl == nil {
		sl = s.add(revisionKey{organisation, string(asset), rev})
	}
	sl.used.Store(s.ticks.Add(1))
	at := now()
	if st := sl.state.Load(); st != nil {
		if st.enough(at, least) {
			return st.told(at)
		}
		if !latest && st.stamp >= least && st.revision != nil && at.Sub(st.good) < hardAge {
			s.refresh(sl, revisionKey{organisation, string(asset), rev}, now, least)
			return st.told(at)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for range 2 { // the read under way may have begun before least
		select {
		case <-s.refresh(sl, revisionKey{organisation, string(asset), rev}, now, least):
		case <-ctx.Done():
			return nil, 0, weir.Errorf(weir.Timeout, "the index of this revision did not arrive in time")
		}
		if sl.state.Load().enough(now(), least) {
			break
		}
	}
	return sl.state.Load().told(now())
}

// size is what is charged now.
func (s *shelf) size() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bytes
}

// add makes a slot for key, dropping others for it.
func (s *shelf) add(key revisionKey) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.slots[key]; sl != nil {
		return sl
	}
	sl := &slot{}
	sl.used.Store(s.ticks.Add(1))
	s.slots[key] = sl
	s.charge(sl, slotBytes)
	return sl
}

// charge sets what sl costs and drops slots until the shelf is within its limit. The caller holds mu.
func (s *shelf) charge(sl *slot, bytes int64) {
	s.bytes += bytes - sl.bytes
	sl.bytes = bytes
	for s.bytes > s.limit && len(s.slots) > 1 {
		var oldest *slot
		var oldestKey revisionKey
		n := 0
		for key, candidate := range s.slots { // in random order
			if candidate != sl && (oldest == nil || candidate.used.Load() < oldest.used.Load()) {
				oldest, oldestKey = candidate, key
			}
			if n++; n > evictSample {
				break
			}
		}
		s.bytes -= oldest.bytes
		oldest.bytes = 0
		delete(s.slots, oldestKey)
	}
}

// refresh starts a read unless one is under way, and returns what is closed when it ends.
func (s *shelf) refresh(sl *slot, key revisionKey, now func() time.Time, least uint64) <-chan struct{} {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if sl.flight != nil {
		return sl.flight
	}
	done := make(chan struct{})
	if old := sl.state.Load(); old != nil && old.enough(now(), least) {
		close(done) // another read ended meanwhile
		return done
	}
	sl.flight = done
	s.reads.Go(func() {
		next := s.reread(sl.state.Load(), key, now)
		sl.state.Store(next)
		s.settle(sl, key, next)
		sl.mu.Lock()
		sl.flight = nil
		sl.mu.Unlock()
		close(done)
	})
	return done
}

// settle charges the slot for what it holds now, if it is still on the shelf.
func (s *shelf) settle(sl *slot, key revisionKey, st *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots[key] != sl {
		return
	}
	bytes := int64(slotBytes)
	if st.revision != nil {
		bytes += st.revision.bytes
	}
	s.charge(sl, bytes)
}

// reread is the next state after one read.
func (s *shelf) reread(old *state, key revisionKey, now func() time.Time) *state {
	next := &state{tried: now()}
	if old != nil {
		next.revision, next.good, next.stamp = old.revision, old.good, old.stamp
	}
	stamp := s.stamp()
	ctx, cancel := context.WithTimeout(s.ctx, readTimeout)
	defer cancel()
	r, err := s.contained(ctx, key, next.revision)
	switch {
	case err == nil:
		next.revision, next.good, next.stamp = r, next.tried, stamp
	case weir.KindOf(err) == weir.NotFound:
		next.revision, next.good, next.stamp, next.err = nil, next.tried, stamp, weir.Errorf(weir.NotFound, "there is no such revision of this asset")
	default:
		next.err = weir.Errorf(weir.Unavailable, "the index of this revision cannot be read right now")
		if s.warn.due(next.tried) {
			s.log.Warn("read of a revision failed", "organisation", key.organisation, "asset", key.asset, "revision", key.revision, "error", err)
		}
	}
	return next
}

// contained is read without its panics.
func (s *shelf) contained(ctx context.Context, key revisionKey, old *revision) (r *revision, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.read(ctx, key, old)
}
