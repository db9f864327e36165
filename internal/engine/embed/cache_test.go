package embed_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestCache(t *testing.T) {
	enginetest.Cache(t, func(*testing.T) (weir.Cache, func(time.Duration)) {
		var passed atomic.Int64
		start := time.Now()
		c := &embed.Cache{Now: func() time.Time { return start.Add(time.Duration(passed.Load())) }}
		return c, func(d time.Duration) { passed.Add(int64(d)) }
	})
}

// The least recently used goes first, whether used by Get or Set.
func TestCacheIsBounded(t *testing.T) {
	c := &embed.Cache{MaxBytes: 10_000}
	has := func(key string) bool {
		t.Helper()
		_, ok, err := c.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	set := func(key string, size int) {
		t.Helper()
		if err := c.Set(t.Context(), key, make([]byte, size), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 9 {
		set(fmt.Sprint(i), 800) // about 1000 bytes each
	}
	if !has("0") {
		t.Fatal("0 is gone before the cache is full")
	}
	set("1", 800)
	set("new", 2000)
	for i, want := range []bool{true, true, false, false, true} {
		if got := has(fmt.Sprint(i)); got != want {
			t.Errorf("%d is there: %v, want %v", i, got, want)
		}
	}
	set("larger than all", 10_000)
	for _, key := range []string{"larger than all", "new", "0"} {
		if has(key) {
			t.Errorf("%q is there", key)
		}
	}
	set("again", 800)
	if !has("again") {
		t.Error("the cache took nothing after one that was too large")
	}
}

func BenchmarkCacheGet(b *testing.B) {
	c := &embed.Cache{}
	if err := c.Set(b.Context(), "k", make([]byte, 4096), time.Hour); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(4096)
	for b.Loop() {
		if _, ok, err := c.Get(b.Context(), "k"); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}
