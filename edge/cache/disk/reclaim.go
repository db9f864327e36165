package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"

	"github.com/weirstream/weir/edge/cache"
)

// keeps is how many region files there may be. One more exists for a moment, between the making of a new one and the end
// of the oldest.
func (t *Tier) keeps() int { return int(t.config.Bytes/t.config.RegionBytes) - 1 }

// reclaim removes the oldest regions until the budget holds. What was read since it was written is written again first, up
// to half a region of it, and no more than leaves room for the record of key in the growing region.
func (t *Tier) reclaim(key cache.Key, size int64) error {
	r := t.regions[len(t.regions)-1]
	left := min(t.config.RegionBytes/2, t.config.RegionBytes-r.end-recordLen(key, size)-r.records.len(headLen(key.Object)))
	for len(t.regions) > t.keeps() {
		if err := t.move(t.regions[0], &left); err != nil {
			return err
		}
		if err := t.removeRegion(0); err != nil {
			return err
		}
		t.counts.reclaimed.Add(1)
	}
	return nil
}

// move writes what was used of an old region to the growing one, as long as it fits what is left.
func (t *Tier) move(old *region, left *int64) error {
	t.mu.RLock()
	entries := old.entries
	t.mu.RUnlock()
	memory := t.pieces.Get().(*[]byte)
	defer t.pieces.Put(memory)
	for _, e := range entries {
		need := e.len() + headLen(e.key.Object) + 1 // and its part of the footer
		if e.hits.Load() == 0 || need > *left || !t.current(e) || t.config.Stale(e.key, e.stamp) {
			continue
		}
		moved, err := t.moveEntry(e, *memory)
		if err != nil {
			return err
		}
		if moved {
			*left -= need
			t.counts.moved.Add(1)
		}
	}
	return nil
}

func (t *Tier) current(e *entry) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.index[e.key] == e
}

// moveEntry copies one record, verifying it as a read does. One that is damaged is left behind.
func (t *Tier) moveEntry(e *entry, memory []byte) (bool, error) {
	front := headLen(e.key.Object) + blocks(e.size)*tableEntry
	r := &reading{t: t, e: e}
	if _, err := e.region.file.ReadAt(memory[:front], e.off); err != nil || !r.front(memory[:front]) {
		return false, nil // it goes with its region
	}
	table := memory[headLen(e.key.Object):front]
	a := t.begin(e.key, e.size, e.stamp)
	for a.n < e.size {
		b := memory[front : front+min(e.size-a.n, block)]
		if _, err := e.region.file.ReadAt(b, e.off+front+a.n); err != nil || crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(table) {
			t.damaged(e)
			return false, t.abandon(a)
		}
		if err := a.append(b); err != nil {
			_ = t.abandon(a) // the first error is the one that counts
			return false, err
		}
		table = table[tableEntry:]
	}
	return t.keep(a, func() bool { return t.index[e.key] == e && !t.config.Stale(e.key, e.stamp) })
}

// removeRegion forgets region i and removes its file. One whose name cannot be removed stays in the list: what was cleared
// must not come back at the next start.
func (t *Tier) removeRegion(i int) error {
	r := t.regions[i]
	t.mu.Lock()
	for _, e := range r.entries {
		if t.index[e.key] == e {
			delete(t.index, e.key)
			t.bytes -= e.len()
		}
	}
	r.entries = nil
	t.mu.Unlock()
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove region: %w", err)
	}
	r.gone = true
	t.growing = t.growing && i < len(t.regions)-1
	t.regions = slices.Delete(t.regions, i, i+1)
	r.release()
	return nil
}
