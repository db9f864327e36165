package origin_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
)

// line is an origin whose reads take a second each, and those who ask it. Reads are known by their offset.
type line struct {
	t *testing.T
	*origin.Origin
	store *store
	wg    sync.WaitGroup
	mu    sync.Mutex // guards errs
	errs  map[int64]error
}

func newLine(t *testing.T, concurrency, bound int) *line {
	l := &line{t: t, store: newStore(), errs: map[int64]error{}}
	l.store.shelve("a", make([]byte, 1000))
	for range 500 {
		l.store.faults = append(l.store.faults, fault{wait: time.Second})
	}
	l.Origin = &origin.Origin{Blobs: l.store, Concurrency: concurrency, Queue: bound}
	return l
}

func part(off int64) origin.Part {
	return origin.Part{Key: "a", Off: off, Length: 1, Sum: crc([]byte{0})}
}

// ask begins a copy of the byte at off; the deadline is that long from now, if not 0. It returns when it reads or waits.
func (l *line) ask(off int64, priority origin.Priority, deadline time.Duration) {
	l.askUnder(l.t.Context(), off, priority, deadline)
}

func (l *line) askUnder(ctx context.Context, off int64, priority origin.Priority, deadline time.Duration) {
	want := origin.Want{Priority: priority}
	if deadline != 0 {
		want.Deadline = time.Now().Add(deadline)
	}
	l.wg.Go(func() {
		err := l.Copy(ctx, part(off), want, &tub{size: 1}, 0, 0)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.errs[off] = err
	})
	synctest.Wait()
}

// reads are the offsets that the store was asked for, in order.
func (l *line) reads() []int64 {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return slices.Clone(l.store.gets)
}

// err is what Copy of off returned, nil if it has not.
func (l *line) err(off int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs[off]
}

// wantOrder waits for all and compares the order in which the store was asked.
func (l *line) wantOrder(want ...int64) {
	l.t.Helper()
	l.wg.Wait()
	if !slices.Equal(l.reads(), want) {
		l.t.Errorf("reads at %v, want %v", l.reads(), want)
	}
	wantNothingLeft(l.t, l.Origin, l.store)
}

// wantRefused says which read was refused, now.
func (l *line) wantRefused(off int64) {
	l.t.Helper()
	if err := l.err(off); weir.KindOf(err) != weir.Unavailable || !cache.IsFleeting(err) {
		l.t.Errorf("Copy of %d = %v, want unavailable at once, and not to be remembered", off, err)
	}
}

func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 2, 0)
		l.ask(1, origin.Player, 0)
		l.ask(2, origin.Player, 0)
		if l.InFlight() != 1 || l.QueueWait() != 0 {
			t.Errorf("with two reads of two InFlight = %v, QueueWait = %v", l.InFlight(), l.QueueWait())
		}
		l.ask(3, origin.Prefetch, 0)
		l.ask(4, origin.Prefetch, time.Minute)
		l.ask(5, origin.Player, 0)
		l.ask(6, origin.Player, time.Hour)
		l.ask(7, origin.Player, time.Minute)
		l.ask(8, origin.Player, 0)
		if c := l.Counts(); c.Queued != 6 || c.Reading != 2 {
			t.Errorf("Counts = %+v, want 6 queued and 2 reading", c)
		}
		time.Sleep(500 * time.Millisecond)
		if d := l.QueueWait(); d != 500*time.Millisecond {
			t.Errorf("QueueWait = %v, want the time that the next one has waited", d)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		l.ask(9, origin.Player, time.Hour)
		l.ask(10, origin.Player, time.Minute)
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if d := l.QueueWait(); d != 2100*time.Millisecond {
			t.Errorf("QueueWait = %v, want that of the players who are still there", d)
		}
		l.wg.Wait()
		for i, want := range [][]int64{{6, 7}, {9, 10}, {5, 8}} {
			if got := sorted(l.reads()[2+2*i : 4+2*i]); !slices.Equal(got, want) {
				t.Errorf("reads at %v: want players by deadline, then by arrival", l.reads())
			}
		}
		if d := l.QueueWait(); d != 0 {
			t.Errorf("QueueWait = %v when nobody waits", d)
		}
		if !slices.Equal(l.reads()[8:], []int64{4, 3}) { // one at a time
			t.Errorf("reads at %v: want the prefetches last, by deadline", l.reads())
		}
	})
}

func sorted(s []int64) []int64 { return slices.Sorted(slices.Values(s)) }

func TestRaise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 2, 0)
		l.Raise(part(9))
		l.ask(1, origin.Player, 0)
		l.ask(2, origin.Prefetch, 0)
		l.ask(3, origin.Prefetch, 0)
		l.ask(4, origin.Prefetch, 0)
		l.ask(5, origin.Prefetch, 0)
		l.Raise(part(5))
		l.Raise(part(5))
		l.Raise(part(9))
		l.Raise(part(1))
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if !slices.Equal(sorted(l.reads()), []int64{1, 2, 3, 5}) {
			t.Errorf("reads at %v, want 5 to have been raised before 4", l.reads())
		}
		l.wg.Wait()
	})
}

