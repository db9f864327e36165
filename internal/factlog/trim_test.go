package factlog_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/internal/factlog"
)

func later(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

// count is the objects of a log by kind.
func count(t *testing.T, blobs weir.Blobs) (facts, snapshots int) {
	t.Helper()
	infos, err := blobs.List(t.Context(), "edge/log/", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		switch {
		case strings.Contains(info.Key, "snapshots"):
			snapshots++
		case !strings.Contains(info.Key, "base"):
			facts++
		}
	}
	return facts, snapshots
}

// fill appends n facts, each a purge and a revocation; every third purge is of the same name.
func fill(t *testing.T, l *factlog.Log, n int) (last uint64) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("x/%d", i)
		if i%3 == 0 {
			name = "x/0"
		}
		last = appended(t, l, purge(weir.ByURL, name), revoke(fmt.Sprintf("s%d", i), time.Now().Add(100*time.Hour)))
	}
	return last
}

func check(t *testing.T, known *rulings.Rulings, n int, stamp uint64) {
	t.Helper()
	for i := range n {
		if hard, _ := known.Purged(object(i), stamp); hard != (i == 0 || i%3 != 0) {
			t.Fatalf("x/%d of stamp %d purged: %v", i, stamp, hard)
		}
		if !known.Revoked(&weir.Ticket{Organisation: "default", Session: fmt.Sprintf("s%d", i), Issued: time.Now()}) {
			t.Fatalf("s%d is not revoked", i)
		}
	}
}

// A compacted log says the same to who begins anew, who was there, and who was away.
func TestTrim(t *testing.T) {
	stores(t, func(t *testing.T, blobs weir.Blobs) {
		const n = 30
		there := &factlog.Log{Blobs: blobs}
		knownThere, _ := follow(t, there)
		caughtUp(t, there)
		stamp := there.Number()
		c := &cuttable{Blobs: blobs}
		away := &factlog.Log{Blobs: c}
		knownAway, _ := follow(t, away)
		caughtUp(t, away)
		c.away.Store(true)
		last := fill(t, there, n)
		if err := there.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if facts, snapshots := count(t, blobs); facts != n || snapshots != 0 {
			t.Errorf("young facts were compacted: %d facts, %d snapshots", facts, snapshots)
		}
		trimmer := &factlog.Log{Blobs: blobs, Now: later(2 * time.Hour), TrimLeast: 16}
		if err := trimmer.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if facts, snapshots := count(t, blobs); facts != 0 || snapshots != 1 {
			t.Errorf("after Trim there are %d facts and %d snapshots, want 0 and 1", facts, snapshots)
		}
		anew := &factlog.Log{Blobs: blobs}
		knownAnew, _ := follow(t, anew)
		c.away.Store(false)
		more := appended(t, trimmer, purge(weir.ByAsset, "a"))
		if more != last+1 {
			t.Errorf("the number after Trim is %d, want %d", more, last+1)
		}
		for _, l := range []*factlog.Log{there, away, anew} {
			wait(t, l, more)
		}
		for _, known := range []*rulings.Rulings{knownThere, knownAway, knownAnew} {
			check(t, known, n, stamp)
		}
	})
}

// Wherever a compaction is killed, nothing is lost, and the next one finishes it.
func TestTrimKilled(t *testing.T) {
	const n = 30
	for _, step := range []int64{2, 3, 20, 34, 35, 36, 37, 38, 45} {
		blobs := openBlobs(t)
		c := &cuttable{Blobs: blobs}
		writer := &factlog.Log{Blobs: blobs}
		if _, err := writer.Append(t.Context(), purge(weir.ByAsset, "first")); err != nil {
			t.Fatal(err)
		}
		fill(t, writer, n)
		c.left.Store(step)
		killed := &factlog.Log{Blobs: c, Now: later(2 * time.Hour), TrimLeast: 16}
		if err := killed.Trim(t.Context()); err == nil && c.away.Load() {
			t.Errorf("step %d: Trim = nil", step)
		}
		between := &factlog.Log{Blobs: blobs}
		known, stop := follow(t, between)
		caughtUp(t, between)
		check(t, known, n, between.Number()-n-1)
		stop()
		again := &factlog.Log{Blobs: blobs, Now: later(2 * time.Hour), TrimLeast: 16}
		if err := again.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if facts, snapshots := count(t, blobs); facts != 0 || snapshots != 1 {
			t.Errorf("step %d: then there are %d facts and %d snapshots, want 0 and 1", step, facts, snapshots)
		}
		after := &factlog.Log{Blobs: blobs}
		known, stop = follow(t, after)
		caughtUp(t, after)
		check(t, known, n, after.Number()-n-1)
		stop()
	}
}

// Wherever an Append is cut off, the log has no gap, and the next one is read.
func TestAppendKilled(t *testing.T) {
	blobs := openBlobs(t)
	for step := range int64(8) {
		c := &cuttable{Blobs: blobs}
		c.left.Store(step + 1)
		_, _ = (&factlog.Log{Blobs: c}).Append(t.Context(), purge(weir.ByAsset, "a"))
	}
	l := &factlog.Log{Blobs: blobs}
	n := appended(t, l, purge(weir.ByAsset, "b"))
	known, _ := follow(t, l)
	wait(t, l, n)
	if hard, _ := known.Purged(&rulings.Object{Organisation: "default", Asset: []byte("b")}, n-1); !hard {
		t.Error("b is not purged")
	}
}

