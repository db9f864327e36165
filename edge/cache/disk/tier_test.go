package disk_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
)

// contents is the body of a key: whoever reads one byte of another body sees it.
func contents(key cache.Key, size int64) []byte {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%s %d", key.Object[max(0, len(key.Object)-20):], key.Offset))
	b := make([]byte, size)
	rng := rand.NewChaCha8(seed)
	_, _ = rng.Read(b) // it never fails
	return b
}

func keyOf(n int, size int64) cache.Key {
	return cache.Key{Object: fmt.Sprintf("media/default/asset-%d/rendition/%08d.cmf", n%10, n), Offset: int64(n), Length: size}
}

// body is a body in memory that gives its bytes in runs of at most run.
type body struct {
	b        []byte
	run      int64
	released func()
}

func (b *body) Size() int64 { return int64(len(b.b)) }
func (b *body) Release() {
	if b.released != nil {
		b.released()
	}
}

func (b *body) Run(_ context.Context, off, n int64) (cache.Run, error) {
	if off >= int64(len(b.b)) {
		return cache.Run{}, io.EOF
	}
	return cache.Run{Bytes: b.b[off:min(off+n, off+b.run, int64(len(b.b)))], File: -1}, nil
}

func open(b []byte) func() (disk.Body, bool) {
	return func() (disk.Body, bool) { return &body{b: b, run: 100_000}, true }
}

// sink takes bytes in pieces of at most step.
type sink struct {
	b    []byte
	n    int
	step int
	size int64
}

func (s *sink) Space() []byte { return s.b[s.n:min(len(s.b), s.n+s.step)] }
func (s *sink) Filled(n int)  { s.n += n }
func (s *sink) Size(n int64) {
	s.size = n
	s.b = make([]byte, n)
}

// read reads key and fails the test for a byte that is not its own.
func read(t testing.TB, tier *disk.Tier, key cache.Key, size int64) bool {
	t.Helper()
	s := &sink{b: make([]byte, size), step: 77_777}
	n, whole := tier.Read(t.Context(), key, s)
	if int64(s.n) != n || whole != (n == size) || !bytes.Equal(s.b[:n], contents(key, size)[:n]) {
		t.Errorf("Read(%v) = %d, %v: %d bytes, or wrong ones, of %d were handed over", key, n, whole, s.n, size)
	}
	return whole
}

// put offers key twice and waits until it is written.
func put(t testing.TB, tier *disk.Tier, key cache.Key, stamp uint64) {
	t.Helper()
	b := open(contents(key, key.Length))
	taken := tier.Offer(key, stamp, b) // if it was offered before
	if !taken && !tier.Offer(key, stamp, b) {
		t.Fatalf("Offer(%v) for the second time is refused: %+v", key, tier.Stats())
	}
	tier.Settle()
}

// small is a tier of n regions of 64 KiB and one that comes and goes.
func small(dir string, n int64) disk.Config {
	return disk.Config{Dir: dir, RegionBytes: 64 << 10, Bytes: (n + 1) * (64 << 10), ReadStall: time.Minute} // a busy machine is no fault
}

func start(t testing.TB, config disk.Config) *disk.Tier {
	t.Helper()
	tier, err := disk.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tier.Close)
	return tier
}

func TestSecondUseIsKept(t *testing.T) {
	tier := start(t, disk.Config{Dir: t.TempDir(), Bytes: 64 << 20, ReadStall: time.Minute})
	key := keyOf(1, 1000)
	if tier.Offer(key, 1, open(contents(key, 1000))) {
		t.Error("the first Offer of a key is taken")
	}
	tier.Settle()
	if read(t, tier, key, 1000) {
		t.Error("a body offered once is kept")
	}
	if !tier.Offer(key, 1, open(contents(key, 1000))) {
		t.Error("the second Offer of a key is not taken")
	}
	tier.Settle()
	if !read(t, tier, key, 1000) {
		t.Error("a body offered twice is not kept")
	}
	if tier.Offer(key, 1, open(contents(key, 1000))) {
		t.Error("an Offer of what is kept is taken")
	}
	if s := tier.Stats(); s.Hits != 1 || s.Misses != 1 || s.Stored != 1 || s.Entries != 1 || s.Dropped != 0 || s.State != "on" {
		t.Errorf("stats %+v", s)
	}
}

