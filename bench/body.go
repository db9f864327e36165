package bench

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
)

// MaxBody bounds the bodies of bench's own origin.
const MaxBody = 64 << 20

// own is where the paths of bench's origin begin, below whatever a cache or a ticket puts before them:
// /bench/<bytes>/<anything>, where bytes may end in k or m.
const own = "/bench/"

// ownSize is the length of what bench's origin answers under a path; false if it is not a path of its.
func ownSize(path string) (int64, bool) {
	_, rest, ok := strings.Cut(path, own)
	if !ok {
		return 0, false
	}
	number, _, ok := strings.Cut(rest, "/")
	if !ok || number == "" {
		return 0, false
	}
	unit := int64(1)
	switch number[len(number)-1] {
	case 'k':
		unit, number = 1<<10, number[:len(number)-1]
	case 'm':
		unit, number = 1<<20, number[:len(number)-1]
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 0 || n*unit > MaxBody {
		return 0, false
	}
	return n * unit, true
}

// Body is the content of a path of bench's origin: pseudo-random bytes that depend on the path from /bench/ on and on
// nothing else, so that client and origin need not tell each other what is right.
func Body(path string, size int64) []byte {
	if i := strings.Index(path, own); i >= 0 {
		path = path[i:]
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(path)) // a hash takes everything
	var seed [32]byte
	copy(seed[:], strconv.FormatUint(h.Sum64(), 16))
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	return b
}

func indexOwn(path string) int { return strings.Index(path, own) }
