package enginetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
)

// lifetime is the least time-to-live that Consul takes.
const lifetime = 10 * time.Second

// Registry holds an engine to the contract of [weir.Registry]. open returns an empty registry.
func Registry(t *testing.T, open func(t *testing.T) weir.Registry) {
	for _, c := range []struct {
		name string
		test func(*testing.T, weir.Registry)
	}{
		{"Instances", registryInstances},
		{"InstancesRace", registryInstancesRace},
		{"InvalidInstances", registryInvalidInstances},
		{"UnusualInstances", registryUnusualInstances},
		{"ReplacedInstance", registryReplacedInstance},
		{"NoNewsWithoutChange", registryNoNewsWithoutChange},
		{"ManyWatchers", registryManyWatchers},
		{"WatchEnds", registryWatchEnds},
		{"Values", registryValues},
		{"UnusualValues", registryUnusualValues},
		{"ValueChain", registryValueChain},
		{"WatchValue", registryWatchValue},
		{"Pairs", registryPairs},
		{"Context", registryContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func registryInstances(t *testing.T, r weir.Registry) {
	seen := watch(t, r, "edge")
	seen.until(t) // nobody
	b := weir.Instance{Service: "edge", ID: "b", Address: "10.0.0.2:80", Meta: map[string]string{"zone": "2"}}
	a := weir.Instance{Service: "edge", ID: "a", Address: "10.0.0.1:80"}
	other := weir.Instance{Service: "gateway", ID: "a", Address: "10.0.0.3:80"}
	stopB := register(t, r, b)
	seen.until(t, b)
	register(t, r, other)
	stopA := register(t, r, a)
	seen.until(t, a, b)
	watch(t, r, "edge").until(t, a, b) // one who comes late
	watch(t, r, "gateway").until(t, other)
	stopB()
	seen.until(t, a)
	stopA()
	seen.until(t)
	moved := a
	moved.Address = "10.0.0.9:80"
	register(t, r, moved)
	seen.until(t, moved)
}

// registryInstancesRace: whatever order they come and go in, a watcher ends at the truth.
func registryInstancesRace(t *testing.T, r weir.Registry) {
	seen := watch(t, r, "edge")
	var stay []weir.Instance
	for i := range racers {
		stay = append(stay, weir.Instance{Service: "edge", ID: fmt.Sprintf("stays-%02d", i), Address: "10.0.0.1:80"})
	}
	race(func(i int) {
		register(t, r, weir.Instance{Service: "edge", ID: fmt.Sprint("goes-", i), Address: "10.0.0.1:80"})()
		register(t, r, stay[i])
	})
	seen.until(t, stay...)
}

func registryInvalidInstances(t *testing.T, r weir.Registry) {
	for _, i := range []weir.Instance{{ID: "a"}, {Service: "edge"}, {Service: "edge", ID: "\xff"},
		{Service: "edge", ID: "a", Meta: map[string]string{"k": "\xff"}}} {
		wantKind(t, r.Register(t.Context(), i, lifetime), weir.Invalid)
	}
	large := weir.Instance{Service: "edge", ID: "a", Meta: map[string]string{"k": strings.Repeat("v", weir.MaxInstanceBytes)}}
	wantKind(t, r.Register(t.Context(), large, lifetime), weir.TooLarge)
	wantKind(t, r.Register(t.Context(), weir.Instance{Service: "edge", ID: "a"}, 0), weir.Invalid)
}

func registryWatchEnds(t *testing.T, r weir.Registry) {
	ctx, cancel := context.WithCancel(t.Context())
	called := 0
	err := r.Watch(ctx, "edge", func([]weir.Instance) {
		called++
		cancel()
	})
	if err != nil || called != 1 {
		t.Errorf("Watch = %v after %d calls, want nil after 1", err, called)
	}
	ctx, cancel = context.WithCancel(t.Context())
	called = 0
	err = r.WatchKV(ctx, "k", func(weir.KVPair) {
		called++
		cancel()
	})
	if err != nil || called != 1 {
		t.Errorf("WatchKV = %v after %d calls, want nil after 1", err, called)
	}
}

func registryValues(t *testing.T, r weir.Registry) {
	wantValue(t, r, "config/k", "", 0)
	_, err := r.PutKV(t.Context(), "config/k", []byte("x"), 7)
	wantKind(t, err, weir.Conflict)
	first := putValue(t, r, "config/k", "first", 0)
	wantValue(t, r, "config/k", "first", first)
	_, err = r.PutKV(t.Context(), "config/k", []byte("x"), 0)
	wantKind(t, err, weir.Conflict)
	second := putValue(t, r, "config/k", "second", first)
	if second <= first || first == 0 {
		t.Errorf("versions %d, then %d", first, second)
	}
	_, err = r.PutKV(t.Context(), "config/k", []byte("x"), first)
	wantKind(t, err, weir.Conflict)
	wantValue(t, r, "config/k", "second", second)
	wantValue(t, r, "config", "", 0)
	same := putValue(t, r, "config/k", "second", second) // Consul keeps the version of a value that stays the same
	wantValue(t, r, "config/k", "second", same)
}

func registryUnusualValues(t *testing.T, r weir.Registry) {
	f := func(key, value string) {
		t.Helper()
		wantValue(t, r, key, value, putValue(t, r, key, value, 0))
	}
	f("empty", "")
	f("binary", "\x00\xff\x00")
	f("a", "beside a/b")
	f("a/b", "beside a")
	f("A", "not a")
	f("with space and ü", "v")
	f(strings.Repeat("k", 500), "v")
	for _, key := range []string{"/", "//", "/leading", "trailing/", "a//b", ".", "..", "./a", "a/..", "a/../b", "a/.hidden", "...",
		"%", "%2F", "a%2fb", "+", "?q=1#f", "\x00\xff", "\n", "a:b;c=d&e,f", "~-._", "recurse"} {
		f(key, "v of "+key)
	}
	f("large", pattern(512<<10, 5))
	_, err := r.PutKV(t.Context(), "too-large", make([]byte, 512<<10+1), 0)
	wantKind(t, err, weir.TooLarge)
	_, err = r.PutKV(t.Context(), "", []byte("x"), 0)
	wantKind(t, err, weir.Invalid)
	_, err = r.KV(t.Context(), "")
	wantKind(t, err, weir.Invalid)
}

// registryValueChain: of those who write at one version one wins.
func registryValueChain(t *testing.T, r weir.Registry) {
	version := uint64(0)
	for round := range 5 {
		versions := make([]uint64, racers)
		errs := make([]error, racers)
		race(func(i int) {
			versions[i], errs[i] = r.PutKV(t.Context(), "k", fmt.Append(nil, round, i), version)
		})
		winner := -1
		for i, err := range errs {
			switch {
			case err != nil:
				wantKind(t, err, weir.Conflict)
			case winner >= 0:
				t.Errorf("round %d: both %d and %d won", round, winner, i)
			default:
				winner = i
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		version = versions[winner]
		wantValue(t, r, "k", fmt.Sprint(round, winner), version)
	}
}

// registryWatchValue: a watcher of a value that changes quickly may miss steps, but not the last, and never sees one
// twice or out of order.
func registryWatchValue(t *testing.T, r weir.Registry) {
	seen := watchValue(t, r, "k")
	if pair := receive(t, seen); pair.Version != 0 || pair.Key != "k" {
		t.Errorf("first seen %+v, want version 0", pair)
	}
	version := uint64(0)
	putValue(t, r, "other", "x", 0)
	for i := range 100 {
		version = putValue(t, r, "k", fmt.Sprint(i), version)
	}
	last := uint64(0)
	for last != version {
		pair := receive(t, seen)
		if pair.Version <= last {
			t.Fatalf("saw version %d after %d", pair.Version, last)
		}
		last = pair.Version
		if last == version && string(pair.Value) != "99" {
			t.Errorf("last seen %q, want 99", pair.Value)
		}
	}
	if pair := receive(t, watchValue(t, r, "k")); pair.Version != version { // one who comes late
		t.Errorf("first seen version %d, want %d", pair.Version, version)
	}
}

func registryContext(t *testing.T, r weir.Registry) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.KV(ctx, "k")
	wantKind(t, err, weir.Unavailable)
	_, err = r.PutKV(ctx, "k", []byte("v"), 0)
	wantKind(t, err, weir.Unavailable)
	wantValue(t, r, "k", "", 0)
	if err := r.Register(ctx, weir.Instance{Service: "edge", ID: "a"}, lifetime); err != nil {
		t.Errorf("Register under a context that has ended = %v, want nil", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	_, err = r.KV(ctx, "k")
	wantKind(t, err, weir.Timeout)
	_, err = r.PutKV(ctx, "k", []byte("v"), 0)
	wantKind(t, err, weir.Timeout)
	wantValue(t, r, "k", "", 0)
	watch(t, r, "edge").until(t)
}

// register runs Register until stop is called, or the test ends, and stop waits for its end.
func register(t *testing.T, r weir.Registry, i weir.Instance) (stop func()) {
	t.Helper()
	return background(t, func(ctx context.Context) error { return r.Register(ctx, i, lifetime) })
}

func background(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f(ctx); err != nil {
			t.Errorf("%v when its context ended, want nil", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// sightings are the lists a watcher saw.
type sightings chan []weir.Instance

func watch(t *testing.T, r weir.Registry, service string) sightings {
	seen := make(sightings, 1000)
	background(t, func(ctx context.Context) error {
		return r.Watch(ctx, service, func(is []weir.Instance) { seen <- is })
	})
	return seen
}

// until waits until exactly these are seen, in this order.
func (s sightings) until(t *testing.T, want ...weir.Instance) {
	t.Helper()
	deadline := time.After(wait)
	var last []weir.Instance
	for {
		select {
		case last = <-s:
			if len(want) == 0 && len(last) == 0 || cmp.Equal(want, last) {
				return
			}
		case <-deadline:
			t.Fatalf("never seen (-want +last):\n%s", cmp.Diff(want, last))
		}
	}
}

func watchValue(t *testing.T, r weir.Registry, key string) <-chan weir.KVPair {
	seen := make(chan weir.KVPair, 1000)
	background(t, func(ctx context.Context) error {
		return r.WatchKV(ctx, key, func(p weir.KVPair) { seen <- p })
	})
	return seen
}

func putValue(t *testing.T, r weir.Registry, key, value string, version uint64) uint64 {
	t.Helper()
	v, err := r.PutKV(t.Context(), key, []byte(value), version)
	if err != nil {
		t.Fatalf("PutKV(%.50q, version %d) = %v", key, version, err)
	}
	return v
}

func wantValue(t *testing.T, r weir.Registry, key, value string, version uint64) {
	t.Helper()
	p, err := r.KV(t.Context(), key)
	if err != nil || p.Key != key || string(p.Value) != value || p.Version != version {
		t.Errorf("KV(%.50q) = %d bytes, version %d, %v, want %d bytes, version %d", key, len(p.Value), p.Version, err, len(value), version)
	}
}