func TestSizesComeBack(t *testing.T) {
	config := disk.Config{Dir: t.TempDir(), Bytes: 64 << 20, ReadStall: time.Minute}
	sizes := []int64{1, 2, disk.Block - 1, disk.Block, disk.Block + 1, 256 << 10, 256<<10 + 1, 1 << 20, 3_333_333}
	tier := start(t, config)
	check := func() {
		t.Helper()
		for i, size := range sizes {
			if !read(t, tier, keyOf(i, size), size) {
				t.Errorf("a body of %d bytes does not come back", size)
			}
		}
	}
	for i, size := range sizes {
		put(t, tier, keyOf(i, size), 7)
	}
	check()
	tier.Close()
	tier = start(t, config)
	check()
}

func TestUnknownLength(t *testing.T) {
	tier := start(t, disk.Config{Dir: t.TempDir(), Bytes: 64 << 20, ReadStall: time.Minute})
	key := keyOf(1, cache.Unknown)
	for range 2 {
		tier.Offer(key, 1, open(contents(key, 300_000)))
	}
	tier.Settle()
	s := &sink{step: 1 << 20}
	if n, whole := tier.Read(t.Context(), key, s); !whole || n != 300_000 || s.size != 300_000 || !bytes.Equal(s.b, contents(key, 300_000)) {
		t.Errorf("Read = %d, %v, size told %d", n, whole, s.size)
	}
}

// What is refused is never queued: bodies that do not fit a region, names beyond what a header holds, lengths that are not
// the key's.
func TestOffersThatCannotBeKept(t *testing.T) {
	tier := start(t, small(t.TempDir(), 3))
	f := func(name string, key cache.Key, size int64, want bool) {
		t.Helper()
		tier.Offer(key, 1, open(make([]byte, size)))
		if got := tier.Offer(key, 1, open(make([]byte, size))); got != want {
			t.Errorf("%s: Offer = %v, want %v", name, got, want)
		}
		tier.Settle()
		if s := tier.Stats(); s.Entries != 0 {
			t.Errorf("%s: it is kept", name)
		}
	}
	f("as large as a region", keyOf(1, 64<<10), 64<<10, false)
	f("of a long name", cache.Key{Object: strings.Repeat("x", 5000), Length: 1}, 1, false)
	f("empty", keyOf(2, 0), 0, false)
	f("unknown and too large", keyOf(3, cache.Unknown), 64<<10, true)
	f("unknown and empty", keyOf(4, cache.Unknown), 0, true)
	f("of another length", keyOf(5, 10), 11, true)
	if s := tier.Stats(); s.Dropped != 3 || s.State != "on" {
		t.Errorf("stats %+v, want 3 dropped", s)
	}
	key := keyOf(6, 64<<10-400)
	put(t, tier, key, 1)
	if !read(t, tier, key, key.Length) {
		t.Error("a body that just fits is not kept")
	}
}

func TestBudgetHolds(t *testing.T) {
	config := small(t.TempDir(), 4)
	tier := start(t, config)
	for i := range 200 {
		put(t, tier, keyOf(i, int64(1+i*i%20_000)), 1)
		var sum int64
		files, err := filepath.Glob(filepath.Join(config.Dir, "region-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() > config.RegionBytes {
				t.Errorf("%s has %d bytes, more than %d", f, info.Size(), config.RegionBytes)
			}
			sum += info.Size()
		}
		if s := tier.Stats(); sum > config.Bytes || s.Bytes > sum || len(files) > tier.Keeps() {
			t.Fatalf("%d files of %d bytes after %d bodies: the budget is %d, stats %+v", len(files), sum, i, config.Bytes, s)
		}
	}
	s := tier.Stats()
	if s.Reclaimed == 0 || s.Stored != 200 {
		t.Errorf("stats %+v: nothing was reclaimed", s)
	}
	tier.Close()
	config.Bytes = 3 * config.RegionBytes // a smaller budget removes the oldest
	tier = start(t, config)
	if got := tier.Stats(); got.Entries == 0 || got.Entries >= s.Entries || !read(t, tier, keyOf(199, int64(1+199*199%20_000)), int64(1+199*199%20_000)) {
		t.Errorf("%d entries of %d after a start with less room", got.Entries, s.Entries)
	}
}

