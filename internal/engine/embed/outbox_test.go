package embed_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func newFact(subject string, revision int64) weir.Fact {
	return weir.Fact{ID: fmt.Sprint(subject, "-", revision), Type: weir.FactMasterReady, Source: "test", Subject: subject,
		Time: time.Unix(1000, 0).UTC(), DataVersion: 1, Organisation: "org", Revision: revision}
}

func TestOutbox(t *testing.T) {
	enginetest.Outbox(t, func(t *testing.T) enginetest.OutboxEngine {
		db, b := openStores(t, filepath.Join(t.TempDir(), "stores.db")), openBus(t, filepath.Join(t.TempDir(), "bus.db"))
		return enginetest.OutboxEngine{Store: &embed.Catalog{DB: db}, Facts: outboxOf(db), Bus: b, Relays: 1,
			Relay: func(b weir.Bus, at func(string)) func(context.Context) error {
				return (&embed.Relay{DB: db, Bus: b, At: at}).Run
			}}
	})
}

// TestRelayWaitsForTheBus: while the bus refuses, facts stay, and it is not asked all the time.
func TestRelayWaitsForTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, b := openStores(t, filepath.Join(t.TempDir(), "stores.db")), openBus(t, filepath.Join(t.TempDir(), "bus.db"))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := (&embed.Catalog{DB: db}).Save(t.Context(), catalog.Title{ID: "a"}, newFact("a", 1)); err != nil {
			t.Fatal(err)
		}
		tries := 0
		relay := &embed.Relay{DB: db, Bus: b, At: func(string) { tries++ }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := relay.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
		if tries < 5 || tries > 15 || len(outbox(t, db)) != 1 {
			t.Errorf("%d tries in a minute, %d facts left; want about 10 and 1", tries, len(outbox(t, db)))
		}
	})
}
