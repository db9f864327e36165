package keyring_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/keyring"
)

// away is a registry that does not answer for a number of calls; below 0 for good.
type away struct {
	weir.Registry
	calls int
}

func (a *away) KV(ctx context.Context, key string) (weir.KVPair, error) {
	if a.calls != 0 {
		a.calls--
		return weir.KVPair{}, weir.Errorf(weir.Unavailable, "the registry does not answer")
	}
	return a.Registry.KV(ctx, key)
}

// WatchKV goes on trying, as every registry does.
func (a *away) WatchKV(ctx context.Context, key string, f func(weir.KVPair)) error {
	if a.calls != 0 {
		<-ctx.Done()
		return nil
	}
	return a.Registry.WatchKV(ctx, key, f)
}

// scripted is a registry whose watchers are told what comes, and that tells when they have heard it.
type scripted struct {
	weir.Registry
	pairs chan weir.KVPair
	heard chan struct{}
}

func (s *scripted) WatchKV(ctx context.Context, _ string, f func(weir.KVPair)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case pair := <-s.pairs:
			f(pair)
			s.heard <- struct{}{}
		}
	}
}

func (s *scripted) tell(t *testing.T, pair weir.KVPair) {
	t.Helper()
	select {
	case s.pairs <- pair:
		<-s.heard
	case <-time.After(30 * time.Second):
		t.Fatal("nobody watches")
	}
}

func newKeys(r weir.Registry, copies string) *keyring.Keys {
	return &keyring.Keys{Registry: r, Root: root, Organisations: []string{organisation}, Copies: copies}
}

// start runs k until the test ends, and returns when k is ready.
func start(t *testing.T, k *keyring.Keys) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- k.Run(ctx, ready) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		t.Fatal("Run is not ready")
	}
}

func wantKey(t *testing.T, k *keyring.Keys, want weir.TicketKey) {
	t.Helper()
	if got, ok := k.Lookup(want.ID); !ok || !bytes.Equal(got.Secret, want.Secret) {
		t.Errorf("Lookup(%s) = %v, %t", want.ID, got.ID, ok)
	}
}

func TestPrepareWaitsForTheRegistry(t *testing.T) {
	var log bytes.Buffer
	k := newKeys(&away{Registry: newRegistry(t), calls: 3}, "")
	k.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := k.Prepare(t.Context(), time.Minute); err != nil {
		t.Errorf("Prepare = %v", err)
	}
	wantKey(t, k, current(t, k))
	if n := strings.Count(log.String(), "the registry is away"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

func TestPrepareGivesUp(t *testing.T) {
	k := newKeys(&away{calls: -1}, t.TempDir())
	err := k.Prepare(t.Context(), 10*time.Millisecond)
	if weir.KindOf(err) != weir.Unavailable || !strings.Contains(err.Error(), "within 10ms") {
		t.Errorf("Prepare = %v, want Unavailable", err)
	}
	registry := newRegistry(t)
	current(t, newKeys(registry, ""))
	other := newKeys(registry, "")
	other.Root = keyring.RootKey{9}
	err = other.Prepare(t.Context(), time.Hour) // at once
	if err == nil || weir.KindOf(err) != weir.Internal || !strings.Contains(err.Error(), "need the same --root-key") {
		t.Errorf("Prepare with another root key = %v", err)
	}
}

// A process that starts while the registry is away has the keys of its last run.
func TestCopies(t *testing.T) {
	copies := filepath.Join(t.TempDir(), "keys")
	registry := newRegistry(t)
	key := current(t, newKeys(registry, ""))
	edge := newKeys(registry, copies)
	start(t, edge)
	wantKey(t, edge, key)

	restarted := newKeys(&away{calls: -1}, copies)
	if err := restarted.Prepare(t.Context(), time.Hour); err != nil {
		t.Errorf("Prepare = %v", err)
	}
	wantKey(t, restarted, key)
	restarted = newKeys(&away{calls: -1}, copies)
	start(t, restarted)
	wantKey(t, restarted, key)

	names, err := filepath.Glob(filepath.Join(copies, "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("copies are %q, %v, want one", names, err)
	}
	content, err := os.ReadFile(names[0])
	if err != nil || bytes.Contains(content, key.Secret) {
		t.Errorf("the copy holds the secret, or %v", err)
	}
	if info, err := os.Stat(names[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy is %v, %v, want mode 0600", info.Mode(), err)
	}
	other := newKeys(&away{calls: -1}, copies)
	other.Root = keyring.RootKey{9}
	if err := other.Prepare(t.Context(), time.Millisecond); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Prepare with a copy of another root key = %v, want Unavailable", err)
	}
	if err := os.WriteFile(names[0], content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := newKeys(registry, copies)
	if err := damaged.Prepare(t.Context(), time.Minute); err != nil {
		t.Errorf("Prepare with a damaged copy = %v", err)
	}
	wantKey(t, damaged, key)
	if again, err := os.ReadFile(names[0]); err != nil || !bytes.Equal(again, content) {
		t.Errorf("the damaged copy was not replaced (%v)", err)
	}
}

// A registry that lost its values is given the keys back, by who runs and by who starts.
func TestLostKeysAreGivenBack(t *testing.T) {
	copies := t.TempDir()
	key := current(t, newKeys(newRegistry(t), copies))

	empty := newRegistry(t)
	if got := current(t, newKeys(empty, copies)); got.ID != key.ID {
		t.Errorf("Current of an empty registry = %s, want that of the last run, %s", got.ID, key.ID)
	}
	if got := current(t, newKeys(empty, "")); got.ID != key.ID {
		t.Errorf("another process has %s, want %s", got.ID, key.ID)
	}

	emptyAgain := &scripted{newRegistry(t), make(chan weir.KVPair), make(chan struct{})}
	running := newKeys(emptyAgain, copies)
	start(t, running)
	emptyAgain.tell(t, weir.KVPair{})
	if got := current(t, newKeys(emptyAgain.Registry, "")); got.ID != key.ID {
		t.Errorf("another process has %s, want %s", got.ID, key.ID)
	}
}

// The registry's word counts, also when its versions began anew; but what cannot be opened replaces nothing.
func TestRunFollowsTheRegistry(t *testing.T) {
	set := func() (weir.TicketKey, []byte) {
		registry := newRegistry(t)
		key := current(t, newKeys(registry, ""))
		pair, err := registry.KV(t.Context(), "keys/tickets/"+organisation)
		if err != nil {
			t.Fatal(err)
		}
		return key, pair.Value
	}
	before, sealedBefore := set()
	after, sealedAfter := set()
	copies := t.TempDir()
	current(t, newKeys(newRegistry(t), copies)) // makes Run ready before it is told of anything
	registry := &scripted{newRegistry(t), make(chan weir.KVPair), make(chan struct{})}
	k := newKeys(registry, copies)
	start(t, k)
	registry.tell(t, weir.KVPair{Value: sealedBefore, Version: 1000})
	wantKey(t, k, before)
	registry.tell(t, weir.KVPair{Value: []byte("{}"), Version: 1001})
	wantKey(t, k, before)
	registry.tell(t, weir.KVPair{Value: sealedAfter, Version: 7})
	wantKey(t, k, after)
	if _, ok := k.Lookup(before.ID); ok {
		t.Error("a key is known that the registry has no more")
	}
}
