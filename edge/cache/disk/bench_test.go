package disk_test

import (
	"testing"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
)

func BenchmarkRead1MB(b *testing.B) {
	tier := start(b, disk.Config{Dir: b.TempDir(), Bytes: 64 << 20})
	key := keyOf(1, 1<<20)
	put(b, tier, key, 1)
	s := &sink{b: make([]byte, 1<<20), step: 1 << 20}
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		s.n = 0
		if _, whole := tier.Read(b.Context(), key, s); !whole {
			b.Fatal("miss")
		}
	}
}

func BenchmarkMiss(b *testing.B) {
	tier := start(b, disk.Config{Dir: b.TempDir(), Bytes: 64 << 20})
	key := keyOf(1, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if _, whole := tier.Read(b.Context(), key, nil); whole {
			b.Fatal("hit")
		}
	}
}

func BenchmarkWrite1MB(b *testing.B) {
	tier := start(b, disk.Config{Dir: b.TempDir(), Bytes: 256 << 20})
	one := contents(keyOf(0, 1<<20), 1<<20)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		key := keyOf(n, 1<<20)
		for range 2 {
			tier.Offer(key, 1, open(one))
		}
		tier.Settle()
	}
	if s := tier.Stats(); s.Stored != int64(n) {
		b.Fatalf("stats %+v", s)
	}
}

// BenchmarkStart reads the footers of 100,000 bodies.
func BenchmarkStart(b *testing.B) {
	config := disk.Config{Dir: b.TempDir(), Bytes: 64 << 20, RegionBytes: 1 << 20, Queue: 1 << 20, Seen: 1 << 20}
	tier := start(b, config)
	for n := range 100_000 {
		key := cache.Key{Object: keyOf(n, 1).Object, Length: 300}
		for range 2 {
			tier.Offer(key, 1, open(make([]byte, 300)))
		}
	}
	tier.Settle()
	tier.Close()
	b.ReportAllocs()
	for b.Loop() {
		tier, err := disk.Open(config)
		if err != nil {
			b.Fatal(err)
		}
		if n := tier.Stats().Entries; n != 100_000 {
			b.Fatalf("%d entries", n)
		}
		tier.Close()
	}
}
