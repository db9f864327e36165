package factlog_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/s3"
	"github.com/weirstream/weir/internal/factlog"
)

// stores runs test on the embedded store and on real ones that are up.
func stores(t *testing.T, test func(t *testing.T, blobs weir.Blobs)) {
	t.Run("embedded", func(t *testing.T) { test(t, openBlobs(t)) })
	for name, variable := range map[string]string{"minio": "WEIR_TEST_MINIO", "versitygw": "WEIR_TEST_VERSITYGW"} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(enginetest.Address(t, variable))
			if err != nil {
				t.Fatal(err)
			}
			u.Path = "/test/" + weir.NewID(time.Now())
			b, err := s3.Open(t.Context(), u.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				ctx := context.WithoutCancel(t.Context())
				infos, err := b.List(ctx, "", "", 1000)
				for _, info := range infos {
					err = b.Delete(ctx, info.Key)
				}
				if err != nil {
					t.Error(err)
				}
				_ = b.Close()
			})
			test(t, b)
		})
	}
}

// Writers at once number their facts without a gap, and a follower has all of them, in order.
func TestManyWriters(t *testing.T) {
	stores(t, func(t *testing.T, blobs weir.Blobs) {
		cache := &embed.Cache{}
		follower := &factlog.Log{Blobs: blobs, Cache: cache}
		known, _ := follow(t, follower)
		caughtUp(t, follower)
		start := follower.Number()
		const writers, each = 4, 8
		var mu sync.Mutex
		var numbers []uint64
		var writing sync.WaitGroup
		for w := range writers {
			l := &factlog.Log{Blobs: blobs, Cache: cache}
			writing.Go(func() {
				for i := range each {
					n, err := l.Append(t.Context(), purge(weir.ByURL, fmt.Sprintf("x/%d", w*each+i)))
					if err != nil {
						t.Errorf("Append = %v", err)
					}
					mu.Lock()
					numbers = append(numbers, n)
					mu.Unlock()
				}
			})
		}
		writing.Wait()
		slices.Sort(numbers)
		for i, n := range numbers {
			if n != start+1+uint64(i) {
				t.Fatalf("numbers are %d, want %d following ones after %d", numbers, writers*each, start)
			}
		}
		wait(t, follower, start+writers*each)
		for i := range writers * each {
			if hard, _ := known.Purged(object(i), start); !hard {
				t.Errorf("x/%d is not purged", i)
			}
		}
		if known.Number() != start+writers*each {
			t.Errorf("Number = %d, want %d", known.Number(), start+writers*each)
		}
	})
}

// Much at once is parted into facts that fit.
func TestBatches(t *testing.T) {
	l := &factlog.Log{Blobs: openBlobs(t)}
	known, _ := follow(t, l)
	caughtUp(t, l)
	start := l.Number()
	var many []weir.Ruling
	for i := range 2500 {
		many = append(many, purge(weir.ByURL, fmt.Sprintf("x/%d", i)))
	}
	for i := range 100 {
		many = append(many, purge(weir.ByURL, fmt.Sprintf("y/%d/%s", i, strings.Repeat("&", 1900))))
	}
	n := appended(t, l, many...)
	if n < start+6 || n > start+12 {
		t.Errorf("%d rulings are %d facts", len(many), n-start)
	}
	wait(t, l, n)
	for i := range 2500 {
		if hard, _ := known.Purged(object(i), start); !hard {
			t.Fatalf("x/%d is not purged", i)
		}
	}
	for _, bad := range [][]weir.Ruling{nil, {{}}, {purge(weir.ByURL, "a b")}} {
		if _, err := l.Append(t.Context(), bad...); weir.KindOf(err) != weir.Invalid {
			t.Errorf("Append(%v) = %v, want Invalid", bad, err)
		}
	}
}

// Without fan-out what is new is obeyed within two seconds; with it, at once.
func TestWithinTwoSeconds(t *testing.T) {
	for _, fanOut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			blobs := openBlobs(t)
			l, writer := &factlog.Log{Blobs: blobs}, &factlog.Log{Blobs: blobs}
			want := 2 * time.Second
			if fanOut {
				cache := &embed.Cache{}
				l.Cache, writer.Cache, want = cache, cache, 0
			}
			_, stop := follow(t, l)
			caughtUp(t, l)
			synctest.Wait()
			time.Sleep(1234 * time.Millisecond)
			n, began := appended(t, writer, purge(weir.ByOrganisation)), time.Now()
			wait(t, l, n)
			if took := time.Since(began); took > want {
				t.Errorf("fan-out %v: obeyed after %v of the clock", fanOut, took)
			}
			stop()
		})
	}
}

// A follower that cannot read the log is not fresh after five seconds, and is again once it has read to the end.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cuttable{Blobs: openBlobs(t)}
		c.away.Store(true)
		l := &factlog.Log{Blobs: c}
		_, stop := follow(t, l)
		time.Sleep(time.Minute)
		if l.Fresh(time.Now()) || l.Ready() == nil || l.Number() != 0 {
			t.Error("ready without having read anything")
		}
		c.away.Store(false)
		caughtUp(t, l)
		if err := l.Ready(); err != nil {
			t.Errorf("Ready = %v", err)
		}
		c.away.Store(true)
		time.Sleep(3500 * time.Millisecond)
		if !l.Fresh(time.Now()) {
			t.Error("not fresh after a short outage")
		}
		time.Sleep(2500 * time.Millisecond)
		if err := l.Ready(); weir.KindOf(err) != weir.Unavailable || !strings.Contains(err.Error(), "the store is away") {
			t.Errorf("Ready = %v, want Unavailable and why", err)
		}
		c.away.Store(false)
		time.Sleep(1500 * time.Millisecond)
		if s := l.State(); !s.Fresh || s.Error != nil || s.Number == 0 {
			t.Errorf("State = %+v after the outage", s)
		}
		stop()
	})
}

