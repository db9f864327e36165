// Package disk keeps bodies of cache keys in files of one folder, under one budget of disk space, for what memory had to
// let go. It is not a store: everything in it can be read again from elsewhere, so it gives up what is doubtful and never
// makes anybody wait for a write.
//
// Regions are append files, the oldest of which is removed whole when room is needed; what was read from it moves to the
// newest. The index is in memory, made at start from the regions' footers, or from the headers of their records where a
// process was killed before it wrote a footer. Every block of a body has a checksum that is compared before the block is
// handed on: a bad byte is a miss.
//
// Invariants: no byte is handed on that is not what was offered under that key. The files hold no more than the budget,
// but for removed ones that somebody still reads. One goroutine writes; Read, Offer, Remove and SetPosition never wait for
// it, and a disk that hangs, fills or breaks costs a few misses and turns the tier off.
package disk

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

// Bounds of a region's size. The default for a budget is a 32nd of it, but no less than 16 MiB.
const (
	minRegion = 64 << 10
	maxRegion = 256 << 20
)

// Config is what a tier needs and its limits. Dir and Bytes are required.
type Config struct {
	Dir         string // of this tier alone, made if missing; another process that has it open is a Conflict
	Bytes       int64  // budget of disk space, at least three regions
	RegionBytes int64  // size of an append file, 64 KiB to 256 MiB; 0 is Bytes/32 within 16 and 256 MiB. Larger bodies are not kept
	Queue       int    // offers that may wait for the writer; 0 is 256
	Seen        int    // keys remembered as offered once, about; 0 is 65536
	Reads       int    // reads at once; 0 is 64

	ReadWait   time.Duration // for one of those, before it is a miss; 0 is 50 ms
	ReadStall  time.Duration // for the disk to give a piece; 0 is 2 s
	RetryAfter time.Duration // between turning off and trying again; 0 is 5 min

	// Stale says that a body filled when the purge log stood at stamp was purged since. It is asked before anything is kept
	// or handed on, from any goroutine, and must not wait. Nil: nothing is.
	Stale    func(key cache.Key, stamp uint64) bool
	OpenFile func(path string, flag int) (File, error) // nil: os.OpenFile
	Now      func() time.Time                          // nil: time.Now
	Log      *slog.Logger                              // nil: silence
}

func (c Config) withDefaults() (Config, error) {
	if c.RegionBytes == 0 {
		c.RegionBytes = min(max(c.Bytes/32, 16<<20), maxRegion)
	}
	if c.RegionBytes < minRegion || c.RegionBytes > maxRegion || c.Bytes < 3*c.RegionBytes {
		return c, weir.Errorf(weir.Invalid, "a disk tier of %d bytes cannot have regions of %d: they have 64 KiB to 256 MiB, and three must fit",
			c.Bytes, c.RegionBytes)
	}
	c.Queue, c.Seen, c.Reads = or(c.Queue, 256), or(c.Seen, 1<<16), or(c.Reads, 64)
	c.ReadWait, c.ReadStall = or(c.ReadWait, 50*time.Millisecond), or(c.ReadStall, 2*time.Second)
	c.RetryAfter = or(c.RetryAfter, 5*time.Minute)
	if c.Stale == nil {
		c.Stale = func(cache.Key, uint64) bool { return false }
	}
	if c.OpenFile == nil {
		c.OpenFile = func(path string, flag int) (File, error) { return os.OpenFile(path, flag, 0o640) }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func or[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Tier is the disk tier. Make it with Open; it is safe for concurrent use.
type Tier struct {
	config Config
	lock   *os.File // of the folder; the system gives it back however the process ends
	counts counts
	slots  chan struct{} // one a read
	stalls atomic.Int32  // since the last piece that was read
	pieces sync.Pool     // of *[]byte, a read's memory
	reads  sync.WaitGroup

	ctx    context.Context // of the writer; ends at Close
	cancel context.CancelFunc
	wake   chan struct{} // room for one: there is work
	ended  chan struct{} // closed when the writer has gone

	regions []*region // of the writer: oldest first
	growing bool      // of the writer: the last region takes records

	mu    sync.RWMutex // guards all below
	index map[cache.Key]*entry
	bytes int64 // of the records in index
	door  doorkeeper
	work  work
	state state
	busy  bool // the writer does what it took out of work
}

// entry is where a record is. Nothing but hits changes.
type entry struct {
	key    cache.Key
	region *region
	off    int64
	size   int64 // of the body
	stamp  uint64
	number int           // of the record in its region
	hits   atomic.Uint32 // since it was written
}

func (e *entry) len() int64 { return recordLen(e.key, e.size) }

// counts are since Open.
type counts struct {
	hits, misses, stored, moved, dropped, damaged, busy, reclaimed atomic.Int64
}

// Open takes the folder, reads what an earlier process left in it, whatever way that ended, and starts the writer. Errors:
// Invalid for a config, Conflict for a folder in use, others for a folder that cannot be used at all. Files that cannot
// be read are given up without an error.
func Open(config Config) (*Tier, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make disk tier's folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(config.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock disk tier's folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		return nil, weir.Errorf(weir.Conflict, "the disk tier's folder %s is in use: %w", config.Dir, err)
	}
	t := &Tier{config: config, lock: lock, slots: make(chan struct{}, config.Reads), wake: make(chan struct{}, 1),
		ended: make(chan struct{}), index: map[cache.Key]*entry{}, door: newDoorkeeper(config.Seen / 2)}
	t.work.pending = map[cache.Key]*offer{}
	t.pieces.New = func() any { b := make([]byte, frontMax+readPiece); return &b }
	t.ctx, t.cancel = context.WithCancel(context.Background())
	if err := t.load(); err != nil {
		_ = lock.Close() // nothing was written
		return nil, err
	}
	go t.run()
	return t, nil
}

// Close ends the writer after the record it is at, saves what was removed and the position, and waits for the reads under
// way. Later reads are misses, later offers dropped.
func (t *Tier) Close() {
	t.mu.Lock()
	t.state.closed = true
	t.work.dropOffers(t)
	t.mu.Unlock()
	t.cancel()
	<-t.ended
	t.reads.Wait()
	_ = t.lock.Close() // an empty file
}

// Stats is a snapshot of the tier.
type Stats struct {
	Bytes, Entries int64 // of records that can be read
	Hits, Misses   int64 // reads that gave the whole body, and that did not
	Stored, Moved  int64 // records written for offers, and written again since they were used when their region went
	Dropped        int64 // offers not kept, of those that were wanted: the queue was full, the body gone, the tier off
	Damaged        int64 // records given up since a checksum or a length was wrong
	Busy           int64 // misses since all reads were taken or the disk did not answer in time
	Reclaimed      int64 // regions removed for room
	State          string
}

// Stats reads the counters; they are not of one instant. State is "on", "full" or "read-only" (it reads and does not
// write), "off" (neither) or "closed".
func (t *Tier) Stats() Stats {
	t.mu.RLock()
	s := Stats{Bytes: t.bytes, Entries: int64(len(t.index)), State: t.state.String()}
	t.mu.RUnlock()
	c := &t.counts
	s.Hits, s.Misses, s.Stored, s.Moved = c.hits.Load(), c.misses.Load(), c.stored.Load(), c.moved.Load()
	s.Dropped, s.Damaged, s.Busy, s.Reclaimed = c.dropped.Load(), c.damaged.Load(), c.busy.Load(), c.reclaimed.Load()
	return s
}

// Signal to the writer that there is work. It never waits.
func (t *Tier) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
