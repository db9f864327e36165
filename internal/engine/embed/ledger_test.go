package embed_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/transcode"
)

func TestLedgerConformance(t *testing.T) {
	enginetest.Ledger(t, func(t *testing.T, now func() time.Time) enginetest.LedgerEngine {
		db := openStores(t, filepath.Join(t.TempDir(), "stores.db"))
		l := &embed.Ledger{DB: db, Now: now}
		return enginetest.LedgerEngine{Claims: l, Jobs: l, Failed: l, Facts: func() []weir.Fact { return outbox(t, db) }}
	})
}

func openStores(t testing.TB, path string) *embed.DB {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), path)
	if err != nil {
		t.Fatalf("OpenStores = %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// outbox reads what no relay has taken.
func outbox(t *testing.T, db *embed.DB) (facts []weir.Fact) {
	t.Helper()
	rows, err := db.Reader().QueryContext(t.Context(), "SELECT fact FROM outbox ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var b []byte
		var f weir.Fact
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		facts = append(facts, f)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return facts
}

func newJob(asset string, at time.Time) weir.Job {
	return weir.Job{ID: "job-" + asset, Organisation: "org", Asset: asset, Created: at, Master: weir.Master{ID: "master-" + asset}}
}

// TestLedgerKillPoints: every change calls the points before it begins and after it is durable.
func TestLedgerKillPoints(t *testing.T) {
	ctx, now := t.Context(), time.Unix(1000, 0)
	var points []string
	l := &embed.Ledger{DB: openStores(t, filepath.Join(t.TempDir(), "stores.db")), At: func(p string) { points = append(points, p) }}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	request := transcode.ClaimRequest{Now: now, Until: now.Add(time.Minute)}
	check(l.Create(ctx, newJob("a1", now)))
	c, err := l.Claim(ctx, request)
	check(err)
	check(l.Planned(ctx, c, []byte("p"), []weir.Task{{N: 1}, {N: 2}}))
	c, err = l.Claim(ctx, request)
	check(err)
	check(l.Record(ctx, c, weir.Record{Body: []byte("r")}, true))
	check(l.Assembled(ctx, c.Job, 1, false))
	c, err = l.Claim(ctx, request)
	check(err)
	check(l.Fail(ctx, c, "r", true, 1))
	var want []string
	for _, p := range []string{"claim", "planned", "claim", "record", "assembled", "claim", "fail"} {
		want = append(want, "ledger.before-"+p, "ledger.after-"+p)
	}
	if !slices.Equal(points, want) {
		t.Errorf("points = %q, want %q", points, want)
	}
}

// TestLedgerVoid: what a killed process held is there for the next one at once, and its attempts are counted.
func TestLedgerVoid(t *testing.T) {
	ctx, now := t.Context(), time.Unix(1000, 0)
	l := &embed.Ledger{DB: openStores(t, filepath.Join(t.TempDir(), "stores.db"))}
	request := transcode.ClaimRequest{Now: now, Until: now.Add(time.Hour)}
	claim := func() weir.Claim {
		t.Helper()
		c, err := l.Claim(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, asset := range []string{"a1", "over"} {
		if err := l.Create(ctx, newJob(asset, now)); err != nil {
			t.Fatal(err)
		}
		if err := l.Planned(ctx, claim(), []byte("p"), []weir.Task{{N: 1}, {N: 2}}); err != nil {
			t.Fatal(err)
		}
	}
	done, lost := claim(), claim()
	if err := l.Record(ctx, done, weir.Record{Body: []byte("r")}, true); err != nil {
		t.Fatal(err)
	}
	claim()
	if err := l.Cancel(ctx, "over", now); err != nil {
		t.Fatal(err)
	}
	if err := l.Void(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.Heartbeat(ctx, lost, 1, now.Add(time.Hour)); weir.KindOf(err) != weir.Conflict {
		t.Errorf("Heartbeat of a void lease = %v, want Conflict", err)
	}
	c := claim()
	if c.Job.Asset != "a1" || c.Task.N != lost.Task.N || c.Task.Attempt != 2 || c.Task.Fence <= lost.Task.Fence {
		t.Errorf("claim after Void = %s %+v, want another attempt at %+v", c.Job.Asset, c.Task, lost.Task)
	}
	if c, err := l.Claim(ctx, request); weir.KindOf(err) != weir.NotFound {
		t.Errorf("another claim after Void = %s %+v, %v, want nothing", c.Job.Asset, c.Task, err)
	}
}

// TestLedgerUsesItsIndexes: a claim must not read the tasks that are done.
func TestLedgerUsesItsIndexes(t *testing.T) {
	db := openStores(t, filepath.Join(t.TempDir(), "stores.db"))
	for q, args := range embed.LedgerQueries() {
		rows, err := db.Reader().Query("EXPLAIN QUERY PLAN "+q, args...)
		if err != nil {
			t.Fatalf("explain %s: %v", q, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(detail, "SCAN job") != strings.HasPrefix(detail, "SCAN job USING INDEX job_") ||
				strings.HasPrefix(detail, "SCAN task") != strings.HasPrefix(detail, "SCAN task USING INDEX task_open") {
				t.Errorf("%s\nreads a whole table: %s", q, detail)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkLedgerClaimRecord(b *testing.B) {
	ctx, now := b.Context(), time.Unix(1000, 0)
	l := &embed.Ledger{DB: openStores(b, filepath.Join(b.TempDir(), "stores.db"))}
	request := transcode.ClaimRequest{Worker: "w", Now: now, Until: now.Add(time.Hour)}
	next := func() weir.Claim {
		c, err := l.Claim(ctx, request)
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	jobs := 0
	refill := func() { // a job of 500 tasks with a plan of 1 MB
		jobs++
		if err := l.Create(ctx, newJob(fmt.Sprint("a", jobs), now)); err != nil {
			b.Fatal(err)
		}
		tasks := make([]weir.Task, 500)
		for i := range tasks {
			tasks[i] = weir.Task{N: i + 1, Kind: weir.TaskVideo, Order: i}
		}
		if err := l.Planned(ctx, next(), make([]byte, 1<<20), tasks); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	left := 0
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			refill()
			left = 500
			b.StartTimer()
		}
		left--
		if err := l.Record(ctx, next(), weir.Record{Body: []byte(`{"outputs":[]}`)}, true); err != nil {
			b.Fatal(err)
		}
	}
}
