package embed_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestRegistry(t *testing.T) {
	enginetest.Registry(t, func(t *testing.T) weir.Registry {
		return &embed.Registry{DB: openStoresAt(t, filepath.Join(t.TempDir(), "stores.db"))}
	})
}

func openStoresAt(t *testing.T, path string) *embed.DB {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestRegistryValuesSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stores.db")
	db, err := embed.OpenStores(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	version, err := (&embed.Registry{DB: db}).PutKV(t.Context(), "k", []byte("v"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := (&embed.Registry{DB: openStoresAt(t, path)}).KV(t.Context(), "k")
	if err != nil || string(got.Value) != "v" || got.Version != version {
		t.Errorf("KV = %+v, %v", got, err)
	}
}

// An instance that was replaced by one of the same id does not take it along when it ends.
func TestRegistryReplacedInstance(t *testing.T) {
	r := &embed.Registry{}
	var running sync.WaitGroup
	start := func(address string) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(func() {
			if err := r.Register(ctx, weir.Instance{Service: "edge", ID: "a", Address: address}, time.Second); err != nil {
				t.Error(err)
			}
		})
		return cancel
	}
	seen := make(chan string, 10)
	ctx, stopWatch := context.WithCancel(t.Context())
	running.Go(func() {
		err := r.Watch(ctx, "edge", func(is []weir.Instance) {
			text := ""
			for _, i := range is {
				text += i.Address
			}
			seen <- text
		})
		if err != nil {
			t.Error(err)
		}
	})
	want := func(text string) {
		t.Helper()
		select {
		case got := <-seen:
			if got != text {
				t.Errorf("seen %q, want %q", got, text)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%q not seen", text)
		}
	}
	want("")
	stopOld := start("old")
	want("old")
	stopNew := start("new")
	want("new")
	stopOld()
	want("new")
	stopNew()
	want("")
	stopWatch()
	running.Wait()
}
