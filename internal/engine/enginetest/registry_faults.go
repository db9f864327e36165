package enginetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
)

// FaultyRegistry is one registry as two see it: Near through a network with faults, Far without.
type FaultyRegistry struct {
	Proxy     *Proxy
	Near, Far weir.Registry
}

// RegistryFaults holds an engine to what [weir.Registry] says of a registry that is away. open returns an empty registry
// that, after it was away, lets those who do not come back go within a few seconds; engine is its name for [Control].
func RegistryFaults(t *testing.T, engine string, open func(t *testing.T) FaultyRegistry) {
	for _, c := range []struct {
		name string
		test func(*testing.T, FaultyRegistry)
	}{
		{"Reset", registryReset},
		{"Slow", registrySlow},
		{"Hang", registryHang},
		{"Refused", registryRefused},
		{"RegistrationReturns", registryRegistrationReturns},
		{"StopsWhileAway", registryStopsWhileAway},
		{"Restart", func(t *testing.T, r FaultyRegistry) { registryRestart(t, engine, r) }},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Instances of the fault cases.
func faultInstance(id string) weir.Instance {
	return weir.Instance{Service: "edge", ID: id, Address: "10.0.0.1:80", Meta: map[string]string{"zone": id}}
}

func registryReset(t *testing.T, r FaultyRegistry) {
	seen, values := watch(t, r.Near, "edge"), watchValue(t, r.Near, "k")
	a, b, c := faultInstance("a"), faultInstance("b"), faultInstance("c")
	register(t, r.Near, a)
	seen.until(t, a)
	receive(t, values)
	r.Proxy.Reset()
	stop := register(t, r.Far, b)
	seen.keeping(t, a, a, b)
	r.Proxy.Reset()
	stop()
	seen.keeping(t, a, a)
	r.Proxy.CutAfter(20) // in the middle of an answer's head
	register(t, r.Far, c)
	version := putValue(t, r.Far, "k", "v", 0)
	seen.keeping(t, a, a, c)
	if pair := receive(t, values); pair.Version != version || string(pair.Value) != "v" {
		t.Errorf("after a reset seen %+v, want version %d", pair, version)
	}
}

func registrySlow(t *testing.T, r FaultyRegistry) {
	r.Proxy.Delay(100 * time.Millisecond)
	seen := watch(t, r.Near, "edge")
	a := faultInstance("a")
	stop := register(t, r.Near, a)
	seen.until(t, a)
	version := putValue(t, r.Near, "k", "v", 0)
	wantValue(t, r.Near, "k", "v", version)
	putValue(t, r.Near, "k", pattern(512<<10, 7), version)
	stop()
	seen.until(t)
}

func registryHang(t *testing.T, r FaultyRegistry) {
	seen, values := watch(t, r.Near, "edge"), watchValue(t, r.Near, "k")
	a, b := faultInstance("a"), faultInstance("b")
	register(t, r.Far, a)
	seen.until(t, a)
	receive(t, values)
	r.Proxy.Silence(true)
	_, err := r.Near.KV(t.Context(), "k")
	wantKind(t, err, weir.Unavailable)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = r.Near.PutKV(ctx, "other", []byte("v"), 0)
	wantKind(t, err, weir.Timeout)
	register(t, r.Far, b)
	version := putValue(t, r.Far, "k", "v", 0)
	r.Proxy.Heal()
	seen.keeping(t, a, a, b)
	if pair := receive(t, values); pair.Version != version {
		t.Errorf("after a hang seen %+v, want version %d", pair, version)
	}
}

func registryRefused(t *testing.T, r FaultyRegistry) {
	version := putValue(t, r.Far, "k", "v", 0)
	r.Proxy.Refuse(true)
	r.Proxy.Reset()
	_, err := r.Near.KV(t.Context(), "k")
	wantKind(t, err, weir.Unavailable)
	_, err = r.Near.PutKV(t.Context(), "k", []byte("w"), version)
	wantKind(t, err, weir.Unavailable)
	a := faultInstance("a")
	register(t, r.Near, a) // begins while the registry is away, as does who watches
	seen, values := watch(t, r.Near, "edge"), watchValue(t, r.Near, "k")
	r.Proxy.Heal()
	seen.until(t, a)
	if pair := receive(t, values); pair.Version != version || string(pair.Value) != "v" {
		t.Errorf("seen %+v, want version %d", pair, version)
	}
	wantValue(t, r.Near, "k", "v", version)
}

// registryRegistrationReturns: who is cut off is gone after its time to live and comes back by itself.
func registryRegistrationReturns(t *testing.T, r FaultyRegistry) {
	seen := watch(t, r.Far, "edge")
	a := faultInstance("a")
	background(t, func(ctx context.Context) error { return r.Near.Register(ctx, a, time.Second) })
	for range 2 {
		seen.until(t, a)
		r.Proxy.Refuse(true)
		r.Proxy.Reset()
		seen.until(t)
		r.Proxy.Heal()
	}
	seen.until(t, a)
}

// registryStopsWhileAway: a registry that is away keeps nobody from stopping.
func registryStopsWhileAway(t *testing.T, r FaultyRegistry) {
	seen := watch(t, r.Far, "edge")
	stopWatch := background(t, func(ctx context.Context) error { return r.Near.Watch(ctx, "edge", func([]weir.Instance) {}) })
	stopValue := background(t, func(ctx context.Context) error { return r.Near.WatchKV(ctx, "k", func(weir.KVPair) {}) })
	a := faultInstance("a")
	stop := background(t, func(ctx context.Context) error { return r.Near.Register(ctx, a, time.Second) })
	seen.until(t, a)
	r.Proxy.Silence(true)
	stop()
	stopWatch()
	stopValue()
	seen.until(t)
}

// registryRestart: the last good set stands while the engine is down and while it comes up.
func registryRestart(t *testing.T, engine string, r FaultyRegistry) {
	t.Cleanup(func() { Control(t, "up", engine) })
	seen, values := watch(t, r.Far, "edge"), watchValue(t, r.Far, "k")
	a, b := faultInstance("a"), faultInstance("b")
	stop := register(t, r.Far, a)
	seen.until(t, a)
	receive(t, values)
	first := putValue(t, r.Far, "k", "first", 0)
	receive(t, values)
	Control(t, "kill", engine)
	_, err := r.Far.KV(t.Context(), "k")
	wantKind(t, err, weir.Unavailable)
	register(t, r.Far, b)
	Control(t, "up", engine)
	seen.keeping(t, a, a, b)
	second := putValue(t, r.Far, "k", "second", first)
	if pair := receive(t, values); pair.Version != second {
		t.Errorf("after a restart seen %+v, want version %d", pair, second)
	}
	stop()
	seen.keeping(t, b, b)
}

// keeping waits as until does; nothing seen before may be without kept.
func (s sightings) keeping(t *testing.T, kept weir.Instance, want ...weir.Instance) {
	t.Helper()
	deadline := time.After(wait)
	var last []weir.Instance
	for {
		select {
		case last = <-s:
			if !slices.ContainsFunc(last, func(i weir.Instance) bool { return cmp.Equal(i, kept) }) {
				t.Fatalf("seen %v, without %v", last, kept)
			}
			if cmp.Equal(want, last) {
				return
			}
		case <-deadline:
			t.Fatalf("never seen (-want +last):\n%s", cmp.Diff(want, last))
		}
	}
}
