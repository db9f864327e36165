package postgres_test

import (
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/postgres"
)

func TestTables(t *testing.T) {
	report(t, "Tables")
	enginetest.Tables(t, func(t *testing.T) enginetest.TablesEngine {
		db := open(t, schema(t))
		return enginetest.TablesEngine{Stores: &postgres.Tables{DB: db}, PutFact: func(t *testing.T, f weir.Fact) {
			title := catalog.Title{ID: f.Subject, Organisation: f.Organisation, Created: time.Unix(1, 0)}
			if err := (&postgres.Catalog{DB: db}).Save(t.Context(), title, f); err != nil {
				t.Fatal(err)
			}
		}}
	})
}
