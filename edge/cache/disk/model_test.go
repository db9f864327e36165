package disk_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/edge/cache"
)

// TestManyAtOnce reads, offers and purges from many goroutines, and starts again in between: no byte is wrong, nothing
// purged is there, and the tier ends with what its counters say.
func TestManyAtOnce(t *testing.T) {
	var purges [10]atomic.Uint64 // by asset: the stamp below which nothing may be read
	config := small(t.TempDir(), 8)
	stale := func(k cache.Key, stamp uint64) bool { return stamp < purges[k.Offset%10].Load() }
	config.Stale = stale
	var number atomic.Uint64
	number.Store(1)
	for round := range 3 {
		tier := start(t, config)
		var wg sync.WaitGroup
		for worker := range uint64(6) {
			rng := rand.New(rand.NewPCG(worker, uint64(round)))
			wg.Go(func() {
				for range scale(20_000, 200) {
					n := rng.IntN(60)
					key := cache.Key{Object: keyOf(n, 0).Object, Offset: int64(n), Length: int64(1 + n*397)}
					switch do := rng.IntN(200); {
					case do == 0:
						purges[n%10].Store(number.Add(1))
						tier.Remove(stale)
						tier.SetPosition(number.Load())
					case do < 60:
						tier.Offer(key, number.Load(), open(contents(key, key.Length)))
						if do < 3 {
							tier.Settle()
						}
					default:
						read(t, tier, key, key.Length)
					}
				}
			})
		}
		wg.Wait()
		tier.Settle()
		s := tier.Stats()
		if s.Stored == 0 || s.Hits == 0 || s.Damaged != 0 || s.State != "on" {
			t.Errorf("stats %+v: the test did not press, or something broke", s)
		}
		tier.Close()
		tier = start(t, config)
		if after := tier.Stats(); after.Entries != s.Entries || after.Bytes != s.Bytes {
			t.Errorf("after a restart %d entries of %d bytes, before %d of %d", after.Entries, after.Bytes, s.Entries, s.Bytes)
		}
		if n := tier.Remove(stale); n != 0 {
			t.Errorf("%d purged bodies are there after a restart", n)
		}
		tier.Close()
	}
}
