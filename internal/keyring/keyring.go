// Package keyring holds the keys that sign tickets: made on first use, one set an organisation, kept in the registry's
// key-value store as bytes that only the root key opens. The control plane signs with them and the edge verifies with them;
// neither knows of this package, cmd/weir passes them what they need. It holds no user's secrets and makes no tickets.
package keyring

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"golang.org/x/sync/errgroup"
)

// secretBytes is the length of a ticket key's secret.
const secretBytes = 32

// Keys is the key sets of some organisations. Registry, Root and Organisations must be set. Safe for concurrent use; Lookup
// knows what Current made or Run was told of.
type Keys struct {
	Registry      weir.Registry
	Root          RootKey
	Organisations []string         // whose keys Run follows
	Now           func() time.Time // nil is time.Now

	mu   sync.RWMutex
	sets map[string]loaded // by organisation
}

// loaded is a key set as last seen.
type loaded struct {
	version uint64
	keys    []weir.TicketKey // oldest first; the last signs
}

// stored is the value in the registry.
type stored struct {
	Version int         `json:"version"`
	Keys    []storedKey `json:"keys"` // oldest first
}

type storedKey struct {
	ID      string    `json:"id"`
	Root    string    `json:"root"`   // id of the root key that sealed it
	Sealed  []byte    `json:"sealed"` // nonce and ciphertext
	Created time.Time `json:"created"`
}

const storedVersion = 1

func registryKey(organisation string) string { return "keys/tickets/" + organisation }

// additional binds a sealed secret to what it is for, so that moving it elsewhere makes it unreadable.
func additional(organisation, id string) []byte {
	return []byte("weir ticket key\x00" + organisation + "\x00" + id)
}

// Current is the key that signs the organisation's tickets, made now if there is none. Errors are Internal (a root key
// that does not open the set) or the registry's.
func (k *Keys) Current(ctx context.Context, organisation string) (weir.TicketKey, error) {
	if !weir.ValidID(organisation) {
		return weir.TicketKey{}, weir.Errorf(weir.Invalid, "organisation %q has no valid id", organisation)
	}
	if key, ok := k.newest(organisation); ok {
		return key, nil
	}
	for range 5 {
		pair, err := k.Registry.KV(ctx, registryKey(organisation))
		if err != nil {
			return weir.TicketKey{}, fmt.Errorf("read ticket keys: %w", err)
		}
		if pair.Version == 0 {
			if pair, err = k.create(ctx, organisation); weir.KindOf(err) == weir.Conflict {
				continue // another process was first; its keys count
			}
			if err != nil {
				return weir.TicketKey{}, err
			}
		}
		if err := k.learn(organisation, pair); err != nil {
			return weir.TicketKey{}, err
		}
		if key, ok := k.newest(organisation); ok {
			return key, nil
		}
	}
	return weir.TicketKey{}, weir.Errorf(weir.Unavailable, "The keys are being changed. Try again.")
}

// Lookup finds a key by its id, for the edge: no I/O.
func (k *Keys) Lookup(kid string) (weir.TicketKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, set := range k.sets {
		for _, key := range set.keys {
			if key.ID == kid {
				return key, true
			}
		}
	}
	return weir.TicketKey{}, false
}

// Run follows the key sets until ctx ends. ready, if not nil, is closed once the sets that exist are known.
func (k *Keys) Run(ctx context.Context, ready chan<- struct{}) error {
	group, ctx := errgroup.WithContext(ctx)
	var first sync.WaitGroup
	first.Add(len(k.Organisations))
	for _, organisation := range k.Organisations {
		once := sync.OnceFunc(first.Done)
		group.Go(func() error {
			defer once()
			var bad error
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			err := k.Registry.WatchKV(ctx, registryKey(organisation), func(pair weir.KVPair) {
				if bad = k.learn(organisation, pair); bad != nil {
					stop()
				}
				once()
			})
			if bad != nil {
				return bad
			}
			return err
		})
	}
	first.Wait()
	if ready != nil {
		close(ready)
	}
	return group.Wait()
}

// create writes a set of one key.
func (k *Keys) create(ctx context.Context, organisation string) (weir.KVPair, error) {
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	id := weir.NewID(now())
	sealed, err := k.Root.Seal(secret, additional(organisation, id))
	if err != nil {
		return weir.KVPair{}, err
	}
	value, err := json.Marshal(stored{Version: storedVersion, Keys: []storedKey{{ID: id, Root: k.Root.ID(), Sealed: sealed, Created: now().UTC()}}})
	if err != nil {
		return weir.KVPair{}, weir.Errorf(weir.Internal, "encode ticket keys: %w", err)
	}
	version, err := k.Registry.PutKV(ctx, registryKey(organisation), value, 0)
	if err != nil {
		return weir.KVPair{}, fmt.Errorf("store ticket keys: %w", err)
	}
	return weir.KVPair{Key: registryKey(organisation), Value: value, Version: version}, nil
}

// learn takes over a set unless a newer one is known.
func (k *Keys) learn(organisation string, pair weir.KVPair) error {
	if pair.Version == 0 {
		return nil
	}
	keys, err := k.open(organisation, pair.Value)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sets == nil {
		k.sets = map[string]loaded{}
	}
	if pair.Version > k.sets[organisation].version {
		k.sets[organisation] = loaded{version: pair.Version, keys: keys}
	}
	return nil
}

func (k *Keys) open(organisation string, value []byte) ([]weir.TicketKey, error) {
	var set stored
	if err := json.Unmarshal(value, &set); err != nil {
		return nil, weir.Errorf(weir.Internal, "read ticket keys: %w", err)
	}
	if set.Version != storedVersion {
		return nil, weir.Errorf(weir.Internal, "ticket keys have version %d, which this program does not read", set.Version)
	}
	var keys []weir.TicketKey
	for _, s := range set.Keys {
		if s.Root != k.Root.ID() {
			return nil, weir.Errorf(weir.Internal, "ticket key %s was sealed with another root key (%s, this one is %s)", s.ID, s.Root, k.Root.ID())
		}
		secret, err := k.Root.Open(s.Sealed, additional(organisation, s.ID))
		if err != nil {
			return nil, fmt.Errorf("open ticket key %s: %w", s.ID, err)
		}
		keys = append(keys, weir.TicketKey{ID: s.ID, Organisation: organisation, Secret: secret})
	}
	return keys, nil
}

func (k *Keys) newest(organisation string) (weir.TicketKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	keys := k.sets[organisation].keys
	if len(keys) == 0 {
		return weir.TicketKey{}, false
	}
	return keys[len(keys)-1], true
}
