package origin

import (
	"hash/crc32"
	"slices"

	"github.com/weirstream/weir/edge/cache"
)

// summed is a sink that adds up the CRC32C of what goes into it.
type summed struct {
	cache.Sink
	sum   uint32
	space []byte
}

func (s *summed) Space() []byte {
	s.space = s.Sink.Space()
	return s.space
}

func (s *summed) Filled(n int) {
	s.sum = crc32.Update(s.sum, castagnoli, s.space[:n]) // before others may see, and evict, the bytes
	s.space = s.space[n:]
	s.Sink.Filled(n)
}

// buffer is a sink of at most limit bytes. Nobody else has it: what is written late does no harm.
type buffer struct {
	bytes []byte
	limit int64
}

var _ cache.Keeper = (*buffer)(nil)

func (b *buffer) Space() []byte {
	n := int64(len(b.bytes))
	if n == int64(cap(b.bytes)) && n < b.limit {
		b.bytes = slices.Grow(b.bytes, int(min(max(n, 4<<10), b.limit-n)))
	}
	return b.bytes[n:max(n, min(int64(cap(b.bytes)), b.limit))]
}

func (b *buffer) Filled(n int) { b.bytes = b.bytes[:len(b.bytes)+n] }

func (b *buffer) Keep() (release func()) { return func() {} }

func (b *buffer) reset() { b.bytes = b.bytes[:0] }
