// Package peer reads segments from the edge of the region that owns them, so that each is read from the object store once for
// all of them.
//
// Who owns what is a pure function of the key, the healthy edges and their loads: nobody is asked about it. A peer answers from
// its own caches and the store, never from another peer. What comes from a peer is bytes that the caller must verify.
package peer

import (
	"cmp"
	"math"
	"slices"
)

// Order returns ids by highest random weight for key, the owner first. It depends on nothing but its arguments, so every
// edge that knows the same ids agrees; when one leaves, only the keys it owned move. ids is not changed; equal weights go
// by id.
func Order(key string, ids []string) []string {
	out := slices.Clone(ids)
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(weight(key, b), weight(key, a)), cmp.Compare(a, b))
	})
	return out
}

// Owner is the first of order that may take one more read: whose load stays within (1+eps) of the average that the reads
// under way and this one make, rounded up. load is reads in flight. It is "" only for an empty order.
func Owner(order []string, load map[string]int, eps float64) string {
	if len(order) == 0 {
		return ""
	}
	total := 1
	for _, id := range order {
		total += load[id]
	}
	bound := int(math.Ceil((1 + max(eps, 0)) * float64(total) / float64(len(order))))
	for _, id := range order {
		if load[id] < bound {
			return id
		}
	}
	return order[0] // not reached: some load is below the average of total
}

// weight is FNV-1a of id, a zero byte and key, then the finalizer of MurmurHash3: without it the last bytes barely reach
// the high bits, and edges with similar names would share keys unevenly. It never changes: edges of two versions must agree.
func weight(key, id string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{id, "\x00", key} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
