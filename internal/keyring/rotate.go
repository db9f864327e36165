package keyring

import (
	"context"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
)

// RotationDelay is how long after a rotation the new key begins to sign: every edge has learned it by then, which takes a
// registry's watch a second or two, whatever clocks within TicketSkew say.
const RotationDelay = weir.TicketSkew + 10*time.Second

// liveKey is an opened key and its times.
type liveKey struct {
	weir.TicketKey
	signs, ends time.Time // zero: at once, never
}

func (l liveKey) ended(now time.Time) bool { return !l.ends.IsZero() && !now.Before(l.ends) }

// KeyState is what may be told of a key.
type KeyState struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Signs   time.Time `json:"signs,omitzero"` // from when it signs; zero is from the start
	Ends    time.Time `json:"ends,omitzero"`  // from when it verifies nothing; zero is open
	Signing bool      `json:"signing"`        // it signs now
}

// signer is the youngest key whose time to sign has come. If there is none, such as by a clock that was set back, the oldest.
func (k *Keys) signer(organisation string) (weir.TicketKey, bool) {
	now := k.now()
	k.mu.RLock()
	defer k.mu.RUnlock()
	var found weir.TicketKey
	ok := false
	for _, key := range k.sets[organisation].keys {
		if !key.ended(now) && (!ok || !key.signs.After(now)) {
			found, ok = key.TicketKey, true
		}
	}
	return found, ok
}

// Rotate makes a new key, which verifies as soon as an edge knows it and signs after RotationDelay. The one that signs now
// then verifies for as long as its last ticket can live. Two keys live at most: while an older one does, Rotate is a Conflict
// that says until when, unless retire ends the older one now. A rotation that is still under way is a Conflict, too.
func (k *Keys) Rotate(ctx context.Context, organisation string, retire bool) ([]KeyState, error) {
	return k.change(ctx, organisation, func(keys []storedKey, now time.Time) ([]storedKey, error) {
		if last := keys[len(keys)-1]; last.Signs.After(now) {
			return nil, weir.Errorf(weir.Conflict, "A rotation is under way: key %s signs from %s on.", last.ID, last.Signs.Format(time.RFC3339))
		}
		if len(keys) > 1 && !retire {
			return nil, weir.Errorf(weir.Conflict, "Key %s still verifies tickets, until %s. Retire it to rotate now.", keys[0].ID, keys[0].Ends.Format(time.RFC3339))
		}
		old := keys[len(keys)-1]
		fresh, err := k.makeKey(organisation)
		if err != nil {
			return nil, err
		}
		fresh.Signs = now.UTC().Add(RotationDelay)
		old.Ends = fresh.Signs.Add(weir.MaxTicketLife + 2*weir.TicketSkew)
		return []storedKey{old, fresh}, nil
	})
}

// Retire ends every key but the one that signs: their tickets are refused once an edge has learnt of it and verifies them
// anew, within half a minute. Conflict while a
// new one does not sign yet, or if there is nothing to retire.
func (k *Keys) Retire(ctx context.Context, organisation string) ([]KeyState, error) {
	return k.change(ctx, organisation, func(keys []storedKey, now time.Time) ([]storedKey, error) {
		last := keys[len(keys)-1]
		if last.Signs.After(now) {
			return nil, weir.Errorf(weir.Conflict, "Key %s does not sign before %s; retire the old one then.", last.ID, last.Signs.Format(time.RFC3339))
		}
		if len(keys) == 1 {
			return nil, weir.Errorf(weir.Conflict, "There is one key only, %s, and it signs.", last.ID)
		}
		return keys[len(keys)-1:], nil
	})
}

// change replaces the organisation's keys in the registry by what f makes of those that have not ended. Of changes at once each
// sees what the other did.
func (k *Keys) change(ctx context.Context, organisation string, f func(keys []storedKey, now time.Time) ([]storedKey, error)) ([]KeyState, error) {
	if _, err := k.Current(ctx, organisation); err != nil { // makes the first
		return nil, err
	}
	for range 10 {
		pair, err := k.Registry.KV(ctx, registryKey(organisation))
		if err != nil {
			return nil, fmt.Errorf("read ticket keys: %w", err)
		}
		if pair.Version == 0 {
			return nil, weir.Errorf(weir.Unavailable, "The registry has lost the keys and is being given them back. Try again.")
		}
		if _, err := k.open(organisation, pair.Value); err != nil { // what one cannot read one does not write
			return nil, err
		}
		set, err := decode(pair.Value)
		if err != nil {
			return nil, err
		}
		now := k.now()
		keys, err := f(living(set.Keys, now), now)
		if err != nil {
			return nil, err
		}
		value, err := encode(keys)
		if err != nil {
			return nil, err
		}
		pair.Version, err = k.Registry.PutKV(ctx, pair.Key, value, pair.Version)
		if weir.KindOf(err) == weir.Conflict {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("store ticket keys: %w", err)
		}
		pair.Value = value
		if err := k.learn(organisation, pair, true); err != nil {
			return nil, err
		}
		return states(keys, now), nil
	}
	return nil, weir.Errorf(weir.Unavailable, "The keys are being changed. Try again.")
}

// List tells of the organisation's keys that live, oldest first. NotFound: there are none yet.
func (k *Keys) List(ctx context.Context, organisation string) ([]KeyState, error) {
	pair, err := k.Registry.KV(ctx, registryKey(organisation))
	if err != nil {
		return nil, fmt.Errorf("read ticket keys: %w", err)
	}
	if pair.Version == 0 {
		return nil, weir.Errorf(weir.NotFound, "Organisation %s has no keys yet.", organisation)
	}
	set, err := decode(pair.Value)
	if err != nil {
		return nil, err
	}
	now := k.now()
	return states(living(set.Keys, now), now), nil
}

// living is the keys that have not ended; the last never has.
func living(keys []storedKey, now time.Time) []storedKey {
	var out []storedKey
	for i, key := range keys {
		if i == len(keys)-1 || key.Ends.IsZero() || now.Before(key.Ends) {
			out = append(out, key)
		}
	}
	return out
}

func states(keys []storedKey, now time.Time) []KeyState {
	out := make([]KeyState, len(keys))
	signing := 0
	for i, key := range keys {
		out[i] = KeyState{ID: key.ID, Created: key.Created, Signs: key.Signs, Ends: key.Ends}
		if !key.Signs.After(now) {
			signing = i
		}
	}
	if len(out) > 0 {
		out[signing].Signing = true
	}
	return out
}
