package peerflags_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/cmd/weir/peerflags"
	"github.com/weirstream/weir/edge/peer"
)

func TestRegion(t *testing.T) {
	f := func(region string, ok bool) {
		t.Helper()
		if err := (peerflags.Flags{Region: region}).Check(); (err == nil) != ok || err != nil && weir.KindOf(err) != weir.Invalid {
			t.Errorf("Check of region %q = %v", region, err)
		}
	}
	f("", true)
	f("eu-west-1", true)
	f("EU", false)
	f("a/b", false)
}

func TestPeersAreThoseWhoSaySo(t *testing.T) {
	a, b := peerflags.Flags{Region: "eu"}, peerflags.Flags{}
	got := peerflags.Peers([]weir.Instance{
		{Service: "edge", ID: "edge-a", Address: "10.0.0.1:8081", Meta: a.Meta(true)},
		{Service: "edge", ID: "edge-b", Address: "10.0.0.2:8081", Meta: b.Meta(false)},
		{Service: "edge", ID: "edge-old", Address: "10.0.0.3:8081"},
		{Service: "edge", ID: "edge-new", Address: "10.0.0.4:8081", Meta: map[string]string{"peer": "2"}},
	})
	want := []peer.Peer{{ID: "edge-a", Address: "10.0.0.1:8081", Region: "eu", TLS: true}, {ID: "edge-b", Address: "10.0.0.2:8081"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Peers (-want +got):\n%s", diff)
	}
}

func TestSecretIsOfTheRootKey(t *testing.T) {
	tier := func(root [32]byte) *peer.Tier {
		t.Helper()
		tier, err := peerflags.Flags{Region: "eu"}.Tier("edge-a", root)
		if err != nil {
			t.Fatal(err)
		}
		return tier
	}
	a, again, b := tier([32]byte{1}), tier([32]byte{1}), tier([32]byte{2})
	if len(a.Secret) != peer.SecretBytes || string(a.Secret) != string(again.Secret) || string(a.Secret) == string(b.Secret) {
		t.Errorf("secrets of two root keys: %x, %x, %x", a.Secret, again.Secret, b.Secret)
	}
	if a.Self != "edge-a" || a.Region != "eu" {
		t.Errorf("Tier = %s in %q", a.Self, a.Region)
	}
}

// telling is a registry that tells something and fails, and then tells the rest until the context ends.
type telling struct {
	tells [][]weir.Instance
	told  chan int
}

func (r *telling) Watch(ctx context.Context, service string, f func([]weir.Instance)) error {
	if service != "edge" {
		return errors.New("of another service")
	}
	f(r.tells[0])
	r.tells = r.tells[1:]
	r.told <- len(r.tells)
	if len(r.tells) > 0 {
		return errors.New("away")
	}
	<-ctx.Done()
	return nil
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meta := peerflags.Flags{}.Meta(false)
		edges := []weir.Instance{{ID: "edge-a", Meta: meta}, {ID: "edge-b", Meta: meta}, {ID: "edge-c", Meta: meta}}
		registry := &telling{[][]weir.Instance{edges[:2], edges}, make(chan int)}
		tier, err := peerflags.Flags{}.Tier("edge-a", [32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- peerflags.Follow(ctx, registry, tier, slog.New(slog.DiscardHandler)) }()
		for want := int64(1); <-registry.told > 0; want++ {
			if got := tier.Stats().Peers; got != want {
				t.Errorf("%d peers are known, want %d", got, want)
			}
		}
		if got := tier.Stats().Peers; got != 2 {
			t.Errorf("%d peers are known at last, want 2", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Follow = %v", err)
		}
	})
}
