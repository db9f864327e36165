package transcode_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// graves is a list of deleted assets.
type graves struct {
	mu     sync.Mutex // guards assets
	assets []weir.Asset
	fail   error // of Collected
}

func (g *graves) add(a weir.Asset) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.assets = append(g.assets, a)
}

func (g *graves) Deleted(_ context.Context, before time.Time, limit int) ([]weir.Asset, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var due []weir.Asset
	for _, a := range g.assets {
		if a.Deleted.Before(before) && len(due) < limit {
			due = append(due, a)
		}
	}
	return due, nil
}

func (g *graves) Collected(_ context.Context, asset string) error {
	if g.fail != nil {
		return g.fail
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, a := range g.assets {
		if a.ID == asset {
			g.assets = append(g.assets[:i:i], g.assets[i+1:]...)
		}
	}
	return nil
}

func put(t testing.TB, blobs weir.Blobs, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, err := blobs.Put(t.Context(), key, strings.NewReader(key), weir.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func keysOf(t testing.TB, blobs weir.Blobs, prefix string) []string {
	t.Helper()
	list, err := blobs.List(t.Context(), prefix, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range list {
		keys = append(keys, o.Key)
	}
	return keys
}

func headOf(t testing.TB, blobs weir.Blobs, asset string, revision int) weir.Head {
	t.Helper()
	r, _, err := blobs.Get(t.Context(), weir.HeadKey("default", asset, revision), 0, -1, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	h, err := weir.ParseHead(b)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCollect(t *testing.T) {
	blobs := openBlobs(t)
	asset := func(id string, ago time.Duration) weir.Asset {
		put(t, blobs, "masters/"+id, "media/default/"+id+"/v/0-a.cmf", "media/default/"+id+"/v/0-a.json", "media/default/"+id+"/stills/s.jpg")
		return weir.Asset{ID: id, Organisation: "default", State: weir.AssetDeleted, Master: weir.Master{ID: id}, Deleted: noon.Add(-ago)}
	}
	g := &graves{assets: []weir.Asset{asset("old", 25*time.Hour), asset("young", 23*time.Hour)}}
	asset("alive", 0)
	asset("older", 0) // a longer name behind the same start
	c := &transcode.Collector{Assets: g, Blobs: blobs, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler)}
	if n, err := c.Collect(t.Context()); n != 1 || err != nil {
		t.Fatalf("Collect() = %d, %v; want 1", n, err)
	}
	if diff := cmp.Diff([]string{"media/default/old/heads/1.json"}, keysOf(t, blobs, "media/default/old/")); diff != "" {
		t.Errorf("objects of the collected asset (-want +got):\n%s", diff)
	}
	if h := headOf(t, blobs, "old", 1); h.State != weir.Deleted {
		t.Errorf("head is %s, want a tombstone", h.State)
	}
	if diff := cmp.Diff([]string{"masters/alive", "masters/older", "masters/young"}, keysOf(t, blobs, "masters/")); diff != "" {
		t.Errorf("masters (-want +got):\n%s", diff)
	}
	if n := len(keysOf(t, blobs, "media/default/young/")) + len(keysOf(t, blobs, "media/default/older/")); n != 6 {
		t.Errorf("%d objects of other assets are left, want 6", n)
	}
	if n, err := c.Collect(t.Context()); n != 0 || err != nil {
		t.Errorf("second Collect() = %d, %v; want 0", n, err)
	}
}

// TestCollectFailedJobs: of what a failed job made nothing is left but a tombstone; the master stays with its asset.
func TestCollectFailedJobs(t *testing.T) {
	h := newHouse(t)
	for _, asset := range []string{"failed", "asset"} {
		h.planned(t, asset)
		put(t, h.blobs, "masters/"+asset, "media/default/"+asset+"/v/0-a.cmf", "media/default/"+asset+"/v/0-a.json")
		if asset == "failed" {
			if err := h.ledger.Fail(t.Context(), h.claim(t), "it broke", true, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := &transcode.Collector{Jobs: h.ledger, Blobs: h.blobs, Grace: time.Hour, Now: h.now, Log: h.log}
	f := func(want int, keys ...string) {
		t.Helper()
		if n, err := c.Collect(t.Context()); n != want || err != nil {
			t.Errorf("Collect() = %d, %v; want %d", n, err, want)
		}
		if diff := cmp.Diff(keys, keysOf(t, h.blobs, "media/default/failed/")); diff != "" {
			t.Errorf("objects of the failed job (-want +got):\n%s", diff)
		}
	}
	f(0, "media/default/failed/v/0-a.cmf", "media/default/failed/v/0-a.json")
	h.move(time.Hour + time.Second)
	f(1, "media/default/failed/heads/1.json")
	f(0, "media/default/failed/heads/1.json")
	if got := headOf(t, h.blobs, "failed", 1); got.State != weir.Deleted {
		t.Errorf("head is %s, want a tombstone", got.State)
	}
	if diff := cmp.Diff([]string{"masters/asset", "masters/failed"}, keysOf(t, h.blobs, "masters/")); diff != "" {
		t.Errorf("masters (-want +got):\n%s", diff)
	}
	if n := len(keysOf(t, h.blobs, "media/default/asset/")); n != 2 {
		t.Errorf("%d objects of the job that runs are left, want 2", n)
	}
}

func TestCollectTriesAgain(t *testing.T) {
	blobs := openBlobs(t)
	put(t, blobs, "masters/m", "media/default/a/v/0-a.cmf")
	g := &graves{fail: weir.Errorf(weir.Unavailable, "away"),
		assets: []weir.Asset{{ID: "a", Organisation: "default", Master: weir.Master{ID: "m"}, Deleted: noon}}}
	c := &transcode.Collector{Assets: g, Blobs: blobs, Grace: time.Hour, Now: func() time.Time { return noon.Add(2 * time.Hour) },
		Log: slog.New(slog.DiscardHandler)}
	if n, err := c.Collect(t.Context()); n != 0 || err != nil {
		t.Errorf("Collect() = %d, %v; want 0", n, err)
	}
	g.fail = nil
	if n, err := c.Collect(t.Context()); n != 1 || err != nil {
		t.Errorf("Collect() = %d, %v; want 1", n, err)
	}
}

func TestBuryIsFinal(t *testing.T) {
	blobs := openBlobs(t)
	plan := testPlan()
	all, page := recordsOf(t, plan)
	got, err := transcode.Assemble(plan, testJob, all, page, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	for revision := 1; revision <= 12; revision++ {
		h := got.Head
		h.Revision = revision
		b, err := weir.EncodeHead(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := blobs.Put(t.Context(), weir.HeadKey("default", "asset", revision), strings.NewReader(string(b)), weir.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, blobs, "media/default/asset/heads/13.json") // damaged
	for range 2 {
		if err := transcode.Bury(t.Context(), blobs, "default", "asset", 1); err != nil {
			t.Fatal(err)
		}
	}
	for revision := 1; revision <= 13; revision++ {
		if h := headOf(t, blobs, "asset", revision); h.State != weir.Deleted || len(h.Tracks) != 0 || h.Revision != revision {
			t.Errorf("revision %d: %s with %d tracks, want a tombstone", revision, h.State, len(h.Tracks))
		}
	}
	if err := transcode.Bury(t.Context(), blobs, "default", "never", 1); err != nil {
		t.Fatal(err)
	}
	if h := headOf(t, blobs, "never", 1); h.State != weir.Deleted {
		t.Errorf("head of an asset that never had one: %s, want a tombstone", h.State)
	}
}
