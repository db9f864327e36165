package disk_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
)

// fault is what a disk does instead of what it is asked: it returns the error, or waits until it is released.
type fault struct {
	reads, writes, syncs, cuts atomic.Pointer[error]
	whole                      atomic.Bool  // writes are done before they fail
	good                       atomic.Int64 // writes before the first that fails
	hang                       atomic.Pointer[chan struct{}]
	inside                     chan struct{} // gets a value for each read that hangs
}

func (f *fault) open(path string, flag int) (disk.File, error) {
	if err := f.writes.Load(); err != nil && flag&os.O_CREATE != 0 {
		return nil, *err
	}
	file, err := os.OpenFile(path, flag, 0o600)
	return faulty{file, f}, err
}

type faulty struct {
	*os.File
	f *fault
}

func (f faulty) ReadAt(b []byte, off int64) (int, error) {
	if gate := f.f.hang.Load(); gate != nil {
		f.f.inside <- struct{}{}
		<-*gate
	}
	if err := f.f.reads.Load(); err != nil {
		return 0, *err
	}
	return f.File.ReadAt(b, off)
}

// WriteAt writes half of what it is given before it fails.
func (f faulty) WriteAt(b []byte, off int64) (int, error) {
	if err := f.f.writes.Load(); err != nil && f.f.good.Add(-1) < 0 {
		if !f.f.whole.Load() {
			b = b[:len(b)/2]
		}
		n, _ := f.File.WriteAt(b, off)
		return n, *err
	}
	return f.File.WriteAt(b, off)
}

func (f faulty) Sync() error {
	if err := f.f.syncs.Load(); err != nil {
		return *err
	}
	return f.File.Sync()
}

func (f faulty) Truncate(size int64) error {
	if err := f.f.cuts.Load(); err != nil {
		return *err
	}
	return f.File.Truncate(size)
}

// clock is a Now that a test moves.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.at.Load()) }

// logs is where a tier's log goes.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// troubled is a tier whose disk, clock and log the test has in hand.
func troubled(t *testing.T, n int64) (*disk.Tier, disk.Config, *fault, *clock, *logs) {
	t.Helper()
	f, c, l := &fault{}, &clock{}, &logs{}
	config := small(t.TempDir(), n)
	config.OpenFile, config.Now, config.Log = f.open, c.now, slog.New(slog.NewTextHandler(l, nil))
	return start(t, config), config, f, c, l
}

// TestWriteErrors has writes fail in each way: the tier says so once, keeps reading where that is safe, tries again later
// without another word, and is on again when the disk is.
func TestWriteErrors(t *testing.T) {
	f := func(state string, reads bool, err error) {
		t.Helper()
		tier, config, fault, clock, log := troubled(t, 20)
		put(t, tier, keyOf(1, 9000), 1)
		fault.writes.Store(&err)
		put(t, tier, keyOf(2, 9000), 1)
		if s := tier.Stats(); s.State != state || s.Stored != 1 || s.Dropped != 1 {
			t.Errorf("%v: stats %+v, want state %s", err, s, state)
		}
		if got := read(t, tier, keyOf(1, 9000), 9000); got != reads {
			t.Errorf("%v: what is there can be read: %v, want %v", err, got, reads)
		}
		if tier.Offer(keyOf(2, 9000), 1, open(nil)) {
			t.Errorf("%v: an offer is taken while the tier is off", err)
		}
		for range 3 { // it tries again and fails
			clock.at.Add(int64(6 * time.Minute))
			put(t, tier, keyOf(2, 9000), 1)
		}
		if n := log.count("disk tier is off"); n != 1 || tier.Stats().State != state {
			t.Errorf("%v: %d lines say that the tier is off, want 1; state %s", err, n, tier.Stats().State)
		}
		fault.writes.Store(nil)
		clock.at.Add(int64(6 * time.Minute))
		put(t, tier, keyOf(2, 9000), 1)
		if !read(t, tier, keyOf(1, 9000), 9000) || !read(t, tier, keyOf(2, 9000), 9000) || tier.Stats().State != "on" {
			t.Errorf("%v: not all is there after the disk is good again: %+v", err, tier.Stats())
		}
		if n := log.count("disk tier is on again"); n != 1 {
			t.Errorf("%v: %d lines say that the tier is on again, want 1", err, n)
		}
		tier.Close()
		tier = start(t, config)
		if !read(t, tier, keyOf(1, 9000), 9000) || !read(t, tier, keyOf(2, 9000), 9000) {
			t.Errorf("%v: not all is there after a restart", err)
		}
	}
	f("full", true, &os.PathError{Op: "write", Err: unix.ENOSPC})
	f("full", true, &os.PathError{Op: "write", Err: unix.EDQUOT})
	f("read-only", true, &os.PathError{Op: "write", Err: unix.EROFS})
	f("off", false, &os.PathError{Op: "write", Err: unix.EIO})
	f("off", false, errors.New("nobody thought of this"))
}

