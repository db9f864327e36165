package origin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
)

func TestCopyResumesWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := noise(100_000)
		s := newStore(fault{after: 20_000, end: reset}, fault{after: 50_000, end: short}, fault{after: 10_000, end: stall})
		o := &origin.Origin{Blobs: s}
		p := s.shelve("a", b)
		sink := &tub{size: len(b), piece: 7000}
		began := time.Now()
		if err := o.Copy(t.Context(), p, player, sink, 0, 0); err != nil || !bytes.Equal(sink.bytes, b) {
			t.Errorf("Copy = %v, and %d bytes", err, len(sink.bytes))
		}
		if want := []int64{0, 20_000, 70_000, 80_000}; !slices.Equal(s.gets, want) {
			t.Errorf("reads at %v, want %v", s.gets, want)
		}
		if took := time.Since(began); took < 5*time.Second || took > 5*time.Second+200*time.Millisecond {
			t.Errorf("Copy with one stall took %v, want 5 s and a little", took)
		}
		if c := o.Counts(); c.Resumed != 3 || c.Stalled != 1 || c.Damaged != 0 {
			t.Errorf("Counts = %+v", c)
		}
		wantNothingLeft(t, o, s)
	})
}

// What a faster tier had is not read again, and is part of what the checksum says.
func TestCopyGoesOn(t *testing.T) {
	b := noise(100_000)
	hash := sha256.Sum256(b)
	f := func(p origin.Part, have int, sum uint32, want bool, wantGets ...int64) {
		t.Helper()
		s := newStore()
		o := &origin.Origin{Blobs: s}
		s.shelve(p.Key, append([]byte("before"), b...))
		if p.Still {
			s.shelve(p.Key, b)
		}
		sink := &tub{size: len(b) - have}
		err := o.Copy(t.Context(), p, player, sink, int64(have), sum)
		if want && (err != nil || !bytes.Equal(sink.bytes, b[have:])) {
			t.Errorf("Copy from %d = %v and %d bytes", have, err, len(sink.bytes))
		}
		if !want && (weir.KindOf(err) != weir.Unavailable || !cache.IsFleeting(err)) {
			t.Errorf("Copy from %d after other bytes = %v, want unavailable, and not to be remembered", have, err)
		}
		if !slices.Equal(s.gets, wantGets) {
			t.Errorf("Copy from %d read at %v, want %v", have, s.gets, wantGets)
		}
	}
	segment := origin.Part{Key: "a", Off: 6, Length: int64(len(b)), Sum: crc(b)}
	f(segment, 0, 0, true, 6)
	f(segment, 1, crc(b[:1]), true, 7)
	f(segment, 99_000, crc(b[:99_000]), true, 99_006)
	f(segment, 100_000, crc(b), true)
	f(segment, 100_000, crc(b)+1, false)
	f(segment, 99_000, crc(b[:98_000]), false, 99_006)
	still := origin.Part{Key: "x/" + hex.EncodeToString(hash[:]) + ".jpg", Length: int64(len(b)), Still: true}
	f(still, 0, 0, true, 0)
	f(still, 40_000, crc(b[:40_000]), true, 0)
	f(still, 40_000, crc(b[:40_001]), false, 0)
	nothing := origin.Part{Key: "a", Off: 6}
	if err := (&origin.Origin{Blobs: newStore()}).Copy(t.Context(), nothing, player, &tub{}, 0, 0); err != nil {
		t.Errorf("Copy of nothing = %v", err)
	}
}

