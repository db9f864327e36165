package keyring_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/keyring"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct{ unix atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.unix.Store(noon.Unix())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(c.unix.Load(), 0).UTC() }
func (c *clock) pass(d time.Duration) { c.unix.Add(int64(d / time.Second)) }
func (c *clock) keys(r weir.Registry, copies string) *keyring.Keys {
	k := newKeys(r, copies)
	k.Now = c.now
	return k
}

func signs(t *testing.T, k *keyring.Keys, want string) {
	t.Helper()
	if got := current(t, k); got.ID != want {
		t.Errorf("key %s signs, want %s", got.ID, want)
	}
}

func verifies(t *testing.T, k *keyring.Keys, id string, want bool) {
	t.Helper()
	if key, ok := k.Lookup(id); ok != want || ok && (key.Organisation != organisation || len(key.Secret) != 32) {
		t.Errorf("Lookup(%s) = %+v, %v, want %v", id, key.Organisation, ok, want)
	}
}

func rotated(t *testing.T, k *keyring.Keys, retire bool) (old, fresh string) {
	t.Helper()
	states, err := k.Rotate(t.Context(), organisation, retire)
	if err != nil || len(states) != 2 {
		t.Fatalf("Rotate = %+v, %v, want two keys", states, err)
	}
	if !states[0].Signing || states[1].Signing {
		t.Errorf("Rotate = %+v: the old key signs at first", states)
	}
	return states[0].ID, states[1].ID
}

func conflicts(t *testing.T, states []keyring.KeyState, err error) {
	t.Helper()
	if err == nil || weir.KindOf(err) != weir.Conflict {
		t.Errorf("%+v, %v, want Conflict", states, err)
	}
}

// The life of two keys, seen by who rotates, by who starts anew, and by the copies.
func TestRotate(t *testing.T) {
	c, registry, copies := newClock(), newRegistry(t), t.TempDir()
	k := c.keys(registry, copies)
	first := current(t, k).ID
	old, second := rotated(t, k, false)
	if old != first {
		t.Errorf("the old key is %s, want %s", old, first)
	}
	everyone := func(f func(k *keyring.Keys)) {
		t.Helper()
		restarted := c.keys(registry, "")
		current(t, restarted)
		fromCopies := c.keys(&away{calls: -1}, copies)
		if err := fromCopies.Prepare(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		for _, k := range []*keyring.Keys{k, restarted, fromCopies} {
			f(k)
		}
	}
	both := func(k *keyring.Keys) { verifies(t, k, first, true); verifies(t, k, second, true) }
	everyone(func(k *keyring.Keys) { signs(t, k, first); both(k) })
	c.pass(keyring.RotationDelay - time.Second)
	everyone(func(k *keyring.Keys) { signs(t, k, first); both(k) })
	states, err := k.Rotate(t.Context(), organisation, true)
	conflicts(t, states, err)
	states, err = k.Retire(t.Context(), organisation)
	conflicts(t, states, err)
	c.pass(time.Second)
	everyone(func(k *keyring.Keys) { signs(t, k, second); both(k) })
	states, err = k.Rotate(t.Context(), organisation, false)
	conflicts(t, states, err) // a third key would be alive
	c.pass(weir.MaxTicketLife + weir.TicketSkew)
	everyone(both) // the first's last ticket may live
	c.pass(weir.TicketSkew)
	everyone(func(k *keyring.Keys) { verifies(t, k, first, false); verifies(t, k, second, true) })
	if old, _ := rotated(t, k, false); old != second {
		t.Errorf("the old key of the second rotation is %s, want %s", old, second)
	}
}

func TestRetire(t *testing.T) {
	c, registry := newClock(), newRegistry(t)
	k := c.keys(registry, "")
	states, err := k.Retire(t.Context(), organisation)
	conflicts(t, states, err)
	first, second := rotated(t, k, false)
	c.pass(keyring.RotationDelay)
	if states, err := k.Retire(t.Context(), organisation); err != nil || len(states) != 1 || states[0].ID != second {
		t.Errorf("Retire = %+v, %v, want %s alone", states, err, second)
	}
	verifies(t, k, first, false)
	signs(t, k, second)
	rotated(t, k, false)
	c.pass(keyring.RotationDelay)
	_, fourth := rotated(t, k, true)
	verifies(t, k, second, false)
	verifies(t, k, fourth, true)
	if states, err := k.List(t.Context(), organisation); err != nil || len(states) != 2 || states[1].ID != fourth || states[1].Ends != (time.Time{}) {
		t.Errorf("List = %+v, %v", states, err)
	}
	if states, err := k.List(t.Context(), "other"); weir.KindOf(err) != weir.NotFound {
		t.Errorf("List of another organisation = %+v, %v, want NotFound", states, err)
	}
}

// Of rotations at once one makes a key, and all processes agree which.
func TestRotateAtOnce(t *testing.T) {
	c, registry := newClock(), newRegistry(t)
	current(t, c.keys(registry, ""))
	var made, refused atomic.Int32
	var rotating sync.WaitGroup
	for range 8 {
		k := c.keys(registry, "")
		rotating.Go(func() {
			switch _, err := k.Rotate(t.Context(), organisation, true); {
			case err == nil:
				made.Add(1)
			case weir.KindOf(err) == weir.Conflict:
				refused.Add(1)
			default:
				t.Errorf("Rotate = %v", err)
			}
		})
	}
	rotating.Wait()
	if made.Load() != 1 || refused.Load() != 7 {
		t.Errorf("%d rotations were made and %d refused, want 1 and 7", made.Load(), refused.Load())
	}
	if states, err := c.keys(registry, "").List(t.Context(), organisation); err != nil || len(states) != 2 {
		t.Errorf("List = %+v, %v, want two keys", states, err)
	}
}

// An edge that was away while keys were rotated knows the old one, and both as soon as it is told.
func TestRotatedWhileAway(t *testing.T) {
	c := newClock()
	registry := &scripted{newRegistry(t), make(chan weir.KVPair), make(chan struct{})}
	control := c.keys(registry.Registry, "")
	first := current(t, control).ID
	told := func() weir.KVPair {
		pair, err := registry.KV(t.Context(), "keys/tickets/"+organisation)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	copies := t.TempDir()
	current(t, c.keys(registry.Registry, copies)) // makes Run ready before it is told of anything
	edge := c.keys(registry, copies)
	start(t, edge)
	registry.tell(t, told())
	_, second := rotated(t, control, false)
	c.pass(keyring.RotationDelay)
	signs(t, control, second)
	verifies(t, edge, first, true)
	verifies(t, edge, second, false)
	registry.tell(t, told())
	verifies(t, edge, first, true)
	verifies(t, edge, second, true)
	if _, err := control.Retire(t.Context(), organisation); err != nil {
		t.Fatal(err)
	}
	registry.tell(t, told())
	verifies(t, edge, first, false)
}

// A registry that lost its values is given both keys back, with their times.
func TestBothKeysAreGivenBack(t *testing.T) {
	c, copies := newClock(), t.TempDir()
	k := c.keys(newRegistry(t), copies)
	first, second := rotated(t, k, false)
	restored := c.keys(newRegistry(t), copies)
	signs(t, restored, first)
	verifies(t, restored, second, true)
	c.pass(keyring.RotationDelay)
	signs(t, restored, second)
}
