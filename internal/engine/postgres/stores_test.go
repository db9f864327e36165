package postgres_test

import (
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/postgres"
)

func TestLedger(t *testing.T) {
	report(t, "Ledger")
	enginetest.Ledger(t, func(t *testing.T, now func() time.Time) enginetest.LedgerEngine {
		url := schema(t)
		l := &postgres.Ledger{DB: open(t, url), Now: now}
		return enginetest.LedgerEngine{Claims: l, Jobs: l, Failed: l, Facts: func() []weir.Fact { return outbox(t, url) }}
	})
}

func TestIngest(t *testing.T) {
	report(t, "Ingest")
	enginetest.Ingest(t, func(t *testing.T) enginetest.IngestStore {
		url := schema(t)
		return enginetest.IngestStore{Store: &postgres.Ingest{DB: open(t, url)}, Facts: outboxOf(url)}
	})
}

func TestCatalog(t *testing.T) {
	report(t, "Catalog")
	enginetest.Catalog(t, func(t *testing.T) enginetest.CatalogStore {
		url := schema(t)
		return enginetest.CatalogStore{Store: &postgres.Catalog{DB: open(t, url)}, Facts: outboxOf(url)}
	})
}

func outboxOf(url string) func(t *testing.T) []weir.Fact {
	return func(t *testing.T) []weir.Fact { return outbox(t, url) }
}
