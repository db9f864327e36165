package embed_test

import (
	"path/filepath"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/internal/engine/embed"
)

func TestDeletedAssetsUntilCollected(t *testing.T) {
	ctx := t.Context()
	db, err := embed.OpenStores(ctx, filepath.Join(t.TempDir(), "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := &embed.Ingest{DB: db}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for id, r := range map[string]weir.Asset{
		"live":  {State: weir.AssetReceived},
		"early": {State: weir.AssetDeleted, Deleted: noon.Add(-2 * time.Hour)},
		"late":  {State: weir.AssetDeleted, Deleted: noon.Add(-time.Hour)},
		"new":   {State: weir.AssetDeleted, Deleted: noon},
	} {
		r.ID, r.Organisation, r.Created = id, weir.DefaultOrganisation, noon.Add(-3*time.Hour)
		if err := s.Create(ctx, ingest.Record{Asset: r}); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (ids []string) {
		assets, err := s.Deleted(ctx, noon.Add(-time.Minute), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range assets {
			ids = append(ids, a.ID)
		}
		return ids
	}
	if got := list(); len(got) != 2 || got[0] != "early" || got[1] != "late" {
		t.Errorf("Deleted = %v, want early, late", got)
	}
	if err := s.Collected(ctx, "early"); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 1 || got[0] != "late" {
		t.Errorf("Deleted after Collected = %v, want late", got)
	}
}
