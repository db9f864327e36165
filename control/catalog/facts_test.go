package catalog_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/internal/engine/embed"
)

func TestTitleFollowsItsAsset(t *testing.T) {
	r := newRig(t)
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, r.states()); diff != "" {
			t.Errorf("titles, -want +got:\n%s", diff)
		}
	}
	r.ready("a")
	expect("Title of a encoding 0")
	r.apply(weir.FactAssetPlayable, "a", 1, head)
	expect("Title of a playable 30.5")
	r.apply(weir.FactAssetComplete, "a", 1, head)
	expect("Title of a complete 30.5")
	r.ready("b")
	r.apply(weir.FactAssetFailed, "b", 1, map[string]string{"reason": "no stream"})
	expect("Title of b failed 0 no stream", "Title of a complete 30.5")
	r.apply(weir.FactAssetDeleted, "a", 3, weir.Asset{ID: "a"})
	expect("Title of b failed 0 no stream")
	want := []string{weir.FactTitleCreated + " 1", weir.FactTitleCreated + " 1", weir.FactTitleDeleted + " 4"}
	if diff := cmp.Diff(want, r.facts()); diff != "" {
		t.Errorf("facts, -want +got:\n%s", diff)
	}
}

// Facts may come twice, and old ones again after newer ones: the end is the same.
func TestRedeliveryChangesNothing(t *testing.T) {
	facts := []weir.Fact{
		newFact(t, weir.FactMasterReady, "a", 2, weir.Asset{ID: "a", Title: "A", Created: noon}),
		newFact(t, weir.FactAssetPlayable, "a", 1, head),
		newFact(t, weir.FactAssetComplete, "a", 2, head),
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		r := newRig(t)
		for i := range facts {
			for range 3 { // each new fact, then old ones in any order
				for _, f := range append([]weir.Fact{facts[i]}, facts[random.IntN(i+1)]) {
					if err := r.service.Apply(t.Context(), f); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if diff := cmp.Diff([]string{"A complete 30.5"}, r.states()); diff != "" {
			t.Fatalf("titles, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]string{weir.FactTitleCreated + " 1"}, r.facts()); diff != "" {
			t.Fatalf("facts, -want +got:\n%s", diff)
		}
	}
}

// A fact that was set aside comes after newer ones of its asset: whatever the order, the end is the same, and until the
// master's has come nobody sees a title.
func TestFactsComeInAnyOrder(t *testing.T) {
	facts := []weir.Fact{
		newFact(t, weir.FactMasterReady, "a", 2, weir.Asset{ID: "a", Title: "A", Created: noon}),
		newFact(t, weir.FactAssetPlayable, "a", 1, head),
		newFact(t, weir.FactAssetComplete, "a", 2, head),
	}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		r, heard := newRig(t), false
		for _, i := range order {
			if err := r.service.Apply(t.Context(), facts[i]); err != nil {
				t.Fatalf("order %v: Apply(%s) = %v", order, facts[i].Type, err)
			}
			heard = heard || i == 0
			_, err := r.service.Title(t.Context(), weir.DefaultOrganisation, "a")
			if seen := err == nil; seen != heard || !heard && weir.KindOf(err) != weir.NotFound || len(r.states()) == 1 != heard {
				t.Errorf("order %v, after %s: Title = %v, listed are %v; the master's fact has come: %v", order, facts[i].Type, err, r.states(), heard)
			}
		}
		if diff := cmp.Diff([]string{"A complete 30.5"}, r.states()); diff != "" {
			t.Errorf("order %v: titles, -want +got:\n%s", order, diff)
		}
		if n := len(r.facts()); n != 1 {
			t.Errorf("order %v: facts %v, want one of a new title", order, r.facts())
		}
	}
}

func TestADeletedTitleDoesNotComeBack(t *testing.T) {
	r := newRig(t)
	r.apply(weir.FactAssetDeleted, "a", 3, weir.Asset{ID: "a"}) // the first that is heard of it
	r.ready("a")
	r.apply(weir.FactAssetPlayable, "a", 1, head)
	if diff := cmp.Diff([]string{}, r.states()); diff != "" {
		t.Errorf("titles, -want +got:\n%s", diff)
	}
}

func TestFactsOfNoUseAreDropped(t *testing.T) {
	r := newRig(t)
	r.apply(weir.FactAssetPlayable, "unknown", 1, head)
	r.apply(weir.FactMasterReady, "a", 2, "not an asset")
	r.apply("billing.plan.changed", "a", 1, nil)
	r.apply(weir.FactMasterReady, "NOT AN ID", 2, weir.Asset{})
	if got := r.states(); len(got) != 0 || len(r.facts()) != 0 {
		t.Errorf("titles = %v, facts = %v, want none", got, r.facts())
	}
}

func TestRunAppliesWhatIsOnTheBus(t *testing.T) {
	r := newRig(t)
	bus, err := embed.OpenBus(t.Context(), filepath.Join(t.TempDir(), "bus.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	r.service.Bus = bus
	b, err := json.Marshal(newFact(t, weir.FactMasterReady, "a", 2, weir.Asset{ID: "a", Title: "A", Created: noon}))
	if err != nil {
		t.Fatal(err)
	}
	applied := make(chan struct{})
	r.service.Store = &watched{Store: r.service.Store, saved: applied}
	err = bus.Publish(t.Context(), weir.Message{Topic: weir.TopicFacts, Key: "a", Value: []byte("not a fact")},
		weir.Message{Topic: weir.TopicFacts, Key: "a", Value: b})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.service.Run(ctx) }()
	select {
	case <-applied:
	case <-ctx.Done():
		t.Error("the fact was not applied")
	}
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Errorf("Run = %v", err)
	}
	if diff := cmp.Diff([]string{"A encoding 0"}, r.states()); diff != "" {
		t.Errorf("titles, -want +got:\n%s", diff)
	}
}

// watched is a store that tells of its first save.
type watched struct {
	catalog.Store
	saved chan struct{}
}

// Save saves and tells.
func (w *watched) Save(ctx context.Context, t catalog.Title, facts ...weir.Fact) error {
	err := w.Store.Save(ctx, t, facts...)
	close(w.saved)
	return err
}