// Compacted facts answer as all of them do: purges more below the floor, the same above it.
func TestCompact(t *testing.T) {
	for seed := range uint64(scaled(1000)) {
		rng := rand.New(rand.NewPCG(seed, 3))
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		begin := now.Add(-10 * 24 * time.Hour)
		var facts []weir.Rulings
		for i := range 200 {
			at := begin.Add(time.Duration(i) * 72 * time.Minute)
			fact := weir.Rulings{Version: 1, Number: uint64(i + 1), Time: at}
			for range 1 + rng.IntN(3) {
				r := purge([]weir.PurgeBy{weir.ByURL, weir.ByPrefix}[rng.IntN(2)], fmt.Sprintf("x/%d", rng.IntN(30)), fmt.Sprintf("x/%d", rng.IntN(30)))
				r.Purge.Soft = rng.IntN(2) == 0
				switch rng.IntN(40) {
				case 0:
					r.Purge.By, r.Purge.Values = weir.ByOrganisation, nil
				case 1, 2, 3, 4, 5, 6, 7, 8, 9:
					r = revoke(fmt.Sprintf("s%d", rng.IntN(100)), at.Add(time.Duration(rng.IntN(400))*time.Hour))
				}
				fact.Rulings = append(fact.Rulings, r)
			}
			facts = append(facts, fact)
		}
		all, some := rulings.New(), rulings.New()
		for _, fact := range facts {
			all.Apply(fact)
		}
		cut := rng.IntN(200) // compacted twice, as it goes on
		limit := []int{100_000, 40}[rng.IntN(2)]
		first, floor := factlog.Compact(facts[:cut], 0, now.Add(-time.Hour), 7*24*time.Hour, limit)
		compacted, floor := factlog.Compact(append(first, facts[cut:]...), floor, now, 7*24*time.Hour, limit)
		some.Raise(floor)
		for _, fact := range compacted {
			if err := fact.Check(); err != nil {
				t.Fatal(err)
			}
			some.Apply(fact)
		}
		all.Sweep(now)
		some.Sweep(now)
		for stamp := range uint64(201) {
			for i := range 30 {
				hard, soft := some.Purged(object(i), stamp)
				wantHard, wantSoft := all.Purged(object(i), stamp)
				if stamp < floor {
					wantHard, wantSoft = true, true
				}
				if hard != wantHard || soft != wantSoft {
					t.Fatalf("seed %d, floor %d: x/%d at %d is %v, %v, want %v, %v", seed, floor, i, stamp, hard, soft, wantHard, wantSoft)
				}
			}
		}
		for i := range 100 {
			ticket := &weir.Ticket{Organisation: "default", Session: fmt.Sprintf("s%d", i), Issued: now}
			if got, want := some.Revoked(ticket), all.Revoked(ticket); got != want {
				t.Fatalf("seed %d: s%d revoked: %v, want %v", seed, i, got, want)
			}
		}
		if floor < 40 {
			t.Errorf("seed %d: floor %d, though facts of three days are too old", seed, floor)
		}
	}
}

// age makes a log's objects two hours older.
func age(t *testing.T, blobs weir.Blobs) {
	t.Helper()
	infos, err := blobs.List(t.Context(), "edge/log/", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		path, err := blobs.(weir.LocalFiles).LocalPath(info.Key)
		if err == nil {
			err = os.Chtimes(path, time.Time{}, info.Modified.Add(-2*time.Hour))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Compacting and writing at once: whoever was given a number is obeyed by who follows and by who begins anew.
func TestTrimAtOnce(t *testing.T) {
	blobs := openBlobs(t)
	there := &factlog.Log{Blobs: blobs}
	knownThere, _ := follow(t, there)
	caughtUp(t, there)
	stamp := there.Number()
	const n = 30
	last := fill(t, there, n)
	wait(t, there, last)
	age(t, blobs)
	var busy sync.WaitGroup
	for w := range 3 {
		busy.Go(func() {
			l := &factlog.Log{Blobs: blobs, TrimLeast: 16}
			for range 4 {
				if err := l.Trim(t.Context()); err != nil && weir.KindOf(err) != weir.Unavailable && weir.KindOf(err) != weir.NotFound {
					t.Errorf("Trim = %v", err)
				}
			}
		})
		busy.Go(func() {
			l := &factlog.Log{Blobs: blobs}
			for i := range 30 {
				if _, err := l.Append(t.Context(), purge(weir.ByAsset, fmt.Sprintf("a%d-%d", w, i))); err != nil {
					t.Errorf("Append = %v", err)
				}
			}
		})
	}
	busy.Wait()
	if facts, snapshots := count(t, blobs); facts != 90 || snapshots == 0 {
		t.Errorf("there are %d facts and %d snapshots, want 90 and some", facts, snapshots)
	}
	anew := &factlog.Log{Blobs: blobs}
	knownAnew, _ := follow(t, anew)
	end := appended(t, there, purge(weir.ByAsset, "end"))
	if end < last+91 {
		t.Errorf("the last number is %d, want %d at least", end, last+91)
	}
	for _, l := range []*factlog.Log{there, anew} {
		wait(t, l, end)
	}
	for _, known := range []*rulings.Rulings{knownThere, knownAnew} {
		check(t, known, n, stamp)
		for w := range 3 {
			for i := range 30 {
				if hard, _ := known.Purged(&rulings.Object{Organisation: "default", Asset: fmt.Appendf(nil, "a%d-%d", w, i)}, last); !hard {
					t.Errorf("a%d-%d is not purged", w, i)
				}
			}
		}
	}
}
