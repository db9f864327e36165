package enginetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
)

// CatalogStore is an empty store and a look into its outbox.
type CatalogStore struct {
	catalog.Store
	Facts func(t *testing.T) []weir.Fact // that were committed, oldest first
}

// Catalog holds an engine to the contract of [catalog.Store].
func Catalog(t *testing.T, open func(t *testing.T) CatalogStore) {
	for _, c := range []struct {
		name string
		test func(*testing.T, CatalogStore)
	}{
		{"Save", catalogSave},
		{"List", catalogList},
		{"Texts", catalogTexts},
		{"Long", catalogLong},
		{"SaveRace", catalogSaveRace},
		{"EndedContext", catalogEnded},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func title(organisation, id string) catalog.Title {
	return catalog.Title{ID: id, Organisation: organisation, Name: "Name ✓", Asset: "asset-" + id, State: catalog.Playable, Reason: "why",
		Duration: weir.Rational{Num: 1001, Den: 24000}, Created: noon, Applied: map[string]catalog.Mark{"ingest": {Revision: 2, Step: 1}}}
}

func mustSave(t *testing.T, s catalog.Store, title catalog.Title, facts ...weir.Fact) {
	t.Helper()
	if err := s.Save(t.Context(), title, facts...); err != nil {
		t.Fatalf("Save(%s at version %d) = %v", title.ID, title.Version, err)
	}
}

func catalogSave(t *testing.T, s CatalogStore) {
	if _, err := s.Load(t.Context(), "acme", "t1"); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Load of an unknown id = %v, want not found", err)
	}
	first, second := fact(t, "t1", 1), fact(t, "t1", 2)
	v := title("acme", "t1")
	mustSave(t, s, v, first)
	if err := s.Save(t.Context(), v, fact(t, "t1", 1)); weir.KindOf(err) != weir.Conflict {
		t.Errorf("second Save at version 0 = %v, want conflict", err)
	}
	v.Version, v.Name, v.Applied = 1, "Other", map[string]catalog.Mark{}
	mustSave(t, s, v, second)
	if err := s.Save(t.Context(), v, fact(t, "t1", 2)); weir.KindOf(err) != weir.Conflict {
		t.Errorf("Save at an old version = %v, want conflict", err)
	}
	stranger := v
	stranger.Version, stranger.Organisation = 2, "other"
	if err := s.Save(t.Context(), stranger); weir.KindOf(err) != weir.Conflict {
		t.Errorf("Save of another organisation's title = %v, want conflict", err)
	}
	if _, err := s.Load(t.Context(), "other", "t1"); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Load of another organisation's title = %v, want not found", err)
	}
	v.Version = 2
	got, err := s.Load(t.Context(), "acme", "t1")
	if diff := cmp.Diff(v, got); err != nil || diff != "" {
		t.Errorf("Load = %v, -want +got:\n%s", err, diff)
	}
	if diff := cmp.Diff([]weir.Fact{first, second}, s.Facts(t)); diff != "" {
		t.Errorf("facts, -want +got:\n%s", diff)
	}
}

func catalogList(t *testing.T, s CatalogStore) {
	for _, id := range []string{"b", "d", "a", "c"} {
		mustSave(t, s, title("acme", id))
	}
	mustSave(t, s, title("other", "bb"))
	buried := title("acme", "cc")
	buried.State, buried.Created = catalog.Deleted, time.Time{}
	mustSave(t, s, buried)
	if got, err := s.Load(t.Context(), "acme", "cc"); err != nil || got.State != catalog.Deleted || !got.Created.IsZero() {
		t.Errorf("Load of a tombstone = %+v, %v", got, err)
	}
	early := title("acme", "bc") // its master's fact is still to come
	early.Name, early.Created = "", time.Time{}
	mustSave(t, s, early)
	f := func(before string, limit int, want ...string) {
		t.Helper()
		list, err := s.List(t.Context(), "acme", before, limit)
		var got []string
		for _, v := range list {
			got = append(got, v.ID)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("List(%q, %d) = %v, -want +got:\n%s", before, limit, err, diff)
		}
	}
	f("", 10, "d", "c", "b", "a")
	f("", 2, "d", "c")
	f("c", 2, "b", "a")
	f("a", 2)
}
