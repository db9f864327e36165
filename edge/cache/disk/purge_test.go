package disk_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
)

// asset matches what an asset had before a purge of that number.
func asset(name string, number uint64) func(cache.Key, uint64) bool {
	return func(key cache.Key, stamp uint64) bool {
		return stamp < number && strings.HasPrefix(key.Object, "media/default/"+name+"/")
	}
}

func TestRemovedStaysRemovedAfterRestart(t *testing.T) {
	config := small(t.TempDir(), 20)
	tier := start(t, config)
	for i := range 100 {
		put(t, tier, keyOf(i, 9000), uint64(i))
	}
	if n := tier.Remove(asset("asset-3", 60)); n != 6 {
		t.Errorf("Remove = %d, want the 6 of 10 that are older than the purge", n)
	}
	tier.SetPosition(60)
	check := func() {
		t.Helper()
		for i := range 100 {
			if got, want := read(t, tier, keyOf(i, 9000), 9000), i%10 != 3 || i >= 60; got != want {
				t.Errorf("body %d of stamp %d is there: %v, want %v", i, i, got, want)
			}
		}
		if tier.Position() != 60 {
			t.Errorf("Position = %d, want 60", tier.Position())
		}
	}
	check()
	for range 2 { // the second start reads what the first one left
		tier.Close()
		tier = start(t, config)
		check()
	}
}

// An entry that is replaced, or removed, must not be followed by an older one of its key after a restart.
func TestOlderRecordsDoNotComeBack(t *testing.T) {
	config := small(t.TempDir(), 20)
	tier := start(t, config)
	key := keyOf(1, 9000)
	for stamp := range uint64(5) {
		put(t, tier, key, stamp)
		for i := range 10 { // into another region
			put(t, tier, keyOf(100+int(stamp)*10+i, 9000), 9)
		}
		if n := tier.Remove(func(k cache.Key, _ uint64) bool { return k == key }); n != 1 {
			t.Fatalf("Remove = %d, want 1", n)
		}
		tier.Settle()
	}
	tier.Close()
	tier = start(t, config)
	if read(t, tier, key, 9000) {
		t.Error("a removed body is there after a restart")
	}
}

func TestClear(t *testing.T) {
	config := small(t.TempDir(), 20)
	tier := start(t, config)
	for i := range 50 {
		put(t, tier, keyOf(i, 9000), 1)
	}
	tier.Clear()
	tier.SetPosition(1000)
	if s := tier.Stats(); s.Entries != 0 || s.Bytes != 0 || read(t, tier, keyOf(1, 9000), 9000) {
		t.Errorf("stats after Clear %+v", s)
	}
	put(t, tier, keyOf(7, 9000), 1001)
	tier.Close()
	tier = start(t, config)
	if s := tier.Stats(); s.Entries != 1 || !read(t, tier, keyOf(7, 9000), 9000) || tier.Position() != 1000 {
		t.Errorf("stats after Clear and a restart %+v, position %d", s, tier.Position())
	}
}

// A purge that comes while a body of before waits to be written, or is being written, takes that away too.
func TestPurgeWhileWriting(t *testing.T) {
	for _, way := range []string{"removed", "stale", "cleared"} {
		var purged atomic.Bool
		config := small(t.TempDir(), 3)
		config.Stale = func(cache.Key, uint64) bool { return way == "stale" && purged.Load() }
		tier := start(t, config)
		inside, gate := make(chan struct{}), make(chan struct{})
		first, second := keyOf(1, 9000), keyOf(2, 9000)
		for range 2 {
			tier.Offer(first, 5, func() (disk.Body, bool) {
				close(inside)
				<-gate
				return &body{b: contents(first, 9000), run: 1000}, true
			})
			tier.Offer(second, 5, open(contents(second, 9000)))
		}
		<-inside
		switch way {
		case "removed":
			tier.Remove(func(_ cache.Key, stamp uint64) bool { return stamp < 6 })
		case "cleared":
			tier.Clear()
		}
		purged.Store(true)
		tier.SetPosition(6)
		close(gate)
		tier.Settle()
		check := func() {
			t.Helper()
			if s := tier.Stats(); s.Entries != 0 || read(t, tier, first, 9000) || read(t, tier, second, 9000) {
				t.Errorf("%s: a purged body is there: %+v", way, s)
			}
		}
		check()
		tier.Close()
		tier = start(t, config)
		check()
	}
}

func TestStaleEntriesAreNotRead(t *testing.T) {
	var number atomic.Uint64
	config := small(t.TempDir(), 3)
	config.Stale = func(_ cache.Key, stamp uint64) bool { return stamp < number.Load() }
	tier := start(t, config)
	put(t, tier, keyOf(1, 100), 5)
	put(t, tier, keyOf(2, 100), 8)
	number.Store(7)
	if read(t, tier, keyOf(1, 100), 100) || !read(t, tier, keyOf(2, 100), 100) || tier.Stats().Entries != 1 {
		t.Errorf("stats %+v, want the older one gone", tier.Stats())
	}
}
