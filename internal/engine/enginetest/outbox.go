package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
)

// OutboxEngine is an empty store with its outbox and an empty bus.
type OutboxEngine struct {
	Store  catalog.Store                                                         // puts the facts
	Facts  func(t *testing.T) []weir.Fact                                        // what is in the outbox, oldest first
	Bus    weir.Bus                                                              // of any kind
	Relay  func(bus weir.Bus, at func(point string)) func(context.Context) error // a relay's Run
	Relays int                                                                   // how many may run at once
}

// Outbox holds a store's outbox and its relay to: what was committed with a change goes to [weir.TopicFacts] at least once,
// keyed by subject, the facts of one subject in the order of the commits; what was not committed never does.
func Outbox(t *testing.T, open func(t *testing.T) OutboxEngine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, OutboxEngine)
	}{
		{"InOrder", outboxInOrder},
		{"Emptied", outboxEmptied},
		{"Repeats", outboxRepeats},
		{"BusRefuses", outboxBusRefuses},
		{"ManyWriters", outboxManyWriters},
		{"TooLarge", outboxTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func subjectFact(subject string, revision int64) weir.Fact {
	return weir.Fact{ID: fmt.Sprint(subject, "-", revision), Type: weir.FactMasterReady, Source: "test", Subject: subject,
		Time: noon, DataVersion: 1, Organisation: "org", Revision: revision}
}

func hugeFact(subject string) weir.Fact {
	f := subjectFact(subject, 1)
	f.Data = json.RawMessage(`"` + strings.Repeat("x", weir.MaxMessageBytes) + `"`)
	return f
}

// put commits facts with a new title.
func (e OutboxEngine) put(t *testing.T, facts ...weir.Fact) {
	t.Helper()
	mustSave(t, e.Store, title("org", weir.NewID(noon)), facts...)
}

// running starts a relay and returns how to end it, which also happens when the test ends.
func (e OutboxEngine) running(t *testing.T, bus weir.Bus, at func(string)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	run := e.Relay(bus, at)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil when its context ends", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// heard are the facts on the bus from its start until enough says so.
func (e OutboxEngine) heard(t *testing.T, enough func(got []string) bool) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := e.Bus.Consume(ctx, weir.TopicFacts, weir.NewID(time.Now()), func(_ context.Context, m weir.Message) error {
		var f weir.Fact
		if err := json.Unmarshal(m.Value, &f); err != nil || m.Key != f.Subject {
			t.Errorf("message with key %q and value %q: %v", m.Key, m.Value, err)
		}
		if got = append(got, f.ID); enough(got) {
			cancel()
		}
		return nil
	})
	if err != nil || !enough(got) {
		t.Fatalf("Consume = %v after %q, want more to come", err, got)
	}
	return got
}

func holding(id string) func([]string) bool {
	return func(got []string) bool { return slices.Contains(got, id) }
}

func outboxInOrder(t *testing.T, e OutboxEngine) {
	var early []weir.Fact
	for i := range 250 { // more than it takes at once, before it runs
		early = append(early, subjectFact("a", int64(i)))
	}
	e.put(t, early...)
	e.running(t, e.Bus, nil)
	e.heard(t, holding("a-249"))
	undone := e.Store.Save(t.Context(), title("org", "undone"), subjectFact("a", 666), hugeFact("a"))
	if undone == nil {
		t.Fatal("Save with a fact that is too large succeeded")
	}
	e.put(t, subjectFact("a", 250)) // a commit wakes it
	for i, id := range e.heard(t, holding("a-250")) {
		if id != fmt.Sprint("a-", i) {
			t.Fatalf("fact %d is %s", i, id)
		}
	}
}

func outboxEmptied(t *testing.T, e OutboxEngine) {
	e.put(t, subjectFact("a", 1), subjectFact("b", 1))
	var points []string
	stop := e.running(t, e.Bus, func(p string) { points = append(points, fmt.Sprint(p, " ", len(e.Facts(t)))) })
	e.heard(t, func(got []string) bool { return holding("a-1")(got) && holding("b-1")(got) })
	for end := time.Now().Add(time.Minute); len(e.Facts(t)) > 0; {
		if time.Now().After(end) {
			t.Fatal("the outbox is not emptied")
		}
	}
	stop()
	if want := []string{"relay.before-publish 2", "relay.after-publish 2"}; !slices.Equal(points, want) {
		t.Errorf("points with what the outbox held = %q, want %q", points, want)
	}
}

// outboxRepeats: a relay that dies between publishing and removing leaves both to the next one.
func outboxRepeats(t *testing.T, e OutboxEngine) {
	e.put(t, subjectFact("a", 1))
	ctx, die := context.WithCancel(t.Context())
	err := e.Relay(e.Bus, func(p string) {
		if p == "relay.after-publish" {
			die()
		}
	})(ctx)
	if err != nil {
		t.Errorf("Run = %v", err)
	}
	e.running(t, e.Bus, nil)
	e.put(t, subjectFact("a", 2))
	got := e.heard(t, holding("a-2"))
	if !slices.Equal(got, []string{"a-1", "a-1", "a-2"}) {
		t.Errorf("the bus has %q", got)
	}
}

// refusing is a bus that is away for its first calls.
type refusing struct {
	weir.Bus
	left atomic.Int32
}

var errAway = errors.New("the bus is away")

func (r *refusing) Publish(ctx context.Context, messages ...weir.Message) error {
	if r.left.Add(-1) >= 0 {
		return weir.Errorf(weir.Unavailable, "publish: %w", errAway)
	}
	return r.Bus.Publish(ctx, messages...)
}

// outboxBusRefuses: while the bus refuses, facts stay where they are.
func outboxBusRefuses(t *testing.T, e OutboxEngine) {
	bus := &refusing{Bus: e.Bus}
	bus.left.Store(3)
	e.put(t, subjectFact("a", 1), subjectFact("b", 1))
	var tries, kept atomic.Int32
	e.running(t, bus, func(p string) {
		if p == "relay.before-publish" {
			tries.Add(1)
			kept.Add(int32(len(e.Facts(t))))
		}
	})
	e.heard(t, func(got []string) bool { return holding("a-1")(got) && holding("b-1")(got) })
	if tries.Load() != 4 || kept.Load() != 8 {
		t.Errorf("%d tries found %d facts in all, want 4 and 8", tries.Load(), kept.Load())
	}
}

// outboxManyWriters: writers of many subjects at once, and as many relays as may be.
func outboxManyWriters(t *testing.T, e OutboxEngine) {
	const subjects, changes = 8, 30
	for range e.Relays {
		e.running(t, e.Bus, nil)
	}
	var writers sync.WaitGroup
	for s := range subjects {
		v := title("org", fmt.Sprint("s", s))
		writers.Go(func() {
			for range changes {
				if err := e.Store.Save(t.Context(), v, subjectFact(v.ID, v.Version+1)); err != nil {
					t.Errorf("Save(%s at version %d) = %v", v.ID, v.Version, err)
					return
				}
				v.Version++
			}
		})
	}
	writers.Wait()
	got := e.heard(t, func(got []string) bool {
		n := 0
		for s := range subjects {
			if slices.Contains(got, fmt.Sprintf("s%d-%d", s, changes)) {
				n++
			}
		}
		return n == subjects
	})
	next := map[string]int{}
	for _, id := range got { // nothing failed, so nothing comes twice
		subject, revision, _ := strings.Cut(id, "-")
		if next[subject]++; revision != fmt.Sprint(next[subject]) {
			t.Fatalf("fact %s comes as number %d of its subject, all: %q", id, next[subject], got)
		}
	}
}

func outboxTooLarge(t *testing.T, e OutboxEngine) {
	v := title("org", "t1")
	if err := e.Store.Save(t.Context(), v, hugeFact("t1")); weir.KindOf(err) != weir.TooLarge {
		t.Errorf("Save with a large fact = %v, want TooLarge", err)
	}
	bad := subjectFact("t1", 1)
	bad.Data = json.RawMessage("{")
	if err := e.Store.Save(t.Context(), v, subjectFact("t1", 1), bad); err == nil {
		t.Error("Save with a fact that is not JSON succeeded")
	}
	if _, err := e.Store.Load(t.Context(), "org", "t1"); weir.KindOf(err) != weir.NotFound || len(e.Facts(t)) != 0 {
		t.Errorf("Load after refused facts = %v, with %v in the outbox", err, e.Facts(t))
	}
}
