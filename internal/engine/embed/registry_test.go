package embed_test

import (
	"path/filepath"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestRegistry(t *testing.T) {
	enginetest.Registry(t, func(t *testing.T) weir.Registry {
		return &embed.Registry{DB: openStoresAt(t, filepath.Join(t.TempDir(), "stores.db"))}
	})
}

func openStoresAt(t *testing.T, path string) *embed.DB {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestRegistryValuesSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stores.db")
	db, err := embed.OpenStores(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	version, err := (&embed.Registry{DB: db}).PutKV(t.Context(), "k", []byte("v"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := (&embed.Registry{DB: openStoresAt(t, path)}).KV(t.Context(), "k")
	if err != nil || string(got.Value) != "v" || got.Version != version {
		t.Errorf("KV = %+v, %v", got, err)
	}
}
