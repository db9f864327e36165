package main

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/peer"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/engine/embed"
)

// real is a command line whose engines are all real.
func real(c *serveCmd) {
	c.Engines = engineFlags{Blobs: "s3://b", Stores: "postgres://h/d", Bus: "kafka://h:1", Cache: "redis://h:1", Registry: "consul://h:1?token=secret",
		RootKey: strings.Repeat("0", 64)}
}

// What two processes meet in cannot be embedded in one of them.
func TestCheckSharing(t *testing.T) {
	f := func(roles string, change func(c *serveCmd), sentence string) {
		t.Helper()
		c := valid(real)
		c.Roles = roles
		change(c)
		has, err := parseRoles(roles)
		if err != nil {
			t.Fatal(err)
		}
		err = c.checkSharing(has)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("checkSharing of %s = %v, which repeats a token", roles, err)
		}
		if sentence == "" && err != nil || sentence != "" && (weir.KindOf(err) != weir.Invalid || !strings.Contains(weir.Detail(err), sentence)) {
			t.Errorf("checkSharing of %s = %v, want %q", roles, err, sentence)
		}
	}
	embedded := func(c *serveCmd) {
		c.Engines = engineFlags{Blobs: "dir:", Stores: "sqlite:", Bus: "sqlite:", Cache: "mem:", Registry: "sqlite:"}
	}
	f("all", embedded, "")
	f("edge,transcode,control", embedded, "")
	f("all", func(*serveCmd) {}, "")
	for _, roles := range []string{"edge", "transcode", "control", "edge,control"} {
		f(roles, func(*serveCmd) {}, "")
	}
	f("edge", embedded, "uses the blobs too, and --blobs=dir: is of one process only; give all processes the same --blobs=s3://BUCKET, or run both roles here")
	f("control,transcode", embedded, "the edge role uses the blobs too")
	f("transcode", func(c *serveCmd) { c.Engines.Stores = "sqlite:" }, "the control role uses the stores too, and --stores=sqlite: is of one process only")
	f("control", func(c *serveCmd) { c.Engines.Bus = "" }, "the transcode role uses the bus too")
	f("edge", func(c *serveCmd) { c.Engines.Registry = "sqlite:" }, "the control role uses the registry too")
	f("edge", func(c *serveCmd) { c.Engines.RootKey = "" }, "keeps ticket keys sealed with a root key that every process must have")
	f("edge", func(c *serveCmd) { c.Engines.RootKey = "" }, "give all the same --root-key=@root.key")

	// One role's own may stay embedded.
	f("control,transcode", func(c *serveCmd) { c.Engines.Stores, c.Engines.Bus = "sqlite:", "sqlite:" }, "")
	f("edge", func(c *serveCmd) { c.Engines.Stores, c.Engines.Bus, c.Engines.Cache = "sqlite:", "sqlite:", "mem:" }, "")
	f("transcode", func(c *serveCmd) { c.Engines.Registry, c.Engines.RootKey = "sqlite:", "" }, "")
}

func TestUses(t *testing.T) {
	f := func(roles string, want ...string) {
		t.Helper()
		has, err := parseRoles(roles)
		if err != nil {
			t.Fatal(err)
		}
		if got := (engineFlags{}).uses(has); !slices.Equal(got, want) {
			t.Errorf("uses(%s) = %q, want %q", roles, got, want)
		}
	}
	f("all", engine.PortBlobs, engine.PortStores, engine.PortBus, engine.PortRegistry, engine.PortCache)
	f("edge", engine.PortBlobs, engine.PortRegistry, engine.PortCache)
	f("transcode", engine.PortBlobs, engine.PortStores, engine.PortBus)
	f("control", engine.PortBlobs, engine.PortStores, engine.PortBus, engine.PortRegistry)
}

