package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"

	"github.com/weirstream/weir/edge/cache"
)

const (
	readPiece = 256 << 10 // asked of the disk at once
	maxStalls = 3         // reads that the disk does not answer, one after another, before the tier is off
	frontMax  = fixedLen + maxName + maxBodySize/block*tableEntry
)

// Read hands the body of key to sink, block by block, each verified before. whole says that all of it was handed over;
// otherwise the first n bytes were (0 of a plain miss), they are good, and another source can go on from there. A disk
// that does not answer in time is a miss; nothing waits longer than ReadWait and, for each piece, ReadStall.
func (t *Tier) Read(ctx context.Context, key cache.Key, sink cache.Sink) (n int64, whole bool) {
	if e := t.find(key); e != nil {
		n, whole = t.readEntry(ctx, e, sink)
		t.reads.Done()
	}
	if whole {
		t.counts.hits.Add(1)
	} else {
		t.counts.misses.Add(1)
	}
	return n, whole
}

// find returns the entry of key with a reference to its region, and counts it among the reads that Close waits for.
func (t *Tier) find(key cache.Key) *entry {
	t.mu.RLock()
	e := t.index[key]
	if e == nil || !t.state.readable(t.config.Now()) || !e.region.acquire() {
		t.mu.RUnlock()
		return nil
	}
	t.reads.Add(1)
	t.mu.RUnlock()
	if t.config.Stale(key, e.stamp) {
		e.region.release()
		t.drop(e)
		t.reads.Done()
		return nil
	}
	return e
}

// readEntry takes a slot and memory, and gives them and the region's reference back when the disk has let go of them.
func (t *Tier) readEntry(ctx context.Context, e *entry, sink cache.Sink) (int64, bool) {
	if !t.slot(ctx) {
		e.region.release()
		t.counts.busy.Add(1)
		return 0, false
	}
	r := &reading{t: t, e: e, memory: t.pieces.Get().(*[]byte)}
	n, whole, lost := r.read(ctx, sink)
	if !lost {
		r.release()
	}
	return n, whole
}

// slot waits for one of the reads allowed at once.
func (t *Tier) slot(ctx context.Context) bool {
	select {
	case t.slots <- struct{}{}:
		return true
	default:
	}
	wait := time.NewTimer(t.config.ReadWait)
	defer wait.Stop()
	select {
	case t.slots <- struct{}{}:
		return true
	case <-wait.C:
	case <-ctx.Done():
	}
	return false
}

// reading is one read of one record.
type reading struct {
	t      *Tier
	e      *entry
	memory *[]byte // header and table stay at its front; pieces come behind them
	result chan piece
}

type piece struct {
	n   int
	err error
}

func (r *reading) release() {
	r.t.pieces.Put(r.memory)
	r.e.region.release()
	<-r.t.slots
}

// errLost is a disk that has not answered. What was lent to it stays lent until it does.
var errLost = errors.New("the disk does not answer")

// read is Read of an entry; lost says that a system call still holds the memory, and will release it.
func (r *reading) read(ctx context.Context, sink cache.Sink) (n int64, whole, lost bool) {
	e, front := r.e, headLen(r.e.key.Object)+blocks(r.e.size)*tableEntry
	b := *r.memory
	for n < e.size {
		want, off, at := min(e.size-n, readPiece), e.off+front+n, front
		if n == 0 {
			want, off, at = want+front, e.off, 0
		}
		got := b[at : at+want]
		if err := r.fetch(ctx, got, off); err != nil {
			return n, false, r.failed(ctx, err)
		}
		if n == 0 {
			if !r.front(b[:front]) {
				return 0, false, false
			}
			got = got[front:]
			if s, ok := sink.(interface{ Size(int64) }); ok && e.key.Length == cache.Unknown {
				s.Size(e.size)
			}
		}
		table := b[headLen(e.key.Object)+n/block*tableEntry : front]
		for len(got) > 0 {
			one := got[:min(block, len(got))]
			if crc32.Checksum(one, castagnoli) != binary.LittleEndian.Uint32(table) {
				r.t.damaged(e)
				return n, false, false
			}
			m := cache.Pour(sink, one)
			n += int64(m)
			if m < len(one) {
				return n, false, false // a sink that takes no more
			}
			got, table = got[len(one):], table[tableEntry:]
		}
	}
	e.hits.Add(1)
	return n, true, false
}

// front verifies the header and the table of checksums.
func (r *reading) front(b []byte) bool {
	h, ok := parseHeader(b, r.e.region.number)
	if ok && h.dead {
		return false // removed while it was read
	}
	if !ok || h.key != r.e.key || h.size != r.e.size || crc32.Checksum(b[headLen(h.key.Object):], castagnoli) != h.tableCRC {
		r.t.damaged(r.e)
		return false
	}
	return true
}

// fetch asks the disk for b, from a goroutine of its own: a system call on a disk that hangs cannot be called back.
func (r *reading) fetch(ctx context.Context, b []byte, off int64) error {
	if r.result == nil {
		r.result = make(chan piece, 1)
	}
	r.t.reads.Go(func() {
		n, err := r.e.region.file.ReadAt(b, off)
		r.result <- piece{n, err}
	})
	stall := time.NewTimer(r.t.config.ReadStall)
	defer stall.Stop()
	select {
	case p := <-r.result:
		if p.n == len(b) {
			r.t.stalls.Store(0)
			return nil
		}
		return p.err
	case <-stall.C:
	case <-ctx.Done():
	}
	r.t.reads.Go(func() { <-r.result; r.release() })
	return errLost
}

// failed decides what a failed fetch means, and returns whether the memory is lost.
func (r *reading) failed(ctx context.Context, err error) bool {
	switch {
	case errors.Is(err, errLost):
		if ctx.Err() == nil {
			r.t.counts.busy.Add(1)
			if r.t.stalls.Add(1) >= maxStalls {
				r.t.fail(err)
			}
		}
		return true
	case errors.Is(err, io.EOF): // cut off by somebody else
		r.t.damaged(r.e)
	default:
		r.t.drop(r.e)
		r.t.fail(err)
	}
	return false
}

func (t *Tier) damaged(e *entry) {
	t.counts.damaged.Add(1)
	t.drop(e)
}

// drop takes e out of the index, if it is still there, and has its record marked.
func (t *Tier) drop(e *entry) {
	t.mu.Lock()
	if t.index[e.key] == e {
		t.forget(e)
	}
	t.mu.Unlock()
	t.signal()
}

// forget removes e, which is in the index. The caller holds mu.
func (t *Tier) forget(e *entry) {
	delete(t.index, e.key)
	t.bytes -= e.len()
	t.work.marks = append(t.work.marks, mark{e.region, e.number, e.off})
}