// A record that could not be cut off is not written over: behind a shorter one its bytes would be left.
func TestWhatCannotBeCutOff(t *testing.T) {
	tier, config, fault, clock, _ := troubled(t, 20)
	put(t, tier, keyOf(1, 9000), 1)
	var broken error = unix.EIO
	fault.writes.Store(&broken)
	fault.cuts.Store(&broken)
	put(t, tier, keyOf(2, 9000), 1)
	fault.writes.Store(nil)
	clock.at.Add(int64(6 * time.Minute))
	put(t, tier, keyOf(3, 100), 1)
	fault.cuts.Store(nil)
	check := func() {
		t.Helper()
		if !read(t, tier, keyOf(1, 9000), 9000) || read(t, tier, keyOf(2, 9000), 9000) || !read(t, tier, keyOf(3, 100), 100) {
			t.Errorf("stats %+v, want the first and the third body", tier.Stats())
		}
	}
	check()
	tier.Close()
	tier = start(t, config)
	check()
}

// A record whose write is said to have failed may be whole. If it cannot be cut off, the position of the purge log stays
// where it was: the next start finds the record, and the purges after that.
func TestRecordNobodyKnows(t *testing.T) {
	tier, config, fault, clock, _ := troubled(t, 20)
	put(t, tier, keyOf(1, 9000), 1)
	tier.SetPosition(10)
	tier.Settle()
	var broken error = unix.EIO
	fault.whole.Store(true)
	fault.good.Store(1) // the body; the header fails
	fault.cuts.Store(&broken)
	fault.writes.Store(&broken)
	put(t, tier, keyOf(2, 9000), 10)
	fault.writes.Store(nil)
	tier.Remove(func(_ cache.Key, stamp uint64) bool { return stamp < 11 })
	tier.SetPosition(11)
	clock.at.Add(int64(6 * time.Minute))
	tier.Offer(keyOf(3, 10), 11, open(nil)) // wakes the writer
	tier.Settle()
	tier.Close()
	fault.cuts.Store(nil)
	tier = start(t, config)
	if got := tier.Position(); got != 10 || !read(t, tier, keyOf(2, 9000), 9000) {
		t.Errorf("Position = %d with a record that nobody knew, want 10; stats %+v", got, tier.Stats())
	}
	tier.Remove(func(_ cache.Key, stamp uint64) bool { return stamp < 11 })
	tier.SetPosition(11)
	tier.Close()
	tier = start(t, config)
	if tier.Position() != 11 || tier.Stats().Entries != 0 {
		t.Errorf("position %d, stats %+v", tier.Position(), tier.Stats())
	}
}

func TestReadErrors(t *testing.T) {
	tier, _, fault, clock, log := troubled(t, 20)
	put(t, tier, keyOf(1, 9000), 1)
	put(t, tier, keyOf(2, 9000), 1)
	var broken error = &os.PathError{Op: "read", Err: unix.EIO}
	fault.reads.Store(&broken)
	for range 3 {
		if read(t, tier, keyOf(1, 9000), 9000) || read(t, tier, keyOf(2, 9000), 9000) {
			t.Error("a body came from a disk that fails")
		}
	}
	if s := tier.Stats(); s.State != "off" || s.Entries != 1 || log.count("disk tier is off") != 1 {
		t.Errorf("stats %+v, want off and the one that was read gone", s)
	}
	fault.reads.Store(nil)
	if read(t, tier, keyOf(2, 9000), 9000) {
		t.Error("a tier that is off reads")
	}
	clock.at.Add(int64(6 * time.Minute))
	if !read(t, tier, keyOf(2, 9000), 9000) {
		t.Error("a tier does not read again after its time")
	}
}

