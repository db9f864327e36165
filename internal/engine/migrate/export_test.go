package migrate

import (
	"context"

	weir "github.com/weirstream/weir"
)

// What tests look at from outside.
var (
	ParseState = parseState
	DigestOf   = digestOf
	Portable   = portable
)

// Sum is the hash of a collection.
func Sum(digests ...digest) string {
	var s sum
	for _, d := range digests {
		s.add(d)
	}
	return s.String()
}

// Absent counts the facts that one bus has and the other has not, with so many digests in memory.
func Absent(ctx context.Context, of, in Bus, most int) (n int, first weir.Message, err error) {
	return absent(ctx, &Side{Bus: of}, &Side{Bus: in}, most)
}

// MergeInts merges two lists of numbers and returns the pairs, 0 for what a side has not.
func MergeInts(from, to []int) (pairs [][2]int, err error) {
	each := func(list []int) func(func(int, error) bool) {
		return func(yield func(int, error) bool) {
			for _, n := range list {
				if !yield(n, nil) {
					return
				}
			}
		}
	}
	err = merge(each(from), each(to), func(a, b int) int { return a - b }, func(p pair[int]) error {
		var out [2]int
		if p.from != nil {
			out[0] = *p.from
		}
		if p.to != nil {
			out[1] = *p.to
		}
		pairs = append(pairs, out)
		return nil
	})
	return pairs, err
}
