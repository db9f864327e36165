package shared_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/shared"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/redis"
)

func contents(key cache.Key, size int64) []byte {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%s %d", key.Object, key.Offset))
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(b) // it never fails
	return b
}

func keyOf(n int, size int64) cache.Key {
	return cache.Key{Object: fmt.Sprintf("media/default/a/%d.cmf", n), Offset: int64(n), Length: size}
}

type body struct {
	b        []byte
	released *atomic.Int32
}

func (b *body) Size() int64 { return int64(len(b.b)) }
func (b *body) Release()    { b.released.Add(1) }
func (b *body) Run(_ context.Context, off, n int64) (cache.Run, error) {
	if off >= int64(len(b.b)) {
		return cache.Run{}, io.EOF
	}
	return cache.Run{Bytes: b.b[off:min(off+n, off+50_000, int64(len(b.b)))]}, nil
}

func open(b []byte) func() (shared.Body, bool) {
	return func() (shared.Body, bool) { return &body{b, &atomic.Int32{}}, true }
}

type sink struct {
	b    []byte
	n    int
	size int64
}

func (s *sink) Space() []byte { return s.b[s.n:min(len(s.b), s.n+33_333)] }
func (s *sink) Filled(n int)  { s.n += n }
func (s *sink) Size(n int64)  { s.size, s.b = n, make([]byte, n) }

func read(t testing.TB, tier *shared.Tier, key cache.Key, size int64) bool {
	t.Helper()
	s := &sink{b: make([]byte, size)}
	n, whole := tier.Read(t.Context(), key, s)
	if int64(s.n) != n || whole != (n == size) || !bytes.Equal(s.b[:n], contents(key, size)[:n]) {
		t.Errorf("Read(%v) = %d, %v: %d bytes, or wrong ones, of %d", key, n, whole, s.n, size)
	}
	return whole
}

// start runs a tier until the test ends.
func start(t testing.TB, tier *shared.Tier) *shared.Tier {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- tier.Run(ctx) }()
	tier.Started()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return tier
}

func put(t testing.TB, tier *shared.Tier, key cache.Key, stamp uint64) {
	t.Helper()
	s := tier.Stats()
	if !tier.Offer(key, stamp, open(contents(key, key.Length))) {
		t.Fatalf("Offer(%v) is refused: %+v", key, tier.Stats())
	}
	tier.Settle(s.Stored + s.Dropped + 1)
}

