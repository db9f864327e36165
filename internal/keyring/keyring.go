// Package keyring holds the keys that sign tickets: made on first use, one set an organisation, kept in the registry's
// key-value store as bytes that only the root key opens. The control plane signs with them and the edge verifies with them;
// neither knows of this package, cmd/weir passes them what they need. It holds no user's secrets and makes no tickets.
package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"golang.org/x/sync/errgroup"
)

// secretBytes is the length of a ticket key's secret.
const secretBytes = 32

// Keys is the key sets of some organisations. Registry, Root and Organisations must be set. Safe for concurrent use; Lookup
// knows what Current made, Run was told of, or the last run left in Copies.
//
// A registry that is away takes no key that is known, and one that lost its values is given them back.
type Keys struct {
	Registry      weir.Registry
	Root          RootKey
	Organisations []string         // whose keys Run follows
	Copies        string           // folder for the last good sets, sealed as in the registry; "" keeps none
	Log           *slog.Logger     // nil is nowhere
	Now           func() time.Time // nil is time.Now

	learning sync.Mutex // held from a look at sets to their change and its copy

	mu   sync.RWMutex
	sets map[string]loaded // by organisation
}

// loaded is a key set as last seen.
type loaded struct {
	value []byte    // as the registry has it
	keys  []liveKey // oldest first; see signer
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
	Signs   time.Time `json:"signs,omitzero"` // from when it signs; zero is at once
	Ends    time.Time `json:"ends,omitzero"`  // when it verifies no more; zero is never
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
	if key, ok := k.signer(organisation); ok {
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
		if err := k.learn(organisation, pair, false); err != nil {
			return weir.TicketKey{}, err
		}
		if key, ok := k.signer(organisation); ok {
			return key, nil
		}
	}
	return weir.TicketKey{}, weir.Errorf(weir.Unavailable, "The keys are being changed. Try again.")
}

// Lookup finds a key that has not ended by its id, for the edge: no I/O. An id is of one organisation: the secret is sealed
// for both.
func (k *Keys) Lookup(kid string) (weir.TicketKey, bool) {
	now := k.now()
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, set := range k.sets {
		for _, key := range set.keys {
			if key.ID == kid {
				return key.TicketKey, !key.ended(now)
			}
		}
	}
	return weir.TicketKey{}, false
}

// Run follows the key sets until ctx ends. ready, if not nil, is closed once the sets that exist are known. It fails if it
// can open no set of an organisation; a set that cannot be opened does not replace one that is known.
func (k *Keys) Run(ctx context.Context, ready chan<- struct{}) error {
	group, ctx := errgroup.WithContext(ctx)
	var first sync.WaitGroup
	first.Add(len(k.Organisations))
	for _, organisation := range k.Organisations {
		once := sync.OnceFunc(first.Done)
		group.Go(func() error {
			defer once()
			if k.recall(organisation) {
				once()
			}
			return k.follow(ctx, organisation, once)
		})
	}
	first.Wait()
	if ready != nil {
		close(ready)
	}
	return group.Wait()
}

// follow calls seen when the registry has answered.
func (k *Keys) follow(ctx context.Context, organisation string, seen func()) error {
	var bad error
	watching, stop := context.WithCancel(ctx)
	defer stop()
	err := k.Registry.WatchKV(watching, registryKey(organisation), func(pair weir.KVPair) {
		err := k.told(ctx, organisation, pair)
		if known := k.known(organisation); err != nil && known {
			k.log().Error("ticket keys not taken over; those known stay", "organisation", organisation, "error", err)
		} else if bad = err; bad != nil {
			stop()
		}
		seen()
	})
	if bad != nil {
		return bad
	}
	return err
}

// told takes over what the registry has now. If it has lost the set it is given back.
func (k *Keys) told(ctx context.Context, organisation string, pair weir.KVPair) error {
	if pair.Version > 0 {
		return k.learn(organisation, pair, true)
	}
	if k.value(organisation) == nil {
		return nil // there never was one
	}
	_, err := k.create(ctx, organisation)
	if weir.KindOf(err) == weir.Conflict || ctx.Err() != nil { // another process was first
		return nil
	}
	return err
}

