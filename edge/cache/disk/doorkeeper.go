package disk

import (
	"hash/maphash"

	"github.com/weirstream/weir/edge/cache"
)

// doorkeeper remembers keys that were offered once. Most objects are asked for once and never again: writing those would
// wear the disk and push out what is wanted. It holds between limit and twice limit hashes, 8 bytes each, in two
// generations: when the younger is full, the older is forgotten.
type doorkeeper struct {
	seed         maphash.Seed
	limit        int
	young, older map[uint64]struct{}
}

func newDoorkeeper(limit int) doorkeeper {
	return doorkeeper{seed: maphash.MakeSeed(), limit: limit, young: map[uint64]struct{}{}}
}

// seen says whether key was offered before and notes that it is offered now.
func (d *doorkeeper) seen(key cache.Key) bool {
	h := maphash.Comparable(d.seed, key)
	_, ok := d.young[h]
	if _, old := d.older[h]; ok || old {
		return true
	}
	if len(d.young) >= d.limit {
		d.young, d.older = map[uint64]struct{}{}, d.young
	}
	d.young[h] = struct{}{}
	return false
}