func TestCopyNeverJoinsTwoObjects(t *testing.T) {
	b := noise(100_000)
	other := bytes.ToUpper(b)
	f := func(noETag, anyTag bool, want weir.Kind, wantGets int) {
		t.Helper()
		s := newStore(fault{after: 50_000, end: reset, replace: other})
		s.noETag, s.anyTag = noETag, anyTag
		o := &origin.Origin{Blobs: s}
		sink := &tub{size: len(b)}
		if err := o.Copy(t.Context(), s.shelve("a", b), player, sink, 0, 0); weir.KindOf(err) != want || err == nil {
			t.Errorf("Copy of a replaced object (no ETag: %v) = %v, want %v", noETag, err, want)
		}
		if !bytes.HasPrefix(b, sink.bytes) || len(s.gets) != wantGets {
			t.Errorf("the sink has %d bytes of the wrong object, or read at %v", len(sink.bytes), s.gets)
		}
	}
	f(false, false, weir.Precondition, 2)
	f(false, true, weir.Precondition, 2)
	f(true, false, weir.Unavailable, 1)
}

func TestDamagedLargePart(t *testing.T) {
	b := noise(100_000)
	s := newStore(fault{flip: true})
	o := &origin.Origin{Blobs: s}
	p := s.shelve("a", b)
	_, err := copied(t.Context(), o, p)
	if weir.KindOf(err) != weir.Unavailable || !cache.IsFleeting(err) || o.Counts().Damaged != 1 || len(s.gets) != 1 {
		t.Errorf("Copy of damaged bytes = %v after %d reads: want unavailable, not to be remembered, after one", err, len(s.gets))
	}
	if got, err := copied(t.Context(), o, p); err != nil || !bytes.Equal(got, b) {
		t.Errorf("Copy after that = %v", err)
	}
}

func TestCopyIntoASinkThatTakesNoMore(t *testing.T) {
	b := noise(100_000)
	for _, n := range []int{1, 1000, 20_000, 99_999} {
		s := newStore()
		o := &origin.Origin{Blobs: s}
		sink := &tub{size: len(b), full: n, piece: 1000}
		if err := o.Copy(t.Context(), s.shelve("a", b), player, sink, 0, 0); weir.KindOf(err) != weir.Unavailable || len(s.gets) != 1 {
			t.Errorf("Copy into a sink of %d bytes = %v after %d reads, want unavailable after one", n, err, len(s.gets))
		}
		wantNothingLeft(t, o, s)
	}
}

// A whole object may be replaced while it is read. It is one or the other.
func TestWholeObjectReplacedMeanwhile(t *testing.T) {
	b, other := noise(100_000), bytes.ToUpper(noise(90_000))
	f := func(noETag bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newStore(fault{after: 50_000, end: reset, replace: other})
			s.noETag = noETag
			o := &origin.Origin{Blobs: s}
			s.shelve("a", b)
			if got, err := o.Init(t.Context(), "a", crc(other)); err != nil || !bytes.Equal(got, other) {
				t.Errorf("Init of a replaced object (no ETag: %v) = %d bytes, %v", noETag, len(got), err)
			}
		})
	}
	f(false)
	f(true)
}

// A store that heeds no context keeps nobody: not before the first byte, and not after it where the sink keeps its space.
func TestDeafStore(t *testing.T) {
	f := func(after int64, sink cache.Sink) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			goOn := make(chan struct{})
			deaf := func(context.Context) error { <-goOn; return io.EOF }
			b := noise(100_000)
			s := newStore()
			for range 4 {
				s.faults = append(s.faults, fault{after: after, end: deaf})
			}
			o := &origin.Origin{Blobs: s}
			p := s.shelve("a", b)
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			began := time.Now()
			err := o.Copy(ctx, p, player, sink, 0, 0)
			if took := time.Since(began); err == nil || took > 8*time.Second {
				t.Errorf("Copy from a store that is deaf after %d bytes = %v after %v", after, err, took)
			}
			k, _ := sink.(*keeper)
			if after > 0 && k.keeps() != 1 {
				t.Errorf("the sink keeps %d spaces for the late bytes, want 1", k.keeps())
			}
			if c := o.Counts(); c.Reading == 0 {
				t.Error("a read that does not end has given its slot back")
			}
			close(goOn)
			wantNothingLeft(t, o, s)
			if after > 0 && (k.keeps() != 0 || int64(len(k.bytes)) != after) {
				t.Errorf("after the end the sink keeps %d spaces and has %d bytes, want %d", k.keeps(), len(k.bytes), after)
			}
		})
	}
	f(0, &tub{size: 100_000})
	f(0, &keeper{tub: tub{size: 100_000}})
	f(20_000, &keeper{tub: tub{size: 100_000}})
}

