package enginetest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstream/weir"
)

// cacheLargeValues: engines that part large values do it at some power of two.
func cacheLargeValues(t *testing.T, c weir.Cache) {
	var sizes []int
	for size := 1 << 10; size <= 8<<20; size *= 2 {
		sizes = append(sizes, size-1, size, min(size+1, 8<<20), min(size+100, 8<<20))
	}
	for i, size := range sizes {
		v := pattern(size, byte(i))
		set(t, c, "k", v)
		wantHit(t, c, "k", v)
	}
	// One size after the other under one key, and none after all.
	for i, size := range []int{3 << 20, 10, 100_000, 8 << 20, 0, 1 << 20, 70_000} {
		v := pattern(size, byte(i+100))
		set(t, c, "k", v)
		wantHit(t, c, "k", v)
	}
	if err := c.Delete(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	wantMiss(t, c, "k")
}

// cacheLargeRace: values of one key are replaced and deleted while they are read; what is read is one of them, whole.
func cacheLargeRace(t *testing.T, c weir.Cache) {
	values := map[string]string{} // by its first byte
	for i, size := range []int{100, 64 << 10, 70_000, 300_000, 700_000, 1 << 20, 1<<20 + 5, 2_500_000} {
		first := string(rune('a' + i))
		values[first] = first + pattern(size, byte(i))
	}
	set(t, c, "k", values["f"])
	var hits atomic.Int64
	race(func(i int) {
		for n := range 12 {
			var err error
			switch {
			case i%4 == 0:
				v := values[string(rune('a'+(i/4+n)%len(values)))]
				err = c.Set(t.Context(), "k", []byte(v), time.Minute)
			case i == 1 && n%4 == 0:
				err = c.Delete(t.Context(), "k")
			default:
				if v := getOf(t, c, "k", values); v != "" {
					hits.Add(1)
				}
			}
			if err != nil {
				t.Errorf("racer %d: %v", i, err)
			}
		}
	})
	set(t, c, "k", values["h"])
	wantHit(t, c, "k", values["h"])
	if hits.Load() == 0 {
		t.Error("no Get found a value while others replaced it")
	}
}

// getOf gets one of the values, or "" which is a miss.
func getOf(t *testing.T, c weir.Cache, key string, values map[string]string) string {
	t.Helper()
	b, ok, err := c.Get(t.Context(), key)
	switch {
	case err != nil:
		t.Errorf("Get(%q) = %v", key, err)
	case ok && (len(b) == 0 || string(b) != values[string(b[:1])]):
		t.Errorf("Get(%q) = %d bytes, which nobody set together", key, len(b))
	case ok:
		return string(b)
	}
	return ""
}

// cacheDeleteMany: keys that lie on several servers go with one call.
func cacheDeleteMany(t *testing.T, c weir.Cache) {
	var ks []string
	for i := range 2500 {
		ks = append(ks, fmt.Sprint("key ", i))
	}
	for _, k := range ks[:300] {
		set(t, c, k, k)
	}
	set(t, c, "stays", "there")
	if err := c.Delete(t.Context(), append(ks, ks[:10]...)...); err != nil {
		t.Fatal(err)
	}
	for _, k := range ks[:300] {
		wantMiss(t, c, k)
	}
	wantHit(t, c, "stays", "there")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantKind(t, c.Delete(ctx, ks...), weir.Unavailable)
	if err := c.Publish(t.Context(), "ch", []byte(strings.Repeat("m", weir.MaxMessageBytes))); err != nil {
		t.Errorf("Publish of the largest message = %v", err)
	}
}
