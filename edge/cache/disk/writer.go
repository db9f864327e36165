package disk

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"time"

	"github.com/weirstream/weir/edge/cache"
)

const (
	writePiece = 1 << 20
	bodyWait   = 5 * time.Second // for a body that has not arrived whole
)

// run is the writer: the only goroutine that changes files.
func (t *Tier) run() {
	defer close(t.ended)
	for {
		if o, more := t.next(); o != nil {
			t.write(o)
			continue
		} else if more {
			continue
		}
		select {
		case <-t.wake:
		case <-t.ctx.Done():
			t.next() // what was removed while the last record was written
			for _, r := range t.regions {
				r.release()
			}
			return
		}
	}
}

// next does what must be done before anything is written, and returns the next offer; more says that there may be more to
// do. While the tier is off it does nothing, and what is to be done waits.
func (t *Tier) next() (o *offer, more bool) {
	t.mu.Lock()
	w := &t.work
	if !t.state.closed && !t.state.writable(t.config.Now()) {
		t.mu.Unlock()
		return nil, false
	}
	todo := *w
	w.clear, w.marks, w.unsaved = false, nil, false
	more = todo.clear || len(todo.marks) > 0 || todo.unsaved
	t.busy = more
	if !more && len(w.offers) > 0 {
		o = w.offers[0]
		w.offers = w.offers[1:]
	}
	t.mu.Unlock()
	err := t.settle(&todo)
	if err != nil {
		t.fail(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = false
	if err != nil {
		w.clear, w.unsaved = w.clear || todo.clear, w.unsaved || todo.unsaved
		w.marks = append(w.marks, todo.marks...)
		return o, false
	}
	return o, more
}

// settle does what must be done in its order, taking out of w what is done.
func (t *Tier) settle(w *work) error {
	if w.clear {
		for len(t.regions) > 0 {
			if err := t.removeRegion(0); err != nil {
				return err
			}
		}
		w.clear = false
	}
	done, err := t.mark(w.marks)
	w.marks = w.marks[done:]
	if err == nil && w.unsaved {
		if err = t.save(w.position); err == nil {
			w.unsaved = false
		}
	}
	return err
}

// mark writes marks and returns how many were written, or need not be, before one failed.
func (t *Tier) mark(marks []mark) (int, error) {
	for i, m := range marks {
		if m.region.gone {
			continue
		}
		if err := m.region.mark(m.number, m.off); err != nil {
			return i, err
		}
	}
	return len(marks), nil
}

// write stores one offer.
func (t *Tier) write(o *offer) {
	stored, err := t.store(o)
	switch {
	case err != nil:
		t.counts.dropped.Add(1)
		t.fail(err)
	case stored:
		t.counts.stored.Add(1)
		t.recovered()
	default:
		t.counts.dropped.Add(1)
	}
	t.mu.Lock()
	delete(t.work.pending, o.key)
	t.mu.Unlock()
}

// store copies the body of o into the growing region. False without an error is a body that is gone, does not fit, or was
// removed meanwhile.
func (t *Tier) store(o *offer) (bool, error) {
	body, ok := o.open()
	if !ok {
		return false, nil
	}
	defer body.Release()
	size := body.Size()
	if size <= 0 || size > t.largest(o.key.Object) || o.key.Length != cache.Unknown && o.key.Length != size {
		return false, nil
	}
	if err := t.room(o.key, size); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, bodyWait)
	defer cancel()
	a := t.begin(o.key, size, o.stamp)
	for a.n < size {
		run, err := body.Run(ctx, a.n, min(size-a.n, writePiece))
		if err != nil || len(run.Bytes) == 0 {
			return false, t.abandon(a) // the body's trouble, not the disk's
		}
		if err := a.append(run.Bytes); err != nil {
			_ = t.abandon(a) // the first error is the one that counts
			return false, err
		}
	}
	return t.keep(a, func() bool { return !o.void && !t.config.Stale(o.key, o.stamp) })
}

// appending is a record that grows at the end of the growing region.
type appending struct {
	r     *region
	h     header
	table []byte
	n     int64  // bytes of the body that are there
	crc   uint32 // of the block under way
}

func (t *Tier) begin(key cache.Key, size int64, stamp uint64) *appending {
	r := t.regions[len(t.regions)-1]
	return &appending{r: r, h: header{key: key, size: size, stamp: stamp, region: r.number}}
}

// append writes the next bytes of the body and sums them.
func (a *appending) append(b []byte) error {
	at := a.r.end + headLen(a.h.key.Object) + blocks(a.h.size)*tableEntry + a.n
	if _, err := a.r.file.WriteAt(b, at); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	for len(b) > 0 {
		one := b[:min(int64(len(b)), block-a.n%block)]
		a.crc = crc32.Update(a.crc, castagnoli, one)
		a.n += int64(len(one))
		b = b[len(one):]
		if a.n%block == 0 || a.n == a.h.size {
			a.table = binary.LittleEndian.AppendUint32(a.table, a.crc)
			a.crc = 0
		}
	}
	return nil
}

// abandon cuts off what was written. A region where that fails grows no more: behind a shorter record, what is left could
// be taken for one.
func (t *Tier) abandon(a *appending) error {
	err := a.r.cut()
	t.growing = err == nil
	return err
}

// keep makes a record of what was appended and an entry of it, unless wanted, which is asked last and under mu, says that
// it was removed meanwhile. The header goes last, in one piece with the table: a header means a record.
func (t *Tier) keep(a *appending, wanted func() bool) (bool, error) {
	a.h.tableCRC = crc32.Checksum(a.table, castagnoli)
	head := a.h.append(nil)
	encoded := len(head)
	head = append(head, a.table...)
	if _, err := a.r.file.WriteAt(head, a.r.end); err != nil {
		_ = t.abandon(a) // the first error is the one that counts
		return false, fmt.Errorf("write header: %w", err)
	}
	e := &entry{key: a.h.key, region: a.r, off: a.r.end, size: a.h.size, stamp: a.h.stamp}
	e.number = a.r.records.add(head[:encoded])
	a.r.end += e.len()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !wanted() {
		t.work.marks = append(t.work.marks, mark{e.region, e.number, e.off})
		return false, nil
	}
	t.insert(e)
	return true, nil
}

// insert puts e into the index in place of an older record of its key. The caller holds mu, or is alone.
func (t *Tier) insert(e *entry) {
	if old := t.index[e.key]; old != nil {
		t.forget(old)
	}
	t.index[e.key] = e
	t.bytes += e.len()
	e.region.entries = append(e.region.entries, e)
}

// room sees to it that the record of key fits the growing region, closing that and reclaiming the oldest as needed.
func (t *Tier) room(key cache.Key, size int64) error {
	if t.growing {
		r := t.regions[len(t.regions)-1]
		if r.end+recordLen(key, size)+r.records.len(headLen(key.Object)) <= t.config.RegionBytes {
			return t.reclaim(key, size) // of what could not be removed before
		}
		t.growing = false
		if err := r.seal(); err != nil {
			return err
		}
	}
	number := uint64(1)
	if n := len(t.regions); n > 0 {
		number = t.regions[n-1].number + 1
	}
	r, err := t.openRegion(number, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	t.regions, t.growing = append(t.regions, r), true
	return t.reclaim(key, size)
}
