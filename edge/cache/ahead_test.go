package cache_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/weirstream/weir/edge/cache"
)

// What is filled ahead of any request is no miss, the request that comes is a hit, and a failure answers for nobody.
func TestAhead(t *testing.T) {
	m := newMemory(t, cache.Config{Budget: 1 << 20, Remember: time.Hour})
	ctx, key := context.Background(), keyOf(1, 5000)
	if m.Has(key) {
		t.Error("an empty cache has something")
	}
	away := errors.New("away")
	if _, _, err := m.Fill(ctx, key, cache.Options{Ahead: true}, func(context.Context, *cache.Writer) error { return away }); !errors.Is(err, away) {
		t.Fatalf("Fill = %v", err)
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		b, _, err := m.Fill(ctx, key, cache.Options{Ahead: true}, func(ctx context.Context, w *cache.Writer) error {
			close(begun)
			<-goOn
			return painted(1, 5000, 1000)(ctx, w)
		})
		if err == nil {
			_, err = readAll(ctx, b, 1, 0)
			b.Release()
		}
		ended <- err
	}()
	<-begun
	if !m.Has(key) {
		t.Error("what is being filled is not there")
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if s := m.Stats(); !m.Has(key) || s.Hits+s.Misses+s.Collapsed+s.Refused+s.MissBytes != 0 {
		t.Errorf("nobody has asked for anything: %+v", s)
	}
	b, ok := m.Open(key)
	if !ok {
		t.Fatal("it is not in memory")
	}
	b.Release()
	if s := m.Stats(); s.Hits != 1 || s.HitBytes != 5000 {
		t.Errorf("after one request: %+v", s)
	}
}

// The moment to offer a body elsewhere is the first use that its fill was not for.
func TestAgain(t *testing.T) {
	m := newMemory(t, cache.Config{Budget: 1 << 20})
	ctx := context.Background()
	again := func(key cache.Key) bool {
		b, ok := m.Open(key)
		if !ok {
			t.Fatal("it is not in memory")
		}
		defer b.Release()
		return b.Again()
	}
	wants := func(what string, key cache.Key, want ...bool) {
		t.Helper()
		for i, w := range want {
			if got := again(key); got != w {
				t.Errorf("%s: use %d is again: %v", what, i+1, got)
			}
		}
	}
	fill := func(key cache.Key, o cache.Options) {
		kept := make(chan bool, 1)
		o.Kept = func() {
			b, ok := m.Peek(key)
			if ok {
				b.Release()
			}
			kept <- ok
		}
		b, _, err := m.Fill(ctx, key, o, painted(1, 5000, 1000))
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		if !<-kept {
			t.Error("what is kept is not to be seen")
		}
	}
	one, two, three := keyOf(1, 5000), keyOf(2, 5000), keyOf(3, 5000)
	fill(one, cache.Options{})
	wants("asked for", one, true, false, false)
	fill(two, cache.Options{Ahead: true})
	wants("fetched ahead", two, false, true, false)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var ended [2]chan error
	for i := range ended {
		ended[i] = make(chan error, 1)
		go func() {
			b, _, err := m.Fill(ctx, three, cache.Options{}, func(ctx context.Context, w *cache.Writer) error {
				close(begun)
				<-goOn
				return painted(1, 5000, 1000)(ctx, w)
			})
			if err == nil {
				_, err = readAll(ctx, b, 1, 0)
				b.Release()
			}
			ended[i] <- err
		}()
	}
	<-begun
	for end := time.Now().Add(20 * time.Second); m.Stats().Collapsed == 0 && time.Now().Before(end); {
		runtime.Gosched()
	}
	close(goOn)
	for i := range ended {
		if err := <-ended[i]; err != nil {
			t.Fatal(err)
		}
	}
	wants("waited for by two", three, true, false)
}
