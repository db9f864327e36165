package sole_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/sole"
)

func newRegistry(t *testing.T) *embed.Registry {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), filepath.Join(t.TempDir(), "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &embed.Registry{DB: db}
}

func TestHold(t *testing.T) {
	r := newRegistry(t)
	for range 2 {
		if err := sole.Hold(t.Context(), r, "sole/uploads", "folder-1", time.Minute); err != nil {
			t.Errorf("Hold(uploads, folder-1) = %v", err)
		}
	}
	if err := sole.Hold(t.Context(), r, "sole/bus", "folder-2", time.Minute); err != nil {
		t.Errorf("Hold of another thing = %v", err)
	}
	err := sole.Hold(t.Context(), r, "sole/uploads", "folder-2", time.Minute)
	if weir.KindOf(err) != weir.Conflict || !strings.Contains(weir.Detail(err), "folder-1") || !strings.Contains(weir.Detail(err), "folder-2") {
		t.Errorf("Hold(uploads, folder-2) = %v, want a Conflict that names both", err)
	}
	if err := sole.Hold(t.Context(), r, "sole/uploads", "", time.Minute); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Hold by nobody = %v, want Invalid", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sole.Hold(ctx, r, "sole/uploads", "folder-1", time.Minute); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Hold under a context that has ended = %v, want Unavailable", err)
	}
}

func TestHoldRace(t *testing.T) {
	r := newRegistry(t)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = sole.Hold(t.Context(), r, "sole/uploads", fmt.Sprint("folder-", i), time.Minute) })
	}
	all.Wait()
	held := 0
	for i, err := range errs {
		if err == nil {
			held++
		} else if weir.KindOf(err) != weir.Conflict {
			t.Errorf("Hold by %d = %v, want nil or a Conflict", i, err)
		}
	}
	if held != 1 {
		t.Errorf("%d hold what only one can", held)
	}
}

// away is a registry that does not answer for some calls, though it does what it is asked.
type away struct {
	weir.Registry
	left int // calls without an answer
}

func (a *away) lose(err error) error {
	if a.left--; a.left >= 0 {
		return weir.Errorf(weir.Unavailable, "no answer")
	}
	return err
}

func (a *away) KV(ctx context.Context, key string) (weir.KVPair, error) {
	pair, err := a.Registry.KV(ctx, key)
	return pair, a.lose(err)
}

func (a *away) PutKV(ctx context.Context, key string, value []byte, version uint64) (uint64, error) {
	version, err := a.Registry.PutKV(ctx, key, value, version)
	return version, a.lose(err)
}

// A write whose answer was lost is not taken for another holder's.
func TestHoldWaitsForTheRegistry(t *testing.T) {
	r := &lostWrite{away{Registry: newRegistry(t), left: 1}}
	if err := sole.Hold(t.Context(), r, "sole/uploads", "folder-1", time.Minute); err != nil {
		t.Errorf("Hold when the answer to the write is lost = %v", err)
	}
	if err := sole.Hold(t.Context(), &away{Registry: r.Registry, left: 2}, "sole/uploads", "folder-1", time.Minute); err != nil {
		t.Errorf("Hold when reads are lost = %v", err)
	}
}

// lostWrite loses answers to writes only.
type lostWrite struct{ away }

func (l *lostWrite) KV(ctx context.Context, key string) (weir.KVPair, error) {
	return l.Registry.KV(ctx, key)
}

// A registry that stays away is one, also if the last try was cut short.
func TestHoldWithoutARegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := sole.Hold(t.Context(), silent{}, "sole/uploads", "folder-1", time.Minute)
		if weir.KindOf(err) != weir.Unavailable || !strings.Contains(err.Error(), "sole/uploads") {
			t.Errorf("Hold without a registry = %v (%v), want Unavailable", err, weir.KindOf(err))
		}
	})
}

// silent never answers.
type silent struct{ weir.Registry }

func (silent) KV(ctx context.Context, _ string) (weir.KVPair, error) {
	<-ctx.Done()
	return weir.KVPair{}, ctx.Err()
}
