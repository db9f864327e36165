package keyring_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/keyring"
)

const organisation = weir.DefaultOrganisation

var root = keyring.RootKey{1, 2, 3}

func newRegistry(t *testing.T) *embed.Registry {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), filepath.Join(t.TempDir(), "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &embed.Registry{DB: db}
}

func current(t *testing.T, k *keyring.Keys) weir.TicketKey {
	t.Helper()
	key, err := k.Current(t.Context(), organisation)
	if err != nil {
		t.Fatalf("Current = %v", err)
	}
	return key
}

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	registry := newRegistry(t)
	first := &keyring.Keys{Registry: registry, Root: root}
	if _, ok := first.Lookup("x"); ok {
		t.Error("Lookup finds a key where there is none")
	}
	key := current(t, first)
	if !weir.ValidID(key.ID) || key.Organisation != organisation || len(key.Secret) != 32 {
		t.Errorf("Current = %+v", key)
	}
	if again := current(t, first); again.ID != key.ID {
		t.Error("Current makes a key each time")
	}
	restarted := &keyring.Keys{Registry: registry, Root: root}
	if again := current(t, restarted); again.ID != key.ID || !bytes.Equal(again.Secret, key.Secret) {
		t.Error("after a restart the key is another")
	}
	if found, ok := restarted.Lookup(key.ID); !ok || !bytes.Equal(found.Secret, key.Secret) {
		t.Errorf("Lookup(%s) = %v, %t", key.ID, found, ok)
	}
	if _, err := first.Current(t.Context(), "../x"); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Current of a bad organisation = %v, want invalid", err)
	}
}

func TestProcessesThatStartTogetherAgree(t *testing.T) {
	registry := newRegistry(t)
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			key, err := (&keyring.Keys{Registry: registry, Root: root}).Current(t.Context(), organisation)
			if err != nil {
				t.Errorf("Current = %v", err)
			}
			ids[i] = key.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("keys differ: %v", ids)
		}
	}
}

func TestStoredKeysAreSealed(t *testing.T) {
	registry := newRegistry(t)
	key := current(t, &keyring.Keys{Registry: registry, Root: root})
	pair, err := registry.KV(t.Context(), "keys/tickets/"+organisation)
	if err != nil || pair.Version == 0 {
		t.Fatalf("KV = %+v, %v", pair, err)
	}
	secret, err := json.Marshal(key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(pair.Value, key.Secret) || bytes.Contains(pair.Value, bytes.Trim(secret, `"`)) {
		t.Error("the secret is stored in the clear")
	}
	_, err = (&keyring.Keys{Registry: registry, Root: keyring.RootKey{9}}).Current(t.Context(), organisation)
	if err == nil || !strings.Contains(err.Error(), "another root key") {
		t.Errorf("Current with another root key = %v", err)
	}
	// The same bytes under another organisation's name open nothing.
	if _, err := registry.PutKV(t.Context(), "keys/tickets/other", pair.Value, 0); err != nil {
		t.Fatal(err)
	}
	if key, err := (&keyring.Keys{Registry: registry, Root: root}).Current(t.Context(), "other"); err == nil {
		t.Errorf("a key set moved to another organisation opens: %+v", key.ID)
	}
}

// The edge's side: it makes no keys and learns of them.
func TestRunLearnsKeysMadeElsewhere(t *testing.T) {
	registry := newRegistry(t)
	told := make(chan uint64, 10)
	edge := &keyring.Keys{Registry: telling{registry, told}, Root: root, Organisations: []string{organisation}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- edge.Run(ctx, ready) }()
	<-ready
	key := current(t, &keyring.Keys{Registry: registry, Root: root})
	for version := uint64(0); version == 0 && ctx.Err() == nil; {
		select {
		case version = <-told:
		case <-ctx.Done():
		}
	}
	if _, ok := edge.Lookup(key.ID); !ok {
		t.Error("the edge does not know the key")
	}
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Errorf("Run = %v", err)
	}
}

// telling is a registry that says which versions its watchers were told of.
type telling struct {
	weir.Registry
	told chan<- uint64
}

// WatchKV tells after f.
func (r telling) WatchKV(ctx context.Context, key string, f func(weir.KVPair)) error {
	return r.Registry.WatchKV(ctx, key, func(pair weir.KVPair) {
		f(pair)
		r.told <- pair.Version
	})
}

func TestRunRefusesKeysItCannotOpen(t *testing.T) {
	registry := newRegistry(t)
	current(t, &keyring.Keys{Registry: registry, Root: root})
	edge := &keyring.Keys{Registry: registry, Root: keyring.RootKey{9}, Organisations: []string{organisation}}
	if err := edge.Run(t.Context(), nil); weir.KindOf(err) != weir.Internal || err == nil {
		t.Errorf("Run with another root key = %v, want its error", err)
	}
}

func TestSeal(t *testing.T) {
	sealed, err := root.Seal([]byte("secret"), []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := root.Open(sealed, []byte("a")); err != nil || string(got) != "secret" {
		t.Errorf("Open = %q, %v", got, err)
	}
	again, err := root.Seal([]byte("secret"), []byte("a"))
	if err != nil || bytes.Equal(sealed, again) {
		t.Errorf("Seal gives the same bytes twice (%v)", err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return root.Open(sealed, []byte("b")) },
		"another key":     func() ([]byte, error) { return keyring.RootKey{7}.Open(sealed, []byte("a")) },
		"cut":             func() ([]byte, error) { return root.Open(sealed[:5], []byte("a")) },
		"no key":          func() ([]byte, error) { return keyring.RootKey{}.Open(sealed, []byte("a")) },
	} {
		if got, err := open(); err == nil {
			t.Errorf("Open with %s = %q", name, got)
		}
	}
	if s := root.String(); strings.Contains(s, "010203") || !strings.HasPrefix(s, "root key ") {
		t.Errorf("String = %q", s)
	}
}
