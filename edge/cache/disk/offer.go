package disk

import (
	"context"

	"github.com/weirstream/weir/edge/cache"
)

// Body is what a tier reads of a *cache.Body.
type Body interface {
	Size() int64
	Run(ctx context.Context, off, n int64) (cache.Run, error)
	Release()
}

var (
	_ Body = (*cache.Body)(nil)
)

// offer is a body that waits to be written, or is being written.
type offer struct {
	key   cache.Key
	stamp uint64
	open  func() (Body, bool)
	void  bool // it was removed meanwhile; guarded by the tier's mu
}

// work is what the writer has to do, in the order it does it. It is guarded by the tier's mu.
type work struct {
	clear    bool
	marks    []mark // records to mark dead
	position uint64
	unsaved  bool // position is not in its file
	offers   []*offer
	pending  map[cache.Key]*offer // the offers, and the one being written
}

// mark is a record to be marked dead.
type mark struct {
	region *region
	number int
	off    int64
}

// dropOffers forgets the offers that wait, and counts them.
func (w *work) dropOffers(t *Tier) {
	for _, o := range w.offers {
		delete(w.pending, o.key)
	}
	t.counts.dropped.Add(int64(len(w.offers)))
	w.offers = nil
}

// Offer says that the body of key, filled when the purge log stood at stamp, would be worth keeping. The first offer of a
// key is only remembered; a later one is queued, if there is room, and true returned. open is called by the writer then,
// must not wait, and returns a reference that the writer releases, or false if the body is not in memory any more: an
// offer that waits holds nothing. Offer never waits.
func (t *Tier) Offer(key cache.Key, stamp uint64, open func() (Body, bool)) bool {
	if len(key.Object) > maxName || key.Length == 0 || key.Length > t.largest(key.Object) || t.config.Stale(key, stamp) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index[key] != nil || t.work.pending[key] != nil || t.state.closed || !t.door.seen(key) {
		return false
	}
	if len(t.work.offers) >= t.config.Queue || !t.state.writable(t.config.Now()) {
		t.counts.dropped.Add(1)
		return false
	}
	o := &offer{key: key, stamp: stamp, open: open}
	t.work.offers = append(t.work.offers, o)
	t.work.pending[key] = o
	t.signal()
	return true
}

// largest is the size of the largest body that fits a region under this name.
func (t *Tier) largest(name string) int64 {
	front := headLen(name)
	room := t.config.RegionBytes - front - (&footer{}).len(front)
	return room - blocks(room)*tableEntry
}

// Remove forgets every body that match returns true for, those that wait to be written too, and returns how many. They
// stay forgotten after a restart as soon as a later SetPosition is saved. match is called with locks held: it must be
// quick and not call the tier.
func (t *Tier) Remove(match func(key cache.Key, stamp uint64) bool) int {
	n := 0
	t.mu.Lock()
	for _, o := range t.work.pending {
		if match(o.key, o.stamp) {
			o.void = true
		}
	}
	t.mu.Unlock()
	var found []*entry
	t.mu.RLock()
	for _, e := range t.index {
		if match(e.key, e.stamp) {
			found = append(found, e)
		}
	}
	t.mu.RUnlock()
	t.mu.Lock()
	for _, e := range found {
		if t.index[e.key] == e {
			t.forget(e)
			n++
		} else if now := t.index[e.key]; now != nil && now.stamp == e.stamp {
			t.forget(now) // it moved to another region meanwhile
			n++
		}
	}
	t.mu.Unlock()
	t.signal()
	return n
}

// Clear forgets everything, for an edge that knows less of the purge log than it would need to.
func (t *Tier) Clear() {
	t.mu.Lock()
	for _, o := range t.work.pending {
		o.void = true
	}
	t.work.dropOffers(t)
	clear(t.index)
	t.bytes = 0
	t.work.clear, t.work.marks = true, nil // the files go as a whole
	t.mu.Unlock()
	t.signal()
}

// Position is the number last given to SetPosition, by this process or, as far as it was saved, an earlier one; 0 if
// there is none. An edge has to apply every purge after it, or to Clear if the log does not hold them any more.
func (t *Tier) Position() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.work.position
}

// SetPosition says that every purge up to this number of the log was given to Remove. The writer saves it after the marks
// of what those removed, so that an earlier position may be found after a crash, never a later one.
func (t *Tier) SetPosition(position uint64) {
	t.mu.Lock()
	if position != t.work.position {
		t.work.position, t.work.unsaved = position, true
	}
	t.mu.Unlock()
	t.signal()
}
