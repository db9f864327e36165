package transcode_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Child()
	os.Exit(m.Run())
}

// house is the embedded engines that a test runs on, and a clock that can be moved.
type house struct {
	blobs  *embed.Blobs
	ledger *embed.Ledger
	bus    *embed.Bus
	log    *slog.Logger
	moved  atomic.Int64 // how far the clock is ahead, in nanoseconds
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{blobs: openBlobs(t), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	db, err := embed.OpenStores(t.Context(), filepath.Join(t.TempDir(), "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h.bus, err = embed.OpenBus(t.Context(), filepath.Join(t.TempDir(), "bus.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.bus.Close() })
	h.ledger = &embed.Ledger{DB: db, Now: h.now}
	var relay sync.WaitGroup
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	relay.Go(func() { _ = (&embed.Relay{DB: db, Bus: h.bus}).Run(ctx) })
	t.Cleanup(relay.Wait)
	t.Cleanup(stop)
	return h
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.moved.Load())) }

// move puts the clock ahead, past leases and rests.
func (h *house) move(d time.Duration) { h.moved.Add(int64(d)) }

// say puts a fact about an asset on the bus.
func (h *house) say(t testing.TB, kind string, a weir.Asset, revision int64) {
	t.Helper()
	if err := h.bus.Publish(t.Context(), h.message(t, kind, a, revision)); err != nil {
		t.Fatal(err)
	}
}

func (h *house) message(t testing.TB, kind string, a weir.Asset, revision int64) weir.Message {
	t.Helper()
	f, err := weir.NewFact(h.now(), kind, "ingest", a.Organisation, a.ID, revision, a)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return weir.Message{Topic: weir.TopicFacts, Key: f.Subject, Value: b}
}

// await reads an asset's facts from the topic's beginning until one of a kind comes, and returns all up to it.
func (h *house) await(t testing.TB, asset, kind string) []weir.Fact {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var facts []weir.Fact
	found := false
	_ = h.bus.Consume(ctx, weir.TopicFacts, "test-"+weir.NewID(h.now()), func(_ context.Context, m weir.Message) error {
		var f weir.Fact
		if err := json.Unmarshal(m.Value, &f); err != nil {
			t.Error(err)
		}
		if f.Subject != asset || found {
			return nil
		}
		facts = append(facts, f)
		if f.Type == kind || f.Type == weir.FactAssetFailed {
			found = f.Type == kind
			stop()
		}
		return nil
	})
	if !found {
		t.Fatalf("no fact %s of %s came; there were %v", kind, asset, facts)
	}
	return facts
}

func (h *house) job(t testing.TB, asset string) (weir.Job, []weir.Task) {
	t.Helper()
	job, tasks, err := h.ledger.Job(t.Context(), asset)
	if err != nil {
		t.Fatal(err)
	}
	return job, tasks
}

func (h *house) records(t testing.TB, asset string) []weir.Record {
	t.Helper()
	job, _ := h.job(t, asset)
	records, err := h.ledger.Records(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// claim is the next task, for a worker that has the tool of testPlan.
func (h *house) claim(t testing.TB) weir.Claim {
	t.Helper()
	c, err := h.ledger.Claim(t.Context(), transcode.ClaimRequest{Worker: "test", Tools: []string{"tool"}, Now: h.now(), Until: h.now().Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// planned makes a job of testPlan's that is running.
func (h *house) planned(t testing.TB, asset string) {
	t.Helper()
	err := h.ledger.Create(t.Context(), weir.Job{ID: "job-" + asset, Organisation: "default", Asset: asset, Master: weir.Master{ID: asset}, Created: h.now()})
	if err != nil {
		t.Fatal(err)
	}
	p := testPlan()
	if err := h.ledger.Planned(t.Context(), h.claim(t), p.Encode(), p.LedgerTasks("job-"+asset)); err != nil {
		t.Fatal(err)
	}
}

// away is objects that are away for so many puts.
type away struct {
	weir.Blobs
	puts atomic.Int64 // left to refuse
}

func (a *away) Put(ctx context.Context, key string, r io.Reader, opts weir.PutOptions) (weir.ObjectInfo, error) {
	if a.puts.Add(-1) >= 0 {
		return weir.ObjectInfo{}, weir.Errorf(weir.Unavailable, "the objects are away")
	}
	return a.Blobs.Put(ctx, key, r, opts)
}