// What is moved out of an old region leaves room for the body that it makes room for.
func TestMovedBodiesKeepTheBudget(t *testing.T) {
	config := small(t.TempDir(), 5)
	tier := start(t, config)
	for i := range 120 {
		key := keyOf(i, 6000)
		if i%9 == 7 || i%13 == 3 {
			key = keyOf(i, 62_000)
		}
		put(t, tier, key, 1)
		if key.Length == 6000 {
			read(t, tier, key, key.Length)
		}
		files, err := filepath.Glob(filepath.Join(config.Dir, "region-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err != nil || info.Size() > config.RegionBytes {
				t.Fatalf("after %d bodies %s: %v, %v, want at most %d bytes", i+1, f, info.Size(), err, config.RegionBytes)
			}
		}
	}
	if tier.Stats().Moved == 0 {
		t.Error("nothing was moved")
	}
}

func TestUsedBodiesSurviveTheirRegion(t *testing.T) {
	config := small(t.TempDir(), 3)
	tier := start(t, config)
	used := keyOf(1000, 5000)
	put(t, tier, used, 3)
	put(t, tier, keyOf(1001, 5000), 3)
	for i := range 100 {
		if !read(t, tier, used, 5000) {
			t.Fatalf("a body that is used all the time was lost after %d others", i)
		}
		put(t, tier, keyOf(i, 6000), 3)
	}
	if s := tier.Stats(); s.Moved == 0 || read(t, tier, keyOf(1001, 5000), 5000) {
		t.Errorf("stats %+v, want one moved and the unused one gone", s)
	}
	tier.Close()
	tier = start(t, config)
	if !read(t, tier, used, 5000) {
		t.Error("what moved is not there after a restart")
	}
}

func TestFullQueueDropsWithoutWaiting(t *testing.T) {
	config := disk.Config{Dir: t.TempDir(), Bytes: 64 << 20, Queue: 2}
	tier := start(t, config)
	inside, gate := make(chan struct{}), make(chan struct{})
	slow := func() (disk.Body, bool) {
		close(inside)
		<-gate
		return nil, false
	}
	for range 2 {
		tier.Offer(keyOf(1, 10), 1, slow)
	}
	<-inside
	for i := 2; i < 6; i++ {
		key := keyOf(i, 10)
		tier.Offer(key, 1, open(contents(key, 10)))
		if got, want := tier.Offer(key, 1, open(contents(key, 10))), i < 4; got != want {
			t.Errorf("Offer(%d) while the writer is at work = %v, want %v", i, got, want)
		}
	}
	close(gate)
	tier.Settle()
	if s := tier.Stats(); s.Stored != 2 || s.Dropped != 3 {
		t.Errorf("stats %+v, want 2 stored, and 2 and the body that was gone dropped", s)
	}
}

func TestBodiesAreReleased(t *testing.T) {
	tier := start(t, small(t.TempDir(), 3))
	var mu sync.Mutex
	held := 0
	for i := range 20 {
		key := keyOf(i, 8000)
		for range 2 {
			tier.Offer(key, 1, func() (disk.Body, bool) {
				mu.Lock()
				held++
				mu.Unlock()
				b := contents(key, 8000)[:8000-i%2] // every second one has another length than its key
				return &body{b: b, run: 100, released: func() { mu.Lock(); held--; mu.Unlock() }}, true
			})
		}
	}
	tier.Close()
	if held != 0 {
		t.Errorf("%d bodies were not released", held)
	}
}

func TestFolderInUse(t *testing.T) {
	config := disk.Config{Dir: t.TempDir(), Bytes: 64 << 20, ReadStall: time.Minute}
	tier := start(t, config)
	if _, err := disk.Open(config); weir.KindOf(err) != weir.Conflict {
		t.Errorf("Open of a folder in use = %v, want conflict", err)
	}
	tier.Close()
	start(t, config)
	for _, bad := range []disk.Config{{Dir: t.TempDir()}, {Dir: t.TempDir(), Bytes: 47 << 20}, {Dir: t.TempDir(), Bytes: 1 << 40, RegionBytes: 1 << 30}} {
		if _, err := disk.Open(bad); weir.KindOf(err) != weir.Invalid || err == nil {
			t.Errorf("Open(%+v) = %v, want invalid", bad, err)
		}
	}
}

func TestClosedTierMisses(t *testing.T) {
	tier := start(t, disk.Config{Dir: t.TempDir(), Bytes: 64 << 20, ReadStall: time.Minute})
	put(t, tier, keyOf(1, 10), 1)
	tier.Close()
	tier.Offer(keyOf(2, 10), 1, open(nil))
	if read(t, tier, keyOf(1, 10), 10) || tier.Offer(keyOf(2, 10), 1, open(nil)) || tier.Stats().State != "closed" {
		t.Errorf("a closed tier works: %+v", tier.Stats())
	}
}
