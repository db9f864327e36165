package origin_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/origin"
)

// warm has the origin see n reads whose first byte takes a millisecond.
func warm(t *testing.T, o *origin.Origin, s *store, p origin.Part, n int) {
	t.Helper()
	for range n {
		s.plan(fault{wait: time.Millisecond})
		if _, err := copied(t.Context(), o, p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHedge(t *testing.T) {
	f := func(name string, before int, want origin.Want, wantTook time.Duration, wantHedged, wantWon int64, faults ...fault) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			b := noise(100_000)
			s := newStore()
			o := &origin.Origin{Blobs: s}
			p := s.shelve("a", b)
			warm(t, o, s, p, before)
			s.plan(faults...)
			began := time.Now()
			sink := &tub{size: len(b)}
			if err := o.Copy(t.Context(), p, want, sink, 0, 0); err != nil || !bytes.Equal(sink.bytes, b) {
				t.Errorf("%s: Copy = %v", name, err)
			}
			if took := time.Since(began); took != wantTook {
				t.Errorf("%s: Copy took %v, want %v", name, took, wantTook)
			}
			if c := o.Counts(); c.Hedged != wantHedged || c.HedgesWon != wantWon {
				t.Errorf("%s: %+v, want %d hedged, %d won", name, c, wantHedged, wantWon)
			}
			wantNothingLeft(t, o, s)
		})
	}
	const ms = time.Millisecond
	late := fault{wait: time.Second}
	f("won", 20, player, 11*ms, 1, 1, late, fault{wait: ms})
	f("lost", 20, player, 15*ms, 1, 0, fault{wait: 15 * ms}, late)
	f("in time", 20, player, 9*ms, 0, 0, fault{wait: 9 * ms})
	f("nobody knows what late is", 19, player, time.Second, 0, 0, late)
	f("nobody waits", 20, origin.Want{}, time.Second, 0, 0, late)
	f("the first fails", 20, player, 40*ms, 1, 1, fault{wait: 30 * ms, err: errors.New("reset")}, fault{wait: 30 * ms})
	f("the second fails", 20, player, 30*ms, 1, 0, fault{wait: 30 * ms}, fault{wait: ms, err: errors.New("reset")})
}

func TestHedgesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		o := &origin.Origin{Blobs: s}
		p := s.shelve("a", noise(100))
		f := func(fast, slow int, wantHedged int64) {
			t.Helper()
			warm(t, o, s, p, fast)
			for range slow { // fewer than would make late the usual
				s.plan(fault{wait: 50 * time.Millisecond}, fault{wait: 50 * time.Millisecond})
				if _, err := copied(t.Context(), o, p); err != nil {
					t.Fatal(err)
				}
			}
			if c := o.Counts(); c.Hedged != wantHedged {
				t.Errorf("%d hedges, want %d", c.Hedged, wantHedged)
			}
		}
		f(400, 6, 4) // what was saved up
		f(400, 6, 8)
		f(26, 1, 9) // one of twenty
	})
}

// A hedge takes no slot that somebody waits for, and a missing object is missing for both.
func TestHedgeIsNotForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		o := &origin.Origin{Blobs: s, Concurrency: 1}
		p := s.shelve("a", noise(100))
		warm(t, o, s, p, 40)
		s.plan(fault{wait: time.Second})
		if _, err := copied(t.Context(), o, p); err != nil || o.Counts().Hedged != 0 {
			t.Errorf("Copy with one slot = %v, %+v", err, o.Counts())
		}
		o.Concurrency = 2
		s.plan(fault{wait: time.Second}, fault{wait: time.Second})
		if _, err := copied(t.Context(), o, origin.Part{Key: "b", Length: 5}); weir.KindOf(err) != weir.NotFound {
			t.Errorf("Copy of what is not there = %v", err)
		}
		wantNothingLeft(t, o, s)
	})
}