// engines are what the tier is tested on.
func engines(t *testing.T, f func(t *testing.T, c weir.Cache)) {
	t.Run("embedded", func(t *testing.T) { f(t, &embed.Cache{}) })
	t.Run("redis", func(t *testing.T) {
		url := enginetest.Address(t, "WEIR_TEST_REDIS")
		c, err := redis.Open(t.Context(), url+"?prefix="+weir.NewID(time.Now())+":", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		f(t, c)
	})
}

func TestBodiesComeBack(t *testing.T) {
	engines(t, func(t *testing.T, c weir.Cache) {
		tier := start(t, &shared.Tier{Cache: c, Timeout: 10 * time.Second, ChunkBytes: 64 << 10})
		other := start(t, &shared.Tier{Cache: c, Timeout: 10 * time.Second, ChunkBytes: 256 << 10}) // of another edge
		for i, size := range []int64{1, 1000, 64 << 10, 64<<10 + 1, 300_000, 1 << 20} {
			key := keyOf(i, size)
			if read(t, tier, key, size) {
				t.Errorf("a body of %d bytes is there before it is offered", size)
			}
			put(t, tier, key, 3)
			if !read(t, tier, key, size) || !read(t, other, key, size) {
				t.Errorf("a body of %d bytes does not come back: %+v, %+v", size, tier.Stats(), other.Stats())
			}
			key.Offset++
			if read(t, tier, key, size) {
				t.Error("another key has the body too")
			}
		}
		key := keyOf(9, cache.Unknown)
		tier.Offer(key, 3, open(contents(key, 200_000)))
		tier.Settle(7)
		s := &sink{}
		if n, whole := other.Read(t.Context(), key, s); !whole || n != 200_000 || s.size != 200_000 || !bytes.Equal(s.b, contents(key, 200_000)) {
			t.Errorf("a body of unknown length: %d, %v, size told %d", n, whole, s.size)
		}
		if s := tier.Stats(); s.Stored != 7 || s.Dropped+s.Damaged+s.Busy != 0 || s.Away {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestMissing(t *testing.T) {
	engines(t, func(t *testing.T, c weir.Cache) {
		tier := start(t, &shared.Tier{Cache: c, Timeout: 10 * time.Second})
		tier.SetMissing(keyOf(1, 10), time.Hour)
		tier.SetMissing(keyOf(3, 10), 0)
		tier.Settle(1)
		if !tier.Missing(t.Context(), keyOf(1, 10)) || tier.Missing(t.Context(), keyOf(2, 10)) || tier.Missing(t.Context(), keyOf(3, 10)) {
			t.Errorf("not what was said to be missing is: %+v", tier.Stats())
		}
	})
}

func TestPurgedBodies(t *testing.T) {
	var number atomic.Uint64
	tier := start(t, &shared.Tier{Cache: &embed.Cache{}, Timeout: 10 * time.Second, Stale: func(_ cache.Key, stamp uint64) bool { return stamp < number.Load() }})
	put(t, tier, keyOf(1, 1000), 5)
	put(t, tier, keyOf(2, 1000), 7)
	number.Store(6)
	if read(t, tier, keyOf(1, 1000), 1000) || !read(t, tier, keyOf(2, 1000), 1000) || tier.Offer(keyOf(1, 1000), 5, open(nil)) {
		t.Error("a purged body is read or kept")
	}
}

// damaging is a cache that changes what it gives.
type damaging struct {
	weir.Cache
	change atomic.Pointer[func(key string, b []byte) []byte] // nil: nothing
}

func damage(c weir.Cache, change func(key string, b []byte) []byte) *damaging {
	d := &damaging{Cache: c}
	d.change.Store(&change)
	return d
}

func (d *damaging) Get(ctx context.Context, key string) ([]byte, bool, error) {
	b, ok, err := d.Cache.Get(ctx, key)
	if change := d.change.Load(); ok && change != nil {
		b = (*change)(key, bytes.Clone(b))
	}
	return b, ok && b != nil, err
}

// TestWrongValues changes each byte of manifests and chunks, cuts them and takes them away: what comes is a good part.
func TestWrongValues(t *testing.T) {
	c := &damaging{Cache: &embed.Cache{}}
	tier := start(t, &shared.Tier{Cache: c, Timeout: 10 * time.Second, ChunkBytes: 64 << 10})
	small, large := keyOf(1, 50), keyOf(2, 150_000)
	put(t, tier, small, 1)
	put(t, tier, large, 1)
	f := func(change func(b []byte) []byte) {
		t.Helper()
		for _, part := range []string{"edge/body/", "edge/chunk/"} {
			one := func(key string, b []byte) []byte {
				if strings.HasPrefix(key, part) {
					return change(b)
				}
				return b
			}
			c.change.Store(&one)
			before := tier.Stats()
			if read(t, tier, large, 150_000) {
				t.Error("a changed body is whole")
			}
			if part == "edge/body/" && read(t, tier, small, 50) {
				t.Error("a changed small body is whole")
			}
			if tier.Stats().Hits != before.Hits {
				t.Error("a changed body counts as a hit")
			}
		}
	}
	for at := range 130 {
		f(func(b []byte) []byte { b[at%len(b)] ^= 8; return b })
	}
	f(func(b []byte) []byte { return b[:len(b)-1] })
	f(func(b []byte) []byte { return nil })
	f(func(b []byte) []byte { return []byte{} })
	c.change.Store(nil)
	if !read(t, tier, large, 150_000) || !read(t, tier, small, 50) {
		t.Error("after that nothing is whole")
	}
}

// hanging is a cache that answers when it is released, whatever its caller's context says.
type hanging struct {
	weir.Cache
	gate  chan struct{}
	asked atomic.Int64
}

func (h *hanging) Get(context.Context, string) ([]byte, bool, error) {
	h.asked.Add(1)
	<-h.gate
	return nil, false, nil
}

func (h *hanging) Set(context.Context, string, []byte, time.Duration) error {
	return errors.New("away")
}

// TestCacheAway has a cache that does not answer: after three reads nothing waits for it any more.
func TestCacheAway(t *testing.T) {
	h := &hanging{gate: make(chan struct{})}
	tier := start(t, &shared.Tier{Cache: h, Timeout: time.Millisecond})
	for range 10 {
		if read(t, tier, keyOf(1, 10), 10) || tier.Missing(t.Context(), keyOf(1, 10)) {
			t.Error("a cache that does not answer has something")
		}
	}
	if s := tier.Stats(); h.asked.Load() != 3 || !s.Away || s.Misses != 10 {
		t.Errorf("it was asked %d times, want 3; stats %+v", h.asked.Load(), s)
	}
	if tier.Offer(keyOf(1, 10), 1, open(make([]byte, 10))) {
		tier.Settle(1)
	}
	if s := tier.Stats(); s.Stored != 0 || s.Dropped != 1 {
		t.Errorf("stats %+v, want the offer dropped", s)
	}
	close(h.gate)
}

// Clients that leave say nothing about the cache.
func TestLeavingClients(t *testing.T) {
	h := &hanging{gate: make(chan struct{})}
	tier := start(t, &shared.Tier{Cache: h, Timeout: time.Hour, Reads: 1})
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, whole := tier.Read(ctx, keyOf(1, 10), &sink{}); whole {
			t.Error("a read that was given up is whole")
		}
	}
	if s := tier.Stats(); s.Away || s.Misses != 5 {
		t.Errorf("stats %+v", s)
	}
	close(h.gate)
}

func TestBreaker(t *testing.T) {
	var b shared.Breaker
	now := time.Unix(0, 0)
	for range 3 {
		if !b.Allow(now) {
			t.Fatal("a breaker opened too soon")
		}
		b.Report(now, false)
	}
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if now = now.Add(pause*time.Second - 1); b.Allow(now) {
			t.Errorf("allowed before %d s were over", pause)
		}
		if now = now.Add(1); !b.Allow(now) || b.Allow(now) {
			t.Errorf("not exactly one was allowed after %d s", pause)
		}
		b.Report(now, false)
	}
	now = now.Add(time.Minute)
	if !b.Allow(now) {
		t.Error("not allowed after a minute")
	}
	b.Report(now, true)
	for range 2 {
		if !b.Allow(now) {
			t.Error("not closed after a good call")
		}
	}
}

func TestRefusedOffers(t *testing.T) {
	tier := &shared.Tier{Cache: &embed.Cache{}, Queue: 1}
	if tier.Offer(keyOf(1, 10), 1, open(nil)) || read(t, tier, keyOf(1, 10), 10) {
		t.Error("a tier that does not run takes or gives something")
	}
	start(t, tier)
	if tier.Offer(keyOf(1, 1<<20+1), 1, open(nil)) || tier.Offer(keyOf(1, 0), 1, open(nil)) {
		t.Error("a body that is too large, or empty, is taken")
	}
	var released atomic.Int32
	for _, size := range []int{0, 9, 1<<20 + 1} {
		s := tier.Stats()
		key := keyOf(1, 10)
		if size > 10 {
			key.Length = cache.Unknown
		}
		tier.Offer(key, 1, func() (shared.Body, bool) { return &body{make([]byte, size), &released}, true })
		tier.Settle(s.Stored + s.Dropped + 1)
	}
	if s := tier.Stats(); s.Stored != 0 || s.Away || released.Load() != 3 {
		t.Errorf("stats %+v, %d bodies released, want none stored and 3", s, released.Load())
	}
}

func TestFullQueueDrops(t *testing.T) {
	tier := start(t, &shared.Tier{Cache: &embed.Cache{}, Queue: 1})
	inside, gate := make(chan struct{}), make(chan struct{})
	tier.Offer(keyOf(1, 10), 1, func() (shared.Body, bool) { close(inside); <-gate; return nil, false })
	<-inside
	for i, want := range []bool{true, false, false} {
		if got := tier.Offer(keyOf(2+i, 10), 1, open(make([]byte, 10))); got != want {
			t.Errorf("Offer %d behind a slow one = %v, want %v", i, got, want)
		}
	}
	close(gate)
	tier.Settle(4)
	if s := tier.Stats(); s.Stored != 1 || s.Dropped != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestManyReaders(t *testing.T) {
	tier := start(t, &shared.Tier{Cache: &embed.Cache{}, Timeout: 10 * time.Second})
	for i := range 10 {
		put(t, tier, keyOf(i, 300_000), 1)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				read(t, tier, keyOf(i%12, 300_000), 300_000)
			}
		})
	}
	wg.Wait()
	if s := tier.Stats(); s.Hits < 300 || s.Damaged != 0 {
		t.Errorf("stats %+v", s)
	}
}

// FuzzValue reads any value as what is kept under a key.
func FuzzValue(f *testing.F) {
	c := &embed.Cache{}
	var kept []byte
	tier := start(f, &shared.Tier{Cache: damage(c, func(_ string, b []byte) []byte { kept = b; return b }), Timeout: 10 * time.Second})
	put(f, tier, keyOf(1, 500), 1)
	read(f, tier, keyOf(1, 500), 500)
	f.Add(kept)
	f.Add(kept[:80])
	f.Fuzz(func(t *testing.T, value []byte) {
		changed := damage(c, func(string, []byte) []byte { return value })
		tier := start(t, &shared.Tier{Cache: changed, Timeout: 10 * time.Second})
		read(t, tier, keyOf(1, 500), 500) // which fails the test for a wrong byte
	})
}
