package cache_test

import (
	"context"
	"errors"
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
