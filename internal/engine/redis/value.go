package redis

import (
	"encoding/binary"
	"time"
)

// Sizes in bytes. A stored value starts with its kind. Up to smallValue it follows as it is. A larger one has, before its
// bytes, its generation, which no other Set has, and its length, both big-endian.
const (
	maxValue   = 8 << 20
	smallValue = 64 << 10
	firstRead  = bigHead + smallValue // what a Get asks for before it knows the size: all of a small value
	pieceBytes = 256 << 10            // of a large value in one reply
	bigHead    = 1 + 8 + 4
)

// Kinds of stored values. Others, of programs to come or of somebody else, are misses.
const (
	smallKind = 1
	bigKind   = 2
)

// storeSmall is the stored form of a value of at most smallValue bytes.
func storeSmall(value []byte) []byte {
	b := make([]byte, 0, 1+len(value))
	return append(append(b, smallKind), value...)
}

// storeBig is the stored form of a larger one.
func storeBig(value []byte, generation uint64) []byte {
	b := make([]byte, 0, bigHead+len(value))
	b = append(b, bigKind)
	b = binary.BigEndian.AppendUint64(b, generation)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

// bigSize is the length of the large value that first, a stored value's first bytes, begins; ok is false if it begins none.
func bigSize(first []byte) (n int, ok bool) {
	if len(first) != firstRead || first[0] != bigKind {
		return 0, false
	}
	size := binary.BigEndian.Uint32(first[9:])
	return int(size), size > smallValue && size <= maxValue
}

// milliseconds is ttl in what Redis counts, at least 1.
func milliseconds(ttl time.Duration) int64 {
	return int64((ttl-1)/time.Millisecond) + 1
}
