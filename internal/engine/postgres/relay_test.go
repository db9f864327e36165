package postgres_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
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

func save(t *testing.T, s *postgres.Catalog, id string) {
	t.Helper()
	f := weir.Fact{ID: id, Type: weir.FactTitleCreated, Subject: id, Organisation: "org"}
	if err := s.Save(t.Context(), catalog.Title{ID: id, Organisation: "org"}, f); err != nil {
		t.Fatalf("Save = %v", err)
	}
}

// run starts a relay, which ends with the test.
func run(t *testing.T, r *postgres.Relay) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// told is a bus that tells of every fact it takes.
type told struct{ facts chan string }

func (b told) Publish(_ context.Context, messages ...weir.Message) error {
	for _, m := range messages {
		b.facts <- m.Key
	}
	return nil
}

func (told) Consume(context.Context, string, string, func(context.Context, weir.Message) error) error {
	return nil
}

func (b told) want(t *testing.T, subjects ...string) {
	t.Helper()
	for _, want := range subjects {
		select {
		case got := <-b.facts:
			if got != want {
				t.Fatalf("fact of %s is published, want %s", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no fact of %s is published", want)
		}
	}
}

// TestRelayLateCommit: a fact with a smaller id that is committed after one with a larger id is not passed over.
func TestRelayLateCommit(t *testing.T) {
	url := schema(t)
	s := &postgres.Catalog{DB: open(t, url)}
	b := told{make(chan string, 9)}
	run(t, &postgres.Relay{DB: open(t, url), Bus: b})
	connected(t, url, func(ctx context.Context, c *pgx.Conn) {
		tx, err := c.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO outbox (organisation, subject, fact) VALUES ('org', 'early', '{}')"); err != nil {
			t.Fatal(err)
		}
		save(t, s, "late")
		b.want(t, "late")
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		save(t, s, "next") // wakes the relay
		b.want(t, "early", "next")
	})
}

// stuck is a bus whose Publish hangs, whatever its ctx says, as in a process that is stopped.
type stuck struct {
	weir.Bus
	here, free chan struct{}
}

func (b stuck) Publish(context.Context, ...weir.Message) error {
	close(b.here)
	<-b.free
	return weir.Errorf(weir.Unavailable, "it was too long")
}

// TestRelayTakesOver: a relay that hangs in the middle loses its place to another, because the server ends its session.
func TestRelayTakesOver(t *testing.T) {
	url := schema(t)
	s := &postgres.Catalog{DB: open(t, url)}
	save(t, s, "a")
	hung := stuck{here: make(chan struct{}), free: make(chan struct{})}
	run(t, &postgres.Relay{DB: open(t, with(t, url, "idle_in_transaction_session_timeout", "500ms")), Bus: hung})
	t.Cleanup(func() { close(hung.free) })
	<-hung.here
	b := told{make(chan string, 9)}
	run(t, &postgres.Relay{DB: open(t, url), Bus: b})
	b.want(t, "a")
}

// TestRelayHearsAgain: after its connections broke, the relay is back at work.
func TestRelayHearsAgain(t *testing.T) {
	url := schema(t)
	s := &postgres.Catalog{DB: open(t, url)}
	proxy := enginetest.NewProxy(t, host(t, url))
	b := told{make(chan string, 9)}
	run(t, &postgres.Relay{DB: open(t, through(t, url, proxy.Addr())), Bus: b})
	for _, id := range []string{"a", "b", "c"} {
		save(t, s, id)
		b.want(t, id)
		for end := time.Now().Add(time.Minute); len(outbox(t, url)) > 0; { // or it would be published again
			if time.Now().After(end) {
				t.Fatal("the outbox is not emptied")
			}
		}
		proxy.Reset()
	}
}