func TestAdvertised(t *testing.T) {
	f := func(listen, advertise, registry, want string) {
		t.Helper()
		p := newTestProcess(t.Output(), func(c *serveCmd) { c.Advertise, c.Engines.Registry = advertise, registry })
		addr, err := net.ResolveTCPAddr("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.advertised(addr)
		if want == "" && weir.KindOf(err) != weir.Invalid || want != "" && (err != nil || got != want) {
			t.Errorf("advertised(%s) with --advertise %q = %q, %v, want %q", listen, advertise, got, err, want)
		}
	}
	f("127.0.0.1:8081", "", "consul://c:1", "127.0.0.1:8081")
	f("10.0.0.7:8081", "", "consul://c:1", "10.0.0.7:8081")
	f("0.0.0.0:8081", "edge1.example.org", "consul://c:1", "edge1.example.org:8081")
	f("[::]:8081", "[2001:db8::1]", "consul://c:1", "[2001:db8::1]:8081")
	f("0.0.0.0:8081", "", "sqlite:", "127.0.0.1:8081")
	f("0.0.0.0:8081", "", "consul://c:1", "")
	f("0.0.0.0:8081", "edge1.example.org:8081", "consul://c:1", "") // nginx would leave it out
	f("0.0.0.0:8081", "http://edge1.example.org", "consul://c:1", "")
	f("0.0.0.0:8081", "0.0.0.0", "consul://c:1", "")
}

// Who held what there is once goes on while the registry is away; who did not, or lost it, does not start.
func TestHold(t *testing.T) {
	e, err := engine.Open(t.Context(), engine.Config{Data: t.TempDir(), Uses: []string{engine.PortRegistry}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	there, has := e.Registry, map[string]bool{"edge": true, "control": true}
	p := newTestProcess(t.Output(), real)
	p.engines = e
	f := func(when string, r weir.Registry, folder, want string) {
		t.Helper()
		e.Registry, e.Folder.Name = r, folder
		got := ""
		if err := p.holdWhatIsAlone(t.Context(), has); err != nil {
			got = weir.KindOf(err).String()
		}
		if got != want {
			t.Errorf("%s: holdWhatIsAlone is %q, want %q", when, got, want)
		}
	}
	waiting := func(when, folder, want string) {
		synctest.Test(t, func(t *testing.T) { f(when, away{}, folder, want) })
	}
	waiting("nothing is held and the registry is away", "one", "unavailable")
	f("nothing is held", there, "one", "")
	waiting("it is held and the registry is away", "one", "")
	f("another one holds it", there, "two", "conflict")
	waiting("another one held it and the registry is away", "two", "unavailable")
	f("it is held still", there, "one", "")
}

// away is a registry that does not answer.
type away struct{ weir.Registry }

func (away) KV(context.Context, string) (weir.KVPair, error) {
	return weir.KVPair{}, weir.Errorf(weir.Unavailable, "no answer")
}

// noting is a registry that notes who registers.
type noting struct {
	weir.Registry
	got []weir.Instance
}

func (n *noting) Register(_ context.Context, i weir.Instance, _ time.Duration) error {
	n.got = append(n.got, i)
	return nil
}

// What an edge registers is what its peers need to ask it, and the name it answers to; alone it has no peers.
func TestEdgesAreToldOfEachOther(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f := func(change func(c *serveCmd), meta map[string]string) {
		t.Helper()
		registry := &noting{}
		p := newTestProcess(t.Output(), func(c *serveCmd) {
			c.Engines.Registry, c.Edge.Peering.Peers, c.Edge.Peering.Region = "consul://c:1", "on", "eu"
			change(c)
		})
		p.media, p.engines, p.root = ln, &engine.Engines{Registry: registry, Folder: &embed.Folder{Name: "one"}}, [32]byte{1}
		roles, err := p.registrations()
		if err != nil || len(roles) != 1 {
			t.Fatalf("registrations = %d roles, %v", len(roles), err)
		}
		if err := roles[0].run(t.Context()); err != nil {
			t.Fatal(err)
		}
		i := registry.got[0]
		if i.Service != "edge" || i.Address != ln.Addr().String() || !maps.Equal(i.Meta, meta) {
			t.Errorf("the edge registers %+v, want %v", i, meta)
		}
		s := &edge.Server{}
		more, err := p.peers(s)
		if err != nil || (s.Peer != nil) != (meta != nil) || len(more) > 1 || (len(more) == 1) != (meta != nil) {
			t.Errorf("peers = %d roles, %v, with a tier: %v", len(more), err, s.Peer != nil)
		}
		if s.Peer != nil && (s.Peer.Self != i.ID || s.Peer.Region != "eu" || len(s.Peer.Secret) != peer.SecretBytes) {
			t.Errorf("the tier is %s's in %q, registered is %+v", s.Peer.Self, s.Peer.Region, i)
		}
	}
	f(func(*serveCmd) {}, map[string]string{"peer": "1", "region": "eu"})
	f(func(c *serveCmd) { c.Edge.EdgeCert = "cert.pem" }, map[string]string{"peer": "1", "region": "eu", "tls": "1"})
	f(func(c *serveCmd) { c.Edge.Peering.Peers = "off" }, nil)
	f(func(c *serveCmd) { c.Edge.Origin = "http://10.0.0.9:8000" }, nil)
	f(func(c *serveCmd) { c.Engines.Registry = "sqlite:" }, nil)
}
