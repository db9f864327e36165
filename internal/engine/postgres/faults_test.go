package postgres_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/postgres"
)

func TestFaults(t *testing.T) {
	report(t, "Stores under faults")
	var unknown atomic.Int32
	log := slog.New(unknownOutcomes{slog.DiscardHandler, &unknown})
	enginetest.StoreFaults(t, host(t, server(t)), "postgres", func(t *testing.T, address string, now func() time.Time) enginetest.FaultyStores {
		direct := schema(t)
		db, err := postgres.Open(t.Context(), through(t, with(t, direct, "call_timeout", "8s"), address), log)
		if err != nil {
			t.Fatalf("Open = %v", err)
		}
		t.Cleanup(func() { _ = db.Close() })
		l := &postgres.Ledger{DB: db, Now: now}
		return enginetest.FaultyStores{Ingest: &postgres.Ingest{DB: db, Now: now}, Catalog: &postgres.Catalog{DB: db},
			LedgerEngine: enginetest.LedgerEngine{Claims: l, Jobs: l, Failed: l, Facts: func() []weir.Fact { return outbox(t, direct) }}}
	})
	if unknown.Load() == 0 {
		t.Error("no COMMIT was left without an answer: the faults miss what they are for")
	}
}

// unknownOutcomes counts the transactions that are run again after a COMMIT that got no answer.
type unknownOutcomes struct {
	slog.Handler
	n *atomic.Int32
}

func (unknownOutcomes) Enabled(context.Context, slog.Level) bool { return true }

func (u unknownOutcomes) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "unknown" && a.Value.Bool() {
			u.n.Add(1)
		}
		return true
	})
	return nil
}