// A purge that cannot be written down is in force, and comes again after a restart: the position of the log is not saved
// before it.
func TestPurgeOnABrokenDisk(t *testing.T) {
	for _, what := range []string{"marks", "sync"} {
		tier, config, fault, clock, _ := troubled(t, 20)
		put(t, tier, keyOf(1, 9000), 1)
		put(t, tier, keyOf(2, 9000), 1)
		tier.SetPosition(10)
		tier.Settle()
		var broken error = &os.PathError{Op: "write", Err: unix.EIO}
		if what == "marks" {
			fault.writes.Store(&broken)
		} else {
			fault.syncs.Store(&broken)
		}
		tier.Remove(asset("asset-1", 11))
		tier.SetPosition(11)
		tier.Settle()
		clock.at.Add(int64(6 * time.Minute))
		if read(t, tier, keyOf(1, 9000), 9000) {
			t.Errorf("%s: a purged body is read", what)
		}
		tier.Close()
		tier = start(t, config)
		if got := tier.Position(); got != 10 {
			t.Errorf("%s: Position after a restart = %d, want 10: the purge must come again", what, got)
		}
		tier.Close()
		fault.writes.Store(nil)
		fault.syncs.Store(nil)
		tier = start(t, config)
		tier.Remove(asset("asset-1", 11))
		tier.SetPosition(11)
		tier.Close()
		tier = start(t, config)
		if tier.Position() != 11 || read(t, tier, keyOf(1, 9000), 9000) || !read(t, tier, keyOf(2, 9000), 9000) {
			t.Errorf("%s: position %d, stats %+v", what, tier.Position(), tier.Stats())
		}
	}
}

// A disk that hangs holds up nobody for longer than was agreed, and then nobody at all; Offer, Remove and SetPosition
// return while the writer hangs too.
func TestHangingDisk(t *testing.T) {
	f := &fault{inside: make(chan struct{}, 9)}
	config := small(t.TempDir(), 20)
	config.OpenFile, config.ReadStall, config.Reads = f.open, time.Millisecond, 9
	tier := start(t, config)
	put(t, tier, keyOf(1, 9000), 1)
	gate := make(chan struct{})
	f.hang.Store(&gate)
	for range 5 {
		if read(t, tier, keyOf(1, 9000), 9000) {
			t.Error("a body came from a disk that hangs")
		}
	}
	if s := tier.Stats(); s.Busy != 3 || s.State != "off" {
		t.Errorf("stats %+v, want off", s)
	}
	close(gate)
}

func TestReadsAreBounded(t *testing.T) {
	f := &fault{inside: make(chan struct{}, 9)}
	config := small(t.TempDir(), 20)
	config.OpenFile, config.ReadWait, config.ReadStall, config.Reads = f.open, time.Millisecond, time.Hour, 2
	tier := start(t, config)
	put(t, tier, keyOf(1, 9000), 1)
	gate := make(chan struct{})
	f.hang.Store(&gate)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { tier.Read(ctx, keyOf(1, 9000), &sink{b: make([]byte, 9000), step: 9000}) })
	}
	<-f.inside
	<-f.inside
	if read(t, tier, keyOf(1, 9000), 9000) || tier.Stats().Busy != 1 {
		t.Errorf("stats %+v, want a read that found both taken", tier.Stats())
	}
	cancel()
	wg.Wait()
	if s := tier.Stats(); s.State != "on" {
		t.Errorf("stats %+v: clients that leave turn the tier off", s)
	}
	close(gate)
}

// TestSmallFileSystem fills a real file system, and starts again on it.
func TestSmallFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("weir", dir, "tmpfs", 0, "size=300k"); err != nil {
		t.Skipf("this test may not mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	clock, log := &clock{}, &logs{}
	config := small(dir, 20)
	config.Now, config.Log = clock.now, slog.New(slog.NewTextHandler(log, nil))
	tier := start(t, config)
	stored := func() (n int) {
		for i := range 60 {
			if read(t, tier, keyOf(i, 9000), 9000) {
				n++
			}
		}
		return n
	}
	for i := range 60 {
		key := keyOf(i, 9000)
		for range 2 {
			tier.Offer(key, 1, open(contents(key, 9000)))
		}
		tier.Settle()
	}
	if s := tier.Stats(); s.State != "full" || s.Stored < 20 || s.Stored != int64(stored()) || log.count("disk tier is off") != 1 {
		t.Errorf("stats %+v of a full file system, %d bodies can be read", s, stored())
	}
	before := stored()
	tier.Close()
	tier = start(t, config)
	if stored() != before {
		t.Errorf("%d of %d bodies are there after a restart on a full file system", stored(), before)
	}
}
