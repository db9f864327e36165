// Package peerflags is the wiring of the edges of a region that read from each other: their flags, what their registrations say,
// the secret they share, and who tells them of each other. What they do then is package peer's business.
package peerflags

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/peer"
	"github.com/weirstream/weir/nginx"
)

// Flags are the command line's.
type Flags struct {
	Peers  string `help:"Read segments from the edge of the region that owns them, so that each is read from the object store once, and answer the others: on or off. For a --registry that edges share." default:"on" enum:"on,off" placeholder:"on|off"`
	Region string `help:"Edges of the same region read from each other; without a name all those without one." placeholder:"NAME"`
}

// Check refuses what no registry should hold. Errors: Invalid.
func (f Flags) Check() error {
	if f.Region != "" && !weir.ValidID(f.Region) {
		return weir.Errorf(weir.Invalid, "--region %q: a name is up to 64 of a-z, 0-9 and -", f.Region)
	}
	return nil
}

// What a registration says: that the edge answers peers by this protocol, where it is, and whether its listener speaks TLS.
const (
	metaPeer   = "peer"
	metaRegion = "region"
	metaTLS    = "tls"
	protocol   = "1"
)

// Meta is for the registration of an edge that answers peers.
func (f Flags) Meta(tls bool) map[string]string {
	meta := map[string]string{metaPeer: protocol, metaRegion: f.Region}
	if tls {
		meta[metaTLS] = "1"
	}
	return meta
}

// Peers is those of the registered edges that answer peers.
func Peers(edges []weir.Instance) (out []peer.Peer) {
	for _, e := range edges {
		if e.Meta[metaPeer] == protocol {
			out = append(out, peer.Peer{ID: e.ID, Address: e.Address, Region: e.Meta[metaRegion], TLS: e.Meta[metaTLS] == "1"})
		}
	}
	return out
}

// Tier makes the tier of the edge that is registered as id, with the secret that follows from the cluster's root key.
func (f Flags) Tier(id string, root [32]byte) (*peer.Tier, error) {
	secret, err := hkdf.Key(sha256.New, root[:], nil, "weir edge peer v1", peer.SecretBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the peers' secret: %w", err)
	}
	return &peer.Tier{Self: id, Region: f.Region, Secret: secret}, nil
}

// Watcher is the side of [weir.Registry] that Follow needs.
type Watcher interface {
	Watch(ctx context.Context, service string, f func([]weir.Instance)) error
}

// retry is how long a registry that stopped telling is left alone.
const retry = 5 * time.Second

// Follow tells t of the edges that are registered until ctx ends, whatever the registry does, and then closes it.
func Follow(ctx context.Context, registry Watcher, t *peer.Tier, log *slog.Logger) error {
	defer t.Close()
	for ctx.Err() == nil {
		err := registry.Watch(ctx, nginx.EdgeService, func(edges []weir.Instance) { t.SetPeers(Peers(edges)) })
		if ctx.Err() != nil {
			break
		}
		log.Warn("the registry stopped telling; the last peers stay", "error", err)
		select {
		case <-time.After(retry):
		case <-ctx.Done():
		}
	}
	return nil
}
