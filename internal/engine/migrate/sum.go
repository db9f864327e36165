package migrate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	weir "github.com/weirstream/weir"
)

// digest is the sha256 of one entry.
type digest = [sha256.Size]byte

// sum is the sum of digests modulo 2^256: a hash of a collection that no order can change, and in which, unlike with XOR,
// two equal entries do not cancel each other.
type sum [4]uint64

func (s *sum) add(d digest) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], binary.LittleEndian.Uint64(d[8*i:]), carry)
	}
}

// String is 64 hex digits.
func (s sum) String() string {
	var b [sha256.Size]byte
	for i, word := range s {
		binary.LittleEndian.PutUint64(b[8*i:], word)
	}
	return hex.EncodeToString(b[:])
}

// digestOf hashes values with their types and lengths, so that no two lists of values have one encoding. Internal: a
// value of another type.
func digestOf(values ...any) (d digest, err error) {
	h := sha256.New()
	head := func(kind byte, n uint64) {
		var b [9]byte
		b[0] = kind
		binary.BigEndian.PutUint64(b[1:], n)
		_, _ = h.Write(b[:]) // a hash's Write never fails
	}
	for _, v := range values {
		switch v := v.(type) {
		case int64:
			head('i', uint64(v))
		case string:
			head('t', uint64(len(v)))
			_, _ = h.Write([]byte(v))
		case []byte:
			head('b', uint64(len(v)))
			_, _ = h.Write(v)
		default:
			return d, weir.Errorf(weir.Internal, "a value of type %T cannot be copied", v)
		}
	}
	h.Sum(d[:0])
	return d, nil
}

// sizeOf is how long values are: 8 for an integer.
func sizeOf(values ...any) (n int64) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			n += int64(len(v))
		case []byte:
			n += int64(len(v))
		default:
			n += 8
		}
	}
	return n
}

// show is a value for people.
func show(v any) string {
	if b, ok := v.([]byte); ok {
		return hex.EncodeToString(b)
	}
	return fmt.Sprint(v)
}
