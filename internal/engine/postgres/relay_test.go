package postgres_test

import (
	"context"
	"path/filepath"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/postgres"
)

func TestOutbox(t *testing.T) {
	report(t, "Outbox")
	enginetest.Outbox(t, func(t *testing.T) enginetest.OutboxEngine {
		url := schema(t)
		db := open(t, url)
		return enginetest.OutboxEngine{Store: &postgres.Catalog{DB: db}, Facts: outboxOf(url), Bus: bus(t), Relays: 3,
			Relay: func(b weir.Bus, at func(string)) func(context.Context) error {
				return (&postgres.Relay{DB: open(t, url), Bus: b, At: at}).Run // as another process would
			}}
	})
}

func bus(t *testing.T) *embed.Bus {
	t.Helper()
	b, err := embed.OpenBus(t.Context(), filepath.Join(t.TempDir(), "bus.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}
