package embed_test

import (
	"path/filepath"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestTables(t *testing.T) {
	enginetest.Tables(t, func(t *testing.T) enginetest.TablesEngine {
		db := openStores(t, filepath.Join(t.TempDir(), "stores.db"))
		return enginetest.TablesEngine{Stores: &embed.Tables{DB: db}, PutFact: func(t *testing.T, f weir.Fact) {
			title := catalog.Title{ID: f.Subject, Organisation: f.Organisation, Created: time.Unix(1, 0)}
			if err := (&embed.Catalog{DB: db}).Save(t.Context(), title, f); err != nil {
				t.Fatal(err)
			}
		}}
	})
}
