package edge_test

import (
	"hash/crc32"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/origin"
)

// forgetting is a sink that keeps nothing.
type forgetting struct {
	space []byte
	left  int
}

func (f *forgetting) Space() []byte { return f.space[:min(len(f.space), f.left)] }
func (f *forgetting) Filled(n int)  { f.left -= n }

// BenchmarkPeerRead is 1 MB that another edge has in memory: both sides of it.
func BenchmarkPeerRead(b *testing.B) {
	r := startRegion(b, 2, 1<<20)
	r.list(weir.Complete, 6)
	var part origin.Part
	for chunk := range 3 {
		data := r.bytes[videoID][[]int{0, 1, 3}[chunk]]
		part = origin.Part{Key: strings.TrimSuffix(r.head.Tracks[0].Pages[chunk].Key, ".json") + ".cmf", Length: int64(len(data)), Sum: crc32.Checksum(data, castagnoli)}
		if r.tiers[0].Owner(part) == "edge-1" {
			break
		}
	}
	if r.tiers[0].Owner(part) != "edge-1" {
		b.Skip("the other edge owns none of the three") // its id decides
	}
	space := make([]byte, 256<<10)
	b.SetBytes(part.Length)
	b.ReportAllocs()
	for b.Loop() {
		if n, whole := r.tiers[0].Read(b.Context(), part, false, nil, &forgetting{space, int(part.Length)}); !whole {
			b.Fatalf("Read = %d of %d", n, part.Length)
		}
	}
}