// A fact that this program does not understand is not passed over.
func TestUnknownFactsStopTheFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := openBlobs(t)
		l := &factlog.Log{Blobs: blobs}
		_, stop := follow(t, l)
		caughtUp(t, l)
		before := l.Number()
		key := fmt.Sprintf("edge/log/%016d.json", before+1)
		if _, err := blobs.Put(t.Context(), key, strings.NewReader(`{"version":2}`), weir.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		appended(t, l, purge(weir.ByAsset, "a"))
		time.Sleep(10 * time.Second)
		if l.Number() != before || l.Fresh(time.Now()) {
			t.Errorf("Number = %d, fresh %v, want %d and not", l.Number(), l.Fresh(time.Now()), before)
		}
		stop()
	})
}

// A gap, however it came about, is waited for.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := openBlobs(t)
		l := &factlog.Log{Blobs: blobs}
		_, stop := follow(t, l)
		caughtUp(t, l)
		before := l.Number()
		put := func(n uint64) {
			r := weir.Rulings{Version: 1, Number: n, Time: time.Now(), Rulings: []weir.Ruling{purge(weir.ByOrganisation)}}
			b, err := r.Encode()
			if err == nil {
				_, err = blobs.Put(t.Context(), fmt.Sprintf("edge/log/%016d.json", n), strings.NewReader(string(b)), weir.PutOptions{CreateOnly: true})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		put(before + 1)
		put(before + 3)
		time.Sleep(10 * time.Second)
		if l.Number() != before+1 || l.Fresh(time.Now()) {
			t.Errorf("Number = %d, fresh %v, want %d and not", l.Number(), l.Fresh(time.Now()), before+1)
		}
		put(before + 2)
		wait(t, l, before+3)
		stop()
	})
}

// A log that is lost is made anew above all old numbers, and what was cached by the old one counts as purged.
func TestLostLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := openBlobs(t)
		l := &factlog.Log{Blobs: blobs}
		known, stop := follow(t, l)
		caughtUp(t, l)
		appended(t, l, purge(weir.ByAsset, "a"))
		stamp := appended(t, l, purge(weir.ByAsset, "a"))
		wait(t, l, stamp)
		infos, err := blobs.List(t.Context(), "edge/log/", "", 100)
		if err != nil || len(infos) != 3 {
			t.Fatalf("List = %v, %v, want 3", infos, err)
		}
		for _, info := range infos {
			if err := blobs.Delete(t.Context(), info.Key); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(32 * time.Second)
		if hard, _ := known.Purged(object(1), stamp); !hard || l.Number() <= stamp || !l.Fresh(time.Now()) {
			t.Errorf("after the loss: purged %v, number %d (was %d), fresh %v", hard, l.Number(), stamp, l.Fresh(time.Now()))
		}
		stop()
	})
}

// Two edges, 10,000 objects; one edge is cut off the fan-out and the store for a minute, in which objects are purged and
// sessions revoked. Once it is fresh again, nothing of that is allowed by either.
func TestCutOffForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const objects = 10_000
		store, cache := openBlobs(t), &embed.Cache{}
		c := &cuttable{Blobs: store}
		here, there := &factlog.Log{Blobs: store, Cache: cache}, &factlog.Log{Blobs: c, Cache: deaf{cache, c}}
		one, stopOne := follow(t, here)
		two, stopTwo := follow(t, there)
		caughtUp(t, here)
		caughtUp(t, there)
		stampOne, stampTwo := one.Number(), two.Number()
		c.away.Store(true)
		var last uint64
		for i := 0; i < objects; i += 100 {
			var some []weir.Ruling
			for j := i; j < i+100; j += 2 {
				some = append(some, purge(weir.ByURL, fmt.Sprintf("x/%d", j)), revoke(fmt.Sprintf("s%d", j), time.Now().Add(time.Hour)))
			}
			last = appended(t, here, some...)
			time.Sleep(600 * time.Millisecond)
		}
		if there.Fresh(time.Now()) || !here.Fresh(time.Now()) {
			t.Errorf("fresh: here %v, the one cut off %v", here.Fresh(time.Now()), there.Fresh(time.Now()))
		}
		mid := two.Number() // a fill in this minute has this stamp
		c.away.Store(false)
		for !there.Fresh(time.Now()) {
			time.Sleep(50 * time.Millisecond)
		}
		for i := range objects {
			ticket := &weir.Ticket{Organisation: "default", Session: fmt.Sprintf("s%d", i), Issued: time.Now()}
			for name, known := range map[string]*rulings.Rulings{"here": one, "cut off": two} {
				stamp := min(stampOne, stampTwo, mid)
				if hard, _ := known.Purged(object(i), stamp); hard != (i%2 == 0) {
					t.Fatalf("%s: x/%d of stamp %d purged: %v", name, i, stamp, hard)
				}
				if got := known.Revoked(ticket); got != (i%2 == 0) {
					t.Fatalf("%s: s%d revoked: %v", name, i, got)
				}
				if hard, _ := known.Purged(object(i), known.Number()); hard || known.Number() != last {
					t.Fatalf("%s: what is fetched now (%d of %d) is purged: %v", name, known.Number(), last, hard)
				}
			}
		}
		stopOne()
		stopTwo()
	})
}