// Who cannot keep the space is not left while it is written into.
func TestDeafStoreIsWaitedForWhereSpaceIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := noise(100_000)
		s := newStore(fault{after: 20_000, end: func(context.Context) error { time.Sleep(time.Minute); return io.EOF }})
		o := &origin.Origin{Blobs: s}
		sink := &tub{size: len(b)}
		began := time.Now()
		if err := o.Copy(t.Context(), s.shelve("a", b), player, sink, 0, 0); err != nil || !bytes.Equal(sink.bytes, b) {
			t.Errorf("Copy = %v", err)
		}
		if took := time.Since(began); took < time.Minute {
			t.Errorf("Copy returned after %v: the read went on for a minute", took)
		}
	})
}

func TestPanicGoesToWhoAsked(t *testing.T) {
	f := func(after int64) {
		t.Helper()
		s := newStore(fault{after: after, end: func(context.Context) error { panic("a defect") }})
		o := &origin.Origin{Blobs: s}
		p := s.shelve("a", noise(100_000))
		defer func() {
			if what := fmt.Sprint(recover()); !bytes.Contains([]byte(what), []byte("a defect")) {
				t.Errorf("Copy panicked with %q, want the store's panic", what)
			}
			wantNothingLeft(t, o, s)
		}()
		_, _ = copied(t.Context(), o, p)
	}
	f(0)
	f(20_000)
}

// Whatever the store does, nil means the right bytes, and breaks that may be survived are.
func TestCopyUnderRandomFaults(t *testing.T) {
	for i := range scaled(200_000) {
		seed := uint64(i)
		synctest.Test(t, func(t *testing.T) { randomCopy(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomCopy(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	b := noise(1 + r.IntN(1<<r.IntN(18)))
	s := newStore()
	s.chunk, s.noETag, s.anyTag = r.IntN(9000), r.IntN(8) == 0, r.IntN(8) == 0
	harmless := !s.noETag // a few breaks, with an ETag
	for range r.IntN(7) {
		f := fault{after: r.Int64N(int64(len(b)) + 1)}
		switch r.IntN(9) {
		case 0:
			f.end = reset
		case 1:
			f.end = short
		case 2:
			f.end = stall
		case 3:
			f.err = errors.New("no connection")
		case 4:
			f.wait = time.Duration(r.IntN(6000)) * time.Millisecond
		case 5:
			f.flip, harmless = true, false
		case 6:
			f.long = 1 + r.IntN(100)
		case 7:
			f.replace, f.end, harmless = bytes.ToUpper(b), reset, false
		case 8:
			f.err, harmless = weir.Errorf(weir.NotFound, "not there"), false
		}
		s.faults = append(s.faults, f)
	}
	harmless = harmless && len(s.faults) < 4
	o := &origin.Origin{Blobs: s}
	p := s.shelve("a", b)
	have := 0
	if r.IntN(2) == 0 {
		have = r.IntN(len(b) + 1)
	}
	var sink cache.Sink
	mine := &keeper{tub: tub{size: len(b) - have, piece: r.IntN(9000)}}
	if sink = mine; r.IntN(2) == 0 {
		sink = &mine.tub
	}
	err := o.Copy(t.Context(), p, player, sink, int64(have), crc(b[:have]))
	if err == nil && !bytes.Equal(mine.bytes, b[have:]) {
		t.Errorf("Copy of %d bytes from %d = nil and %d other bytes", len(b), have, len(mine.bytes))
	}
	if err != nil && harmless {
		t.Errorf("Copy of %d bytes from %d, with breaks only, = %v", len(b), have, err)
	}
	wantNothingLeft(t, o, s)
}
