// Package shared keeps small bodies, and that there is nothing under a key, in the cache that edges share (weir.Cache, Redis
// in a cluster). A body is cut into chunks, which are read side by side, behind a manifest that says what they must be.
//
// The shared cache is never needed: away, slow and wrong are misses, no call waits longer than Timeout, and one that is
// away is not even asked. Nobody waits for a write.
//
// Invariant: no byte is handed on that does not match its checksum, under the key it was offered for.
package shared

import (
	"context"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

// Bounds of a chunk: less is mostly overhead, more holds up what else shares a connection to Redis.
const (
	minChunk = 64 << 10
	maxChunk = 256 << 10
	maxBody  = 4 << 20
)

// Tier is the shared tier. Set its fields, then Run; until then, and after, offers are dropped and reads are misses.
type Tier struct {
	Cache      weir.Cache                             // required
	MaxBytes   int64                                  // of a body that is kept; 0 is 1 MiB, at most 4 MiB
	ChunkBytes int64                                  // 0 is 128 KiB, within 64 and 256 KiB
	Life       time.Duration                          // of what is kept; 0 is 1 h. The purge log must reach further back
	Timeout    time.Duration                          // for all of a Read or a Missing; 0 is 100 ms
	Queue      int                                    // writes that may wait; 0 is 256
	Reads      int                                    // reads at once; 0 is 64
	Stale      func(key cache.Key, stamp uint64) bool // that a body filled at stamp was purged since; nil: nothing is
	Now        func() time.Time                       // nil: time.Now
	once       sync.Once
	slots      chan struct{}
	queue      chan func(context.Context) error
	life       sync.RWMutex // guards running, and that no call begins once Run waits for calls
	running    bool
	calls      sync.WaitGroup // reads, and what they ask of Cache
	breaker    breaker
	counts     counts
}

type counts struct {
	hits, misses, stored, dropped, damaged, busy atomic.Int64
}

// Stats is a snapshot of the tier.
type Stats struct {
	Hits, Misses int64 // reads that gave the whole body, and that did not
	Stored       int64 // bodies and absences written
	Dropped      int64 // of those not written: the queue was full, the body gone, the cache away
	Damaged      int64 // manifests and chunks that were not what they should be
	Busy         int64 // misses since all reads were taken
	Away         bool  // the cache is not asked for now
}

// Stats reads the counters; they are not of one instant.
func (t *Tier) Stats() Stats {
	t.prepare()
	c := &t.counts
	return Stats{Hits: c.hits.Load(), Misses: c.misses.Load(), Stored: c.stored.Load(), Dropped: c.dropped.Load(),
		Damaged: c.damaged.Load(), Busy: c.busy.Load(), Away: t.breaker.open(t.Now())}
}

func (t *Tier) prepare() {
	t.once.Do(func() {
		t.MaxBytes = min(or(t.MaxBytes, 1<<20), maxBody)
		t.ChunkBytes = min(max(or(t.ChunkBytes, 128<<10), minChunk), maxChunk)
		t.Life, t.Timeout = or(t.Life, time.Hour), or(t.Timeout, 100*time.Millisecond)
		if t.Stale == nil {
			t.Stale = func(cache.Key, uint64) bool { return false }
		}
		if t.Now == nil {
			t.Now = time.Now
		}
		t.slots = make(chan struct{}, or(t.Reads, 64))
		t.queue = make(chan func(context.Context) error, or(t.Queue, 256))
	})
}

func or[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Body is what is read of a *cache.Body.
type Body interface {
	Size() int64
	Run(ctx context.Context, off, n int64) (cache.Run, error)
	Release()
}

var (
	_ Body = (*cache.Body)(nil)
)

// Read hands the body of key to sink, chunk by chunk, each verified before. whole says that all of it was handed over;
// otherwise the first n bytes were, they are good, and another source can go on from there.
func (t *Tier) Read(ctx context.Context, key cache.Key, sink cache.Sink) (n int64, whole bool) {
	t.prepare()
	if key.Length > t.MaxBytes {
		return 0, false
	}
	t.ask(ctx, func(ctx context.Context) error {
		var err error
		n, whole, err = t.read(ctx, key, sink)
		return err
	})
	if whole {
		t.counts.hits.Add(1)
	} else {
		t.counts.misses.Add(1)
	}
	return n, whole
}

// ask calls f with a slot and a deadline, if the cache is worth asking, and learns from how it went.
func (t *Tier) ask(ctx context.Context, f func(context.Context) error) {
	if !t.begin() {
		return
	}
	defer t.calls.Done()
	if !t.breaker.allow(t.Now()) {
		return
	}
	how := neither
	defer func() { t.breaker.report(t.Now(), how) }()
	select {
	case t.slots <- struct{}{}:
	default:
		t.counts.busy.Add(1)
		return
	}
	defer func() { <-t.slots }()
	bounded, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	if err := f(bounded); err == nil {
		how = good
	} else if ctx.Err() == nil {
		how = bad
	}
}

// begin counts a read, if Run is running.
func (t *Tier) begin() bool {
	t.life.RLock()
	defer t.life.RUnlock()
	if t.running {
		t.calls.Add(1)
	}
	return t.running
}

func (t *Tier) run(running bool) {
	t.life.Lock()
	defer t.life.Unlock()
	t.running = running
}

// answer is what the cache said.
type answer struct {
	value []byte
	ok    bool
	err   error
}

// get asks for one value. The call is in a goroutine of its own: the deadline holds even if an adapter does not keep it.
func (t *Tier) get(ctx context.Context, name string) <-chan answer {
	a := make(chan answer, 1)
	t.calls.Go(func() {
		value, ok, err := t.Cache.Get(ctx, name)
		a <- answer{value, ok, err}
	})
	return a
}

func wait(ctx context.Context, a <-chan answer) answer {
	select {
	case got := <-a:
		return got
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	}
}

// read is Read; its error is the cache's.
func (t *Tier) read(ctx context.Context, key cache.Key, sink cache.Sink) (n int64, whole bool, err error) {
	hash := hashOf(key)
	got := wait(ctx, t.get(ctx, name("body", hash)))
	if got.err != nil || !got.ok {
		return 0, false, got.err
	}
	m, rest, ok := parse(got.value, hash, t.MaxBytes)
	if !ok || key.Length != cache.Unknown && key.Length != m.size {
		t.counts.damaged.Add(1)
		return 0, false, nil
	}
	if t.Stale(key, m.stamp) {
		return 0, false, nil
	}
	var chunks []<-chan answer
	if m.chunks() == 1 {
		inline := make(chan answer, 1)
		inline <- answer{value: rest, ok: true}
		chunks = append(chunks, inline)
	} else {
		for i := range m.chunks() {
			chunks = append(chunks, t.get(ctx, chunkName(hash, m.generation, i)))
		}
	}
	for i, chunk := range chunks {
		got := wait(ctx, chunk)
		if got.err != nil || !got.ok { // forgotten, as a cache may
			return n, false, got.err
		}
		if _, want := m.chunk(i); int64(len(got.value)) != want || crc32.Checksum(got.value, castagnoli) != m.sums[i] {
			t.counts.damaged.Add(1)
			return n, false, nil
		}
		if s, ok := sink.(interface{ Size(int64) }); ok && i == 0 && key.Length == cache.Unknown {
			s.Size(m.size)
		}
		given := cache.Pour(sink, got.value)
		if n += int64(given); given < len(got.value) {
			return n, false, nil // a sink that takes no more
		}
	}
	return n, true, nil
}

// Missing says whether an edge found nothing under key lately.
func (t *Tier) Missing(ctx context.Context, key cache.Key) (missing bool) {
	t.prepare()
	t.ask(ctx, func(ctx context.Context) error {
		hash := hashOf(key)
		got := wait(ctx, t.get(ctx, name("none", hash)))
		missing = got.err == nil && got.ok && string(got.value) == string(hash[:])
		return got.err
	})
	return missing
}

// SetMissing says that there is nothing under key, for ttl, which is cut to a minute: nothing takes it back before. It
// never waits.
func (t *Tier) SetMissing(key cache.Key, ttl time.Duration) {
	t.prepare()
	if ttl = min(ttl, time.Minute); ttl <= 0 {
		return
	}
	t.enqueue(func(ctx context.Context) error {
		hash := hashOf(key)
		return t.Cache.Set(ctx, name("none", hash), hash[:], ttl)
	})
}

// Wrong says that what Read gave of key was not what was listed: it is forgotten. It never waits.
func (t *Tier) Wrong(key cache.Key) {
	t.prepare()
	t.counts.damaged.Add(1)
	t.enqueue(func(ctx context.Context) error {
		if err := t.Cache.Delete(ctx, name("body", hashOf(key))); err != nil {
			return err
		}
		return errGone // not stored
	})
}

// Offer says that the body of key, filled when the purge log stood at stamp, may be worth keeping for other edges, and
// returns whether that is queued. open is called by the writer, must not wait, and returns a reference that the writer
// releases, or false if the body is not in memory any more. Offer never waits.
func (t *Tier) Offer(key cache.Key, stamp uint64, open func() (Body, bool)) bool {
	t.prepare()
	if key.Length > t.MaxBytes || key.Length == 0 || t.Stale(key, stamp) {
		return false
	}
	return t.enqueue(func(ctx context.Context) error { return t.store(ctx, key, stamp, open) })
}

func (t *Tier) enqueue(write func(context.Context) error) bool {
	t.life.RLock()
	defer t.life.RUnlock()
	if !t.running {
		t.counts.dropped.Add(1)
		return false
	}
	select {
	case t.queue <- write:
		return true
	default:
		t.counts.dropped.Add(1)
		return false
	}
}

// writeTimeout is for one write, all its chunks included.
const writeTimeout = 2 * time.Second

// errGone is a body that is not to be kept: no fault of the cache.
var errGone = errors.New("the body is gone, or too large")

// Run writes until ctx ends, waits for what reads still asked, and returns nil. Call it once.
func (t *Tier) Run(ctx context.Context) error {
	t.prepare()
	t.run(true)
	for {
		select {
		case write := <-t.queue:
			t.write(ctx, write)
		case <-ctx.Done():
			t.run(false)
			t.counts.dropped.Add(int64(len(t.queue)))
			t.calls.Wait()
			return nil
		}
	}
}

func (t *Tier) write(ctx context.Context, write func(context.Context) error) {
	if !t.breaker.allow(t.Now()) {
		t.counts.dropped.Add(1)
		return
	}
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := write(bounded)
	how := bad
	switch {
	case err == nil:
		how = good
		t.counts.stored.Add(1)
	case errors.Is(err, errGone) || ctx.Err() != nil:
		how = neither
	}
	if err != nil {
		t.counts.dropped.Add(1)
	}
	t.breaker.report(t.Now(), how)
}

// store writes the chunks and then the manifest, which lives no longer than they do.
func (t *Tier) store(ctx context.Context, key cache.Key, stamp uint64, open func() (Body, bool)) error {
	body, ok := open()
	if !ok {
		return errGone
	}
	defer body.Release()
	size := body.Size()
	if size <= 0 || size > t.MaxBytes || key.Length != cache.Unknown && key.Length != size {
		return errGone
	}
	hash := hashOf(key)
	m := &manifest{chunkBytes: t.ChunkBytes, size: size, stamp: stamp, generation: rand.Uint64()}
	var chunk []byte
	for i := range m.chunks() {
		off, n := m.chunk(i)
		chunk = chunk[:0]
		for int64(len(chunk)) < n {
			run, err := body.Run(ctx, off+int64(len(chunk)), n-int64(len(chunk)))
			if err != nil || len(run.Bytes) == 0 {
				return errGone
			}
			chunk = append(chunk, run.Bytes...)
		}
		m.sums = append(m.sums, crc32.Checksum(chunk, castagnoli))
		if m.chunks() > 1 {
			if err := t.Cache.Set(ctx, chunkName(hash, m.generation, i), chunk, t.Life+time.Minute); err != nil {
				return err
			}
		}
	}
	if t.Stale(key, stamp) {
		return errGone
	}
	value := m.append(nil, hash)
	if m.chunks() == 1 {
		value = append(value, chunk...)
	}
	return t.Cache.Set(ctx, name("body", hash), value, t.Life)
}
