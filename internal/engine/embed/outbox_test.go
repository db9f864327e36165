package embed_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
)

func newFact(subject string, revision int64) weir.Fact {
	return weir.Fact{ID: fmt.Sprint(subject, "-", revision), Type: weir.FactMasterReady, Source: "test", Subject: subject,
		Time: time.Unix(1000, 0).UTC(), DataVersion: 1, Organisation: "org", Revision: revision}
}

// putFacts stores facts in one transaction, and fails it if fail is set.
func putFacts(t testing.TB, db *embed.DB, fail error, facts ...weir.Fact) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		for _, f := range facts {
			if err := embed.PutFact(t.Context(), tx, f); err != nil {
				return err
			}
		}
		return fail
	})
	if !errors.Is(err, fail) {
		t.Fatalf("put facts: %v", err)
	}
}

// running starts run and returns how to end it, which also happens when the test ends.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-ended; err != nil {
				t.Errorf("Run = %v, want nil when its context ends", err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// heard are the facts on the bus up to the one with this id, as "subject-revision".
func heard(t *testing.T, b weir.Bus, until string) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := b.Consume(ctx, weir.TopicFacts, weir.NewID(time.Now()), func(_ context.Context, m weir.Message) error {
		var f weir.Fact
		if err := json.Unmarshal(m.Value, &f); err != nil || m.Key != f.Subject {
			t.Errorf("message with key %q and value %q: %v", m.Key, m.Value, err)
		}
		if got = append(got, f.ID); f.ID == until {
			cancel()
		}
		return nil
	})
	if err != nil || !slices.Contains(got, until) {
		t.Fatalf("Consume = %v after %q, want %s to come", err, got, until)
	}
	return got
}

func TestRelayPublishesInOrder(t *testing.T) {
	db, b := openStores(t, filepath.Join(t.TempDir(), "stores.db")), openBus(t, filepath.Join(t.TempDir(), "bus.db"))
	var early []weir.Fact
	for i := range 250 { // more than it takes at once, before it runs
		early = append(early, newFact("a", int64(i)))
	}
	putFacts(t, db, nil, early...)
	relay := &embed.Relay{DB: db, Bus: b}
	running(t, relay.Run)
	heard(t, b, "a-249")
	putFacts(t, db, errors.New("undone"), newFact("a", 666))
	putFacts(t, db, nil, newFact("a", 250)) // a commit wakes it
	got := heard(t, b, "a-250")
	for i, id := range got {
		if id != fmt.Sprint("a-", i) {
			t.Fatalf("fact %d is %s", i, id)
		}
	}
}

func TestRelayEmptiesTheOutbox(t *testing.T) {
	db, b := openStores(t, filepath.Join(t.TempDir(), "stores.db")), openBus(t, filepath.Join(t.TempDir(), "bus.db"))
	putFacts(t, db, nil, newFact("a", 1), newFact("b", 1))
	var points []string
	relay := &embed.Relay{DB: db, Bus: b}
	relay.At = func(p string) { points = append(points, fmt.Sprint(p, " ", len(outbox(t, db)))) }
	stop := running(t, relay.Run)
	heard(t, b, "a-1")
	heard(t, b, "b-1")
	stop()
	want := []string{"relay.before-publish 2", "relay.after-publish 2"}
	if !slices.Equal(points, want) {
		t.Errorf("points with what the outbox held = %q, want %q", points, want)
	}
}

// TestRelayRepeats: a relay that dies between publishing and removing publishes again.
func TestRelayRepeats(t *testing.T) {
	db, b := openStores(t, filepath.Join(t.TempDir(), "stores.db")), openBus(t, filepath.Join(t.TempDir(), "bus.db"))
	putFacts(t, db, nil, newFact("a", 1))
	ctx, die := context.WithCancel(t.Context())
	dying := &embed.Relay{DB: db, Bus: b, At: func(p string) {
		if p == "relay.after-publish" {
			die()
		}
	}}
	if err := dying.Run(ctx); err != nil {
		t.Errorf("Run = %v", err)
	}
	running(t, (&embed.Relay{DB: db, Bus: b}).Run)
	heard(t, b, "a-1")
	putFacts(t, db, nil, newFact("a", 2))
	if got := heard(t, b, "a-2"); !slices.Equal(got, []string{"a-1", "a-1", "a-2"}) {
		t.Errorf("the bus has %q", got)
	}
	if left := outbox(t, db); len(left) > 1 { // the last may be on its way out
		t.Errorf("the outbox holds %v", left)
	}
}

// TestRelayWaitsForTheBus: while the bus refuses, facts stay, and it is not asked all the time.
func TestRelayWaitsForTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, b := openStores(t, filepath.Join(t.TempDir(), "stores.db")), openBus(t, filepath.Join(t.TempDir(), "bus.db"))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		putFacts(t, db, nil, newFact("a", 1))
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

func TestPutFactRefusesWhatTheBusWould(t *testing.T) {
	db := openStores(t, filepath.Join(t.TempDir(), "stores.db"))
	f := newFact("a", 1)
	f.Data = json.RawMessage(`"` + strings.Repeat("x", weir.MaxMessageBytes) + `"`)
	err := db.Write(t.Context(), func(tx *sql.Tx) error { return embed.PutFact(t.Context(), tx, f) })
	if weir.KindOf(err) != weir.TooLarge {
		t.Errorf("putFact of a large fact = %v, want TooLarge", err)
	}
	f.Data = json.RawMessage("{")
	err = db.Write(t.Context(), func(tx *sql.Tx) error { return embed.PutFact(t.Context(), tx, f) })
	if err == nil {
		t.Error("putFact of data that is not JSON succeeded")
	}
}
