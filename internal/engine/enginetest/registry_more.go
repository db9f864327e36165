package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
)

// registryUnusualInstances: what an instance says is what watchers see, and names that look alike are not one.
func registryUnusualInstances(t *testing.T, r weir.Registry) {
	meta := map[string]string{"": "empty", "with space": "and ü\n\x00", "consul-x": "reserved there", "empty": "", "<&>": `"\`,
		strings.Repeat("n", 300): strings.Repeat("ü", 3000)}
	for i := range 100 {
		meta[fmt.Sprint("many-", i)] = "v"
	}
	var want []weir.Instance
	for _, id := range []string{"a", "A", "a/b", "a//b", "../a", " ", "ü", "%41", strings.Repeat("i", 500), "00", "0"} {
		want = append(want, weir.Instance{Service: "edge", ID: id, Address: "[2001:db8::1]:443", Meta: meta})
	}
	want = append(want, weir.Instance{Service: "edge", ID: "z", Address: "not an address"}, weir.Instance{Service: "edge", ID: "zz"})
	slices.SortFunc(want, func(a, b weir.Instance) int { return cmp.Compare(a.ID, b.ID) })
	seen := watch(t, r, "edge")
	for _, i := range want {
		register(t, r, i)
	}
	seen.until(t, want...)
	for _, service := range []string{"Edge", "edge/", "-edge-", "ed ge", "ed/ge", "ed-ge", "ü", "ö", strings.Repeat("s", 200), strings.Repeat("s", 201)} {
		i := weir.Instance{Service: service, ID: "a", Address: "10.0.0.1:80"}
		register(t, r, i)
		watch(t, r, service).until(t, i)
	}
}

// registryReplacedInstance: an instance that was replaced by one of the same id does not take it along when it ends.
func registryReplacedInstance(t *testing.T, r weir.Registry) {
	before := weir.Instance{Service: "edge", ID: "a", Address: "10.0.0.1:80"}
	after, last := before, weir.Instance{Service: "edge", ID: "b", Address: "10.0.0.3:80"}
	after.Address = "10.0.0.2:80"
	seen := watch(t, r, "edge")
	stopBefore := register(t, r, before)
	seen.until(t, before)
	stopAfter := register(t, r, after)
	seen.until(t, after)
	stopBefore()
	register(t, r, last)
	seen.keeping(t, after, after, last)
	stopAfter()
	seen.until(t, last)
}

func registryNoNewsWithoutChange(t *testing.T, r weir.Registry) {
	seen, values := watch(t, r, "edge"), watchValue(t, r, "k")
	if first := receive(t, seen); len(first) != 0 {
		t.Errorf("first seen %v, want nobody", first)
	}
	receive(t, values)
	for i := range 10 {
		register(t, r, weir.Instance{Service: "other", ID: fmt.Sprint(i), Address: "10.0.0.1:80"})
		putValue(t, r, fmt.Sprint("other-", i), "v", 0)
	}
	a := weir.Instance{Service: "edge", ID: "a", Address: "10.0.0.1:80"}
	stop := register(t, r, a)
	if got := receive(t, seen); !gocmp.Equal(got, []weir.Instance{a}) {
		t.Errorf("then seen %v, want %v", got, a)
	}
	stop()
	if got := receive(t, seen); len(got) != 0 {
		t.Errorf("then seen %v, want nobody", got)
	}
	if version := putValue(t, r, "k", "v", 0); receive(t, values).Version != version {
		t.Errorf("then seen another version than %d", version)
	}
}

// registryManyWatchers: all see the same, and what one does to its list is its own matter.
func registryManyWatchers(t *testing.T, r weir.Registry) {
	a := weir.Instance{Service: "edge", ID: "a", Address: "10.0.0.1:80", Meta: map[string]string{"zone": "1"}}
	spoiled := make(chan struct{}, 1000)
	background(t, func(ctx context.Context) error {
		return r.Watch(ctx, "edge", func(list []weir.Instance) {
			for i := range list {
				list[i].Meta["zone"], list[i].ID = "spoiled", "spoiled"
				spoiled <- struct{}{}
			}
		})
	})
	var all []sightings
	for range racers {
		all = append(all, watch(t, r, "edge"))
	}
	register(t, r, a)
	receive(t, spoiled)
	for _, seen := range all {
		seen.until(t, a)
	}
	watch(t, r, "edge").until(t, a)
}

// pairs is what every registry offers besides, to be copied to another: all its values, sorted by key.
type pairs interface {
	Pairs(ctx context.Context) ([]weir.KVPair, error)
}

func registryPairs(t *testing.T, r weir.Registry) {
	p, ok := r.(pairs)
	if !ok {
		t.Fatalf("%T does not list its values", r)
	}
	list := func(want ...weir.KVPair) {
		t.Helper()
		got, err := p.Pairs(t.Context())
		if diff := gocmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Pairs: %v (-want +got):\n%s", err, diff)
		}
	}
	list()
	var want []weir.KVPair
	for _, key := range []string{"b", "a", "a/b", "B", "ü", "%2F", "/", "a//b", "..", "\xff"} {
		value := []byte("v of " + key)
		want = append(want, weir.KVPair{Key: key, Value: value, Version: putValue(t, r, key, string(value), 0)})
	}
	register(t, r, weir.Instance{Service: "edge", ID: "a", Address: "10.0.0.1:80"})
	slices.SortFunc(want, func(a, b weir.KVPair) int { return cmp.Compare(a.Key, b.Key) })
	list(want...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Pairs(ctx)
	wantKind(t, err, weir.Unavailable)
}
