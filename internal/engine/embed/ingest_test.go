package embed_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestIngest(t *testing.T) {
	enginetest.Ingest(t, func(t *testing.T) enginetest.IngestStore {
		db := openStoresAt(t, filepath.Join(t.TempDir(), "stores.db"))
		return enginetest.IngestStore{Store: &embed.Ingest{DB: db}, Facts: outboxOf(db)}
	})
}

func TestCatalog(t *testing.T) {
	enginetest.Catalog(t, func(t *testing.T) enginetest.CatalogStore {
		db := openStoresAt(t, filepath.Join(t.TempDir(), "stores.db"))
		return enginetest.CatalogStore{Store: &embed.Catalog{DB: db}, Facts: outboxOf(db)}
	})
}

// outboxOf reads the facts that no relay has taken, oldest first.
func outboxOf(db *embed.DB) func(t *testing.T) []weir.Fact {
	return func(t *testing.T) []weir.Fact {
		t.Helper()
		rows, err := db.Reader().QueryContext(t.Context(), "SELECT fact FROM outbox ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		var facts []weir.Fact
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
}
