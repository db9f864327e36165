package cache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

// What is written after a fill was given up lands in no other's bytes, and is charged until that is over.
func TestLateBytes(t *testing.T) {
	const size = 100_000
	m := newMemory(t, cache.Config{Budget: 16 << 20, Pages: arena.Small})
	var space []byte
	var release func()
	_, _, err := m.Fill(t.Context(), keyOf(0, size), cache.Options{}, func(ctx context.Context, w *cache.Writer) error {
		space, release = w.Space(), w.Keep()
		if len(w.Space()) != 0 {
			t.Error("a fill that was given up has space")
		}
		return nil
	})
	if weir.KindOf(err) != weir.Unavailable || !cache.IsFleeting(err) {
		t.Fatalf("a fill that was given up = %v, want unavailable, and not to be remembered", err)
	}
	for id := range int64(1000) { // several times what there is
		b, _, err := m.Fill(t.Context(), keyOf(id, size), cache.Options{}, painted(id, size, size))
		if err != nil {
			t.Fatal(err)
		}
		for i := range space {
			space[i] = 0xee
		}
		if _, err := readAll(t.Context(), b, id, 0); err != nil {
			t.Fatalf("object %d beside late bytes: %v", id, err)
		}
		b.Release()
	}
	if s := m.Stats(); s.Loose < size {
		t.Errorf("%d bytes are loose while %d are written", s.Loose, size)
	}
	release()
	if s := m.Stats(); s.Loose != 0 || m.Check() != "" {
		t.Errorf("%d bytes are loose after the last was written; %s", s.Loose, m.Check())
	}
}

func TestFleetingIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, cache.Config{})
		fills := 0
		f := func(err error, wantFills int) {
			t.Helper()
			fills = 0
			for range 3 {
				_, _, got := m.Fill(t.Context(), keyOf(1, 10), cache.Options{}, func(context.Context, *cache.Writer) error { fills++; return err })
				if !errors.Is(got, err) || weir.KindOf(got) != weir.KindOf(err) || got.Error() != err.Error() {
					t.Errorf("Fill = %v, want %v", got, err)
				}
			}
			if fills != wantFills {
				t.Errorf("three calls for what ends with %v filled %d times, want %d", err, fills, wantFills)
			}
			time.Sleep(time.Second)
		}
		full := weir.Errorf(weir.TooMany, "full")
		f(full, 1)
		f(cache.Fleeting(full), 3)
		f(fmt.Errorf("read: %w", cache.Fleeting(full)), 3)
	})
}
