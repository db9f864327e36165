package redis_test

import (
	"context"
	"testing"

	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/redis"
)

// A message whose publisher does not learn that it went out goes out once all the same.
func TestPublishOnce(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			url := enginetest.Address(t, e.variable)
			c, ps := openThrough(t, url)
			direct, err := redis.Open(t.Context(), url+"?prefix="+c.Prefix(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer direct.Close()
			ctx, cancel := context.WithCancel(t.Context())
			heard, ready, done := make(chan string, 100), make(chan struct{}), make(chan error)
			go func() { done <- direct.Subscribe(ctx, "ch", ready, func(m []byte) { heard <- string(m) }) }()
			<-ready
			if err := c.Publish(ctx, "ch", []byte("first")); err != nil {
				t.Error(err)
			}
			ps.CutAfter(1)
			if err := c.Publish(ctx, "ch", []byte("second")); err == nil {
				t.Error("Publish whose answer is cut off = nil")
			}
			if err := direct.Publish(ctx, "ch", []byte("last")); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"first", "second", "last"} {
				if got := <-heard; got != want {
					t.Errorf("heard %q, want %q", got, want)
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