// Who was raised while it was read is a player's when it goes on.
func TestRaiseOfWhatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 2, 0)
		l.store.faults[0].end = reset
		l.ask(1, origin.Prefetch, 0)
		l.Raise(part(1))
		l.ask(2, origin.Player, 0)
		l.ask(3, origin.Player, 0)
		l.ask(4, origin.Player, 0)
		l.ask(5, origin.Player, 0)
		l.ask(6, origin.Player, 0)
		l.wg.Wait()
		if got := l.reads(); len(got) != 7 || !slices.Contains(got[4:6], 1) {
			t.Errorf("reads at %v: want what was raised to go on before those who came after it", got)
		}
		wantNothingLeft(t, l.Origin, l.store)
	})
}

// A player finds a slot however many prefetches there are.
func TestPrefetchesHoldHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 8, 0)
		for i := range 20 {
			l.ask(int64(i), origin.Prefetch, 0)
		}
		if c := l.Counts(); c.Reading != 4 || c.Queued != 16 {
			t.Errorf("20 prefetches: %+v, want 4 reading", c)
		}
		for i := range 5 {
			l.ask(int64(100+i), origin.Player, 0)
		}
		if c := l.Counts(); c.Reading != 8 || c.Queued != 17 {
			t.Errorf("and 5 players: %+v, want 8 reading", c)
		}
		l.wg.Wait()
		alone := newLine(t, 1, 0)
		alone.ask(1, origin.Prefetch, 0)
		alone.wantRefused(1)
		alone.ask(2, origin.Player, 0)
		alone.wantOrder(2)
	})
}

func TestFullQueueSheds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 2, 3)
		l.ask(1, origin.Player, 0)
		l.ask(2, origin.Player, 0)
		l.ask(3, origin.Prefetch, 0)
		l.ask(4, origin.Prefetch, 0)
		l.ask(5, origin.Player, 0)
		l.ask(6, origin.Prefetch, 0)
		l.wantRefused(6)
		l.ask(7, origin.Player, 0)
		l.wantRefused(4) // the newest prefetch
		l.ask(8, origin.Player, 0)
		l.wantRefused(3)
		l.ask(9, origin.Player, 0)
		l.wantRefused(9)
		if c := l.Counts(); c.Shed != 4 || c.Queued != 3 {
			t.Errorf("Counts = %+v, want 4 shed and 3 queued", c)
		}
		l.wg.Wait()
		if !slices.Equal(sorted(l.reads()), []int64{1, 2, 5, 7, 8}) {
			t.Errorf("reads at %v", l.reads())
		}
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 1, 0)
		l.ask(1, origin.Player, 0)
		l.ask(2, origin.Player, 500*time.Millisecond) // how long a read takes is not known yet
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		l.wantRefused(2)
		time.Sleep(time.Second)
		l.ask(3, origin.Player, 0)
		l.ask(4, origin.Player, 900*time.Millisecond) // now it is
		l.wantRefused(4)
		l.ask(5, origin.Player, 1100*time.Millisecond)
		l.ask(6, origin.Player, 1100*time.Millisecond)
		l.wantRefused(6)
		ctx, cancel := context.WithCancel(t.Context())
		l.askUnder(ctx, 7, origin.Player, 0)
		short, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer stop()
		l.askUnder(short, 8, origin.Player, 0)
		cancel()
		synctest.Wait()
		if c := l.Counts(); c.Queued != 1 || c.Shed != 4 {
			t.Errorf("Counts = %+v, want 1 queued and 4 shed", c)
		}
		if err := l.err(7); err != context.Canceled {
			t.Errorf("Copy under a cancelled context = %v", err)
		}
		l.wantRefused(8) // the context's deadline is as good
		l.wantOrder(1, 3, 5)
	})
}

// Whoever comes and leaves, no slot is lost and none is made.
func TestQueueAtRandom(t *testing.T) {
	for seed := range uint64(scaled(2000)) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			s := newStore()
			s.shelve("a", make([]byte, 1000))
			limit := 1 + r.IntN(6)
			o := &origin.Origin{Blobs: s, Concurrency: limit, Queue: 1 + r.IntN(40)}
			for range 200 {
				f := fault{wait: time.Duration(r.IntN(300)) * time.Millisecond}
				if r.IntN(10) == 0 {
					f.end = reset
				}
				s.faults = append(s.faults, f)
			}
			var wg sync.WaitGroup
			for i := range 150 {
				want := origin.Want{Priority: origin.Priority(r.IntN(2))}
				life := time.Duration(r.IntN(3000)) * time.Millisecond
				if r.IntN(2) == 0 {
					want.Deadline = time.Now().Add(time.Duration(r.IntN(3000)) * time.Millisecond)
				}
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), life)
					defer cancel()
					_ = o.Copy(ctx, part(int64(i)), want, &tub{size: 1}, 0, 0)
				})
				if r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
					o.Raise(part(int64(r.IntN(i + 1))))
				}
			}
			wg.Wait()
			wantNothingLeft(t, o, s)
			if s.most > limit {
				t.Errorf("seed %d: %d reads at once, want at most %d", seed, s.most, limit)
			}
			if _, err := copied(t.Context(), o, part(1)); err != nil {
				t.Errorf("seed %d: Copy when all is quiet = %v", seed, err)
			}
		})
	}
}
