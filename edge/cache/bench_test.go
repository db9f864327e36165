package cache_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

const benchObject = "media/default/01jz3v8w7h6g5f4e3d2c1b0a9z/5c1d2e3f4a5b6c7d/3-0123456789abcdef.cmf"

// BenchmarkOpen is a hit: open, one run, release; of one key and of a thousand.
func BenchmarkOpen(b *testing.B) {
	for _, keys := range []int{1, 1000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			m := newMemory(b, cache.Config{})
			list := make([]cache.Key, keys)
			for i := range list {
				list[i] = cache.Key{Object: benchObject, Offset: int64(i) << 16, Length: 1 << 16}
				body, _, err := m.Fill(b.Context(), list[i], cache.Options{}, painted(int64(i), 1<<16, 1<<16))
				if err != nil {
					b.Fatal(err)
				}
				body.Release()
			}
			ctx := context.Background()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					body, ok := m.Open(list[i%keys])
					if !ok {
						b.Fatal("miss")
					}
					if _, err := body.Run(ctx, 0, 1<<16); err != nil {
						b.Fatal(err)
					}
					body.Release()
				}
			})
		})
	}
}

// BenchmarkFill is a miss of 1 MB that evicts another: with the bytes written, as a socket is read into the arena.
func BenchmarkFill(b *testing.B) {
	benchFills(b, func(b *testing.B, m *cache.Memory) {
		source := make([]byte, 1<<20)
		fill := func(_ context.Context, w *cache.Writer) error {
			for at := 0; at < len(source); {
				n := copy(w.Space(), source[at:min(at+64<<10, len(source))])
				w.Filled(n)
				at += n
			}
			return nil
		}
		for i := range b.N {
			fillOne(b, m, i, fill)
		}
	})
}

// BenchmarkTurnover is the same without the bytes: what eviction, pages and bookkeeping cost.
func BenchmarkTurnover(b *testing.B) {
	benchFills(b, func(b *testing.B, m *cache.Memory) {
		fill := func(_ context.Context, w *cache.Writer) error {
			w.Filled(len(w.Space()))
			return nil
		}
		for i := range b.N {
			fillOne(b, m, i, fill)
		}
	})
}

func benchFills(b *testing.B, run func(*testing.B, *cache.Memory)) {
	for name, pages := range map[string]arena.Pages{"small": arena.Small, "huge": arena.Huge} {
		b.Run(name, func(b *testing.B) {
			m := newMemory(b, cache.Config{Budget: 128 << 20, Pages: pages})
			for i := range 200 { // fill it first
				fillOne(b, m, -1-i, func(_ context.Context, w *cache.Writer) error {
					w.Filled(len(w.Space()))
					return nil
				})
			}
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			b.ResetTimer()
			run(b, m)
		})
	}
}

func fillOne(b *testing.B, m *cache.Memory, i int, fill cache.Fill) {
	body, _, err := m.Fill(b.Context(), cache.Key{Object: benchObject, Offset: int64(i) << 20, Length: 1 << 20}, cache.Options{}, fill)
	if err != nil {
		b.Fatal(err)
	}
	for off := int64(0); off < 1<<20; {
		run, err := body.Run(b.Context(), off, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		off += int64(len(run.Bytes))
	}
	body.Release()
}