// create writes the set that is known, if the registry lost it, or one of a new key.
func (k *Keys) create(ctx context.Context, organisation string) (weir.KVPair, error) {
	var value []byte
	if k.recall(organisation) {
		value = k.value(organisation)
	} else {
		made, err := k.makeSet(organisation)
		if err != nil {
			return weir.KVPair{}, err
		}
		value = made
	}
	version, err := k.Registry.PutKV(ctx, registryKey(organisation), value, 0)
	if err != nil {
		return weir.KVPair{}, fmt.Errorf("store ticket keys: %w", err)
	}
	return weir.KVPair{Key: registryKey(organisation), Value: value, Version: version}, nil
}

// makeSet is a set of one new key, as the registry has it.
func (k *Keys) makeSet(organisation string) ([]byte, error) {
	key, err := k.makeKey(organisation)
	if err != nil {
		return nil, err
	}
	return encode([]storedKey{key})
}

func (k *Keys) makeKey(organisation string) (storedKey, error) {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	now := k.now()
	id := weir.NewID(now)
	sealed, err := k.Root.Seal(secret, additional(organisation, id))
	if err != nil {
		return storedKey{}, err
	}
	return storedKey{ID: id, Root: k.Root.ID(), Sealed: sealed, Created: now.UTC()}, nil
}

func encode(keys []storedKey) ([]byte, error) {
	value, err := json.Marshal(stored{Version: storedVersion, Keys: keys})
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "encode ticket keys: %w", err)
	}
	return value, nil
}

// learn takes over a set. One that is not certain to be the newest does not replace another.
func (k *Keys) learn(organisation string, pair weir.KVPair, newest bool) error {
	keys, err := k.open(organisation, pair.Value)
	if err != nil {
		return err
	}
	k.learning.Lock()
	defer k.learning.Unlock()
	if k.known(organisation) && !newest {
		return nil
	}
	k.set(organisation, loaded{value: bytes.Clone(pair.Value), keys: keys})
	k.keep(organisation, pair.Value)
	return nil
}

func (k *Keys) set(organisation string, l loaded) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sets == nil {
		k.sets = map[string]loaded{}
	}
	k.sets[organisation] = l
}

func decode(value []byte) (stored, error) {
	var set stored
	if err := json.Unmarshal(value, &set); err != nil {
		return set, weir.Errorf(weir.Internal, "read ticket keys: %w", err)
	}
	if set.Version != storedVersion {
		return set, weir.Errorf(weir.Internal, "ticket keys have version %d, which this program does not read", set.Version)
	}
	return set, nil
}

func (k *Keys) open(organisation string, value []byte) ([]liveKey, error) {
	set, err := decode(value)
	if err != nil {
		return nil, err
	}
	var keys []liveKey
	for _, s := range set.Keys {
		if s.Root != k.Root.ID() {
			return nil, weir.Errorf(weir.Internal, "ticket key %s was sealed with another root key (%s, this one is %s): "+
				"all processes that share a registry need the same --root-key", s.ID, s.Root, k.Root.ID())
		}
		secret, err := k.Root.Open(s.Sealed, additional(organisation, s.ID))
		if err != nil {
			return nil, fmt.Errorf("open ticket key %s: %w", s.ID, err)
		}
		keys = append(keys, liveKey{weir.TicketKey{ID: s.ID, Organisation: organisation, Secret: secret}, s.Signs, s.Ends})
	}
	return keys, nil
}

// value is the set as the registry had it, or nil.
func (k *Keys) value(organisation string) []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.sets[organisation].value
}

func (k *Keys) log() *slog.Logger {
	if k.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return k.Log
}

func (k *Keys) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}

// known says whether a set of the organisation is.
func (k *Keys) known(organisation string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.sets[organisation].keys) > 0
}
