package enginetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
)

// IngestStore is an empty store and a look into its outbox.
type IngestStore struct {
	ingest.Store
	Facts func(t *testing.T) []weir.Fact // that were committed, oldest first
}

// Ingest holds an engine to the contract of [ingest.Store].
func Ingest(t *testing.T, open func(t *testing.T) IngestStore) {
	for _, c := range []struct {
		name string
		test func(*testing.T, IngestStore)
	}{
		{"Create", ingestCreate},
		{"Update", ingestUpdate},
		{"UpdateRace", ingestUpdateRace},
		{"Uploading", ingestUploading},
		{"Unplanned", ingestUnplanned},
		{"Texts", ingestTexts},
		{"CreateRace", ingestCreateRace},
		{"EndedContext", ingestEnded},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// noon has microseconds, which every engine keeps.
var noon = time.Date(2025, 3, 1, 12, 0, 0, 123456000, time.UTC)

func asset(id string) ingest.Record {
	return ingest.Record{Declared: "ab", Asset: weir.Asset{ID: id, Organisation: "acme", Title: "Тitle ✓", State: weir.AssetUploading,
		Created: noon, Master: weir.Master{ID: id, Organisation: "acme", Name: "a b.mp4", Size: 1 << 40}}}
}

func mustCreate(t *testing.T, s ingest.Store, id string) ingest.Record {
	t.Helper()
	r := asset(id)
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatalf("Create(%s) = %v", id, err)
	}
	r.Revision = 1
	return r
}

func ingestCreate(t *testing.T, s IngestStore) {
	if _, err := s.Load(t.Context(), "a1"); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Load of an unknown id = %v, want not found", err)
	}
	want := mustCreate(t, s, "a1")
	got, err := s.Load(t.Context(), "a1")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Load = %v, -want +got:\n%s", err, diff)
	}
	if err := s.Create(t.Context(), asset("a1")); weir.KindOf(err) != weir.Conflict {
		t.Errorf("second Create = %v, want conflict", err)
	}
	if facts := s.Facts(t); len(facts) != 0 {
		t.Errorf("Create put facts: %v", facts)
	}
}

func ingestUpdate(t *testing.T, s IngestStore) {
	r := mustCreate(t, s, "a1")
	r.Asset.State, r.Asset.Reason, r.Asset.Deleted = weir.AssetDeleted, "why", noon.Add(time.Hour)
	r.Asset.Master.SHA256, r.Asset.Master.Created = "cd", noon.Add(time.Minute)
	f := fact(t, "a1", 2)
	if err := s.Update(t.Context(), r, f); err != nil {
		t.Fatalf("Update = %v", err)
	}
	if err := s.Update(t.Context(), r, fact(t, "a1", 2)); weir.KindOf(err) != weir.Conflict {
		t.Errorf("Update of an old revision = %v, want conflict", err)
	}
	missing := asset("a2")
	missing.Revision = 1
	if err := s.Update(t.Context(), missing, fact(t, "a2", 2)); weir.KindOf(err) != weir.Conflict {
		t.Errorf("Update of a missing record = %v, want conflict", err)
	}
	r.Revision = 2
	got, err := s.Load(t.Context(), "a1")
	if diff := cmp.Diff(r, got); err != nil || diff != "" {
		t.Errorf("Load = %v, -want +got:\n%s", err, diff)
	}
	if diff := cmp.Diff([]weir.Fact{f}, s.Facts(t)); diff != "" {
		t.Errorf("facts, -want +got:\n%s", diff)
	}
	huge := fact(t, "a1", 3)
	huge.Data = []byte(`"` + strings.Repeat("x", weir.MaxMessageBytes) + `"`)
	if err := s.Update(t.Context(), r, huge); err == nil {
		t.Error("Update takes a fact that the bus cannot")
	}
	if got, err := s.Load(t.Context(), "a1"); err != nil || got.Revision != 2 {
		t.Errorf("after an update whose fact was refused: %+v, %v", got, err)
	}
}

func fact(t *testing.T, subject string, revision int64) weir.Fact {
	t.Helper()
	f, err := weir.NewFact(noon, "test.thing.changed", "test", "acme", subject, revision, map[string]int{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ingestUpdateRace: of writers at one revision, one wins, and only its fact goes out.
func ingestUpdateRace(t *testing.T, s IngestStore) {
	r := mustCreate(t, s, "a1")
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		f := fact(t, "a1", 2)
		all.Go(func() {
			mine := r
			mine.Asset.Title = fmt.Sprint(i)
			switch err := s.Update(t.Context(), mine, f); weir.KindOf(err) {
			case weir.Conflict:
			default:
				if err != nil {
					t.Errorf("Update = %v", err)
				}
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || len(s.Facts(t)) != 1 {
		t.Errorf("%d of 8 updates of one revision succeeded with %d facts, want 1 and 1", won.Load(), len(s.Facts(t)))
	}
}

func ingestUploading(t *testing.T, s IngestStore) {
	for _, id := range []string{"c", "a", "d", "b"} {
		mustCreate(t, s, id)
	}
	done := mustCreate(t, s, "bb")
	done.Asset.State = weir.AssetReceived
	if err := s.Update(t.Context(), done); err != nil {
		t.Fatalf("Update = %v", err)
	}
	f := func(after string, limit int, want ...string) {
		t.Helper()
		list, err := s.Uploading(t.Context(), after, limit)
		var got []string
		for _, r := range list {
			got = append(got, r.Asset.ID)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Uploading(%q, %d) = %v, -want +got:\n%s", after, limit, err, diff)
		}
	}
	f("", 10, "a", "b", "c", "d")
	f("", 2, "a", "b")
	f("b", 2, "c", "d")
	f("d", 2)
}

func ingestUnplanned(t *testing.T, s IngestStore) {
	for i, id := range []string{"a1", "a2", "a3", "a4", "a5"} {
		r := mustCreate(t, s, id)
		if id == "a5" {
			continue // still uploading
		}
		r.Asset.State, r.Asset.Master.SHA256, r.Asset.Master.Created = weir.AssetReceived, "ab", noon.Add(time.Duration(i)*time.Second)
		if err := s.Update(t.Context(), r); err != nil {
			t.Fatalf("Update(%s) = %v", id, err)
		}
	}
	for range 2 { // twice is once
		if err := s.Planned(t.Context(), "a2"); err != nil {
			t.Fatalf("Planned = %v", err)
		}
	}
	if err := s.Planned(t.Context(), "none"); err != nil {
		t.Errorf("Planned of no asset = %v", err)
	}
	f := func(before time.Time, after string, limit int, want ...string) {
		t.Helper()
		records, err := s.Unplanned(t.Context(), before, after, limit)
		if err != nil {
			t.Fatalf("Unplanned = %v", err)
		}
		var got []string
		for _, r := range records {
			got = append(got, r.Asset.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Unplanned(%s, %q, %d) (-want +got):\n%s", before, after, limit, d)
		}
	}
	f(noon.Add(time.Hour), "", 10, "a1", "a3", "a4")
	f(noon.Add(time.Hour), "", 2, "a1", "a3")
	f(noon.Add(time.Hour), "a1", 10, "a3", "a4")
	f(noon.Add(3*time.Second), "", 10, "a1", "a3")
	f(noon, "", 10)
	r, err := s.Load(t.Context(), "a3")
	if err != nil {
		t.Fatal(err)
	}
	r.Asset.State = weir.AssetDeleted
	if err := s.Update(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	f(noon.Add(time.Hour), "", 10, "a1", "a4")
}
