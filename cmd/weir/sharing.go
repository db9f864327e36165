package main

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/cmd/weir/peerflags"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/keyring"
	"github.com/weirstream/weir/internal/sole"
	"github.com/weirstream/weir/nginx"
)

// sharing is a port of the engines, and the roles that meet in it.
type sharing struct {
	port  string
	url   string // of its engine
	roles []string
	try   string // an engine that several processes can share
}

// shared lists the ports. The cache is not among them: it may forget anything, so a process may have one of its own.
func (f engineFlags) shared() []sharing {
	return []sharing{
		{engine.PortBlobs, f.Blobs, []string{"edge", "transcode", "control"}, "s3://BUCKET"},
		{engine.PortStores, f.Stores, []string{"transcode", "control"}, "postgres://HOST/DATABASE"},
		{engine.PortBus, f.Bus, []string{"transcode", "control"}, "kafka://HOST:PORT"},
		{engine.PortRegistry, f.Registry, []string{"edge", "control"}, "consul://HOST:PORT"},
	}
}

// uses is the ports that the roles open.
func (f engineFlags) uses(has map[string]bool) []string {
	var out []string
	for _, s := range f.shared() {
		for _, role := range s.roles {
			if has[role] {
				out = append(out, s.port)
				break
			}
		}
	}
	if has["edge"] {
		out = append(out, engine.PortCache)
	}
	return out
}

// uses is the ports that the roles open here.
func (c *serveCmd) uses(has map[string]bool) []string {
	out := c.Engines.uses(has)
	if has["edge"] && c.Edge.AccessFacts && !slices.Contains(out, engine.PortBus) {
		out = append(out, engine.PortBus)
	}
	return out
}

// checkSharing refuses an engine of this process alone for what a role of another process meets this one in.
func (c *serveCmd) checkSharing(has map[string]bool) error {
	for _, s := range c.Engines.shared() {
		if c.Edge.Origin != "" {
			break // such an edge meets nobody: its media is the origin's, and its log and keys may be its own
		}
		here, elsewhere := "", ""
		for _, role := range s.roles {
			if has[role] {
				here = role
			} else {
				elsewhere = role
			}
		}
		if here != "" && elsewhere != "" && engine.Embedded(s.url) {
			return weir.Errorf(weir.Invalid, "--roles %s: the %s role uses the %s too, and --%s=%s is of one process only; "+
				"give all processes the same --%s=%s, or run both roles here", c.Roles, elsewhere, s.port, s.port, s.url, s.port, s.try)
		}
	}
	if c.Edge.AccessFacts && !has["control"] && engine.Embedded(c.Engines.Bus) {
		return weir.Errorf(weir.Invalid, "--access-facts goes to the bus, and --bus=%s is of this process alone, where nobody reads it: give it a --bus=kafka://HOST:PORT", c.Engines.Bus)
	}
	if !engine.Embedded(c.Engines.Registry) && c.Engines.RootKey == "" && (has["edge"] || has["control"]) {
		return weir.Errorf(weir.Invalid, "a --registry that processes share keeps ticket keys sealed with a root key that every process must have: "+
			"make one (openssl rand -hex 32 >root.key) and give all the same --root-key=@root.key") // no URL: it may hold a token
	}
	return nil
}

// rootKey is the one given, or none.
func (f engineFlags) rootKey() (keyring.RootKey, error) {
	if f.RootKey == "" {
		return keyring.RootKey{}, nil
	}
	return keyring.ParseRootKey(f.RootKey)
}

// holdWhatIsAlone says in a registry that others share, that what this process keeps in its data folder is the only one of its
// kind: the uploads under way, and stores, bus or objects that are embedded. Conflict: another data folder has said so.
func (p *process) holdWhatIsAlone(ctx context.Context, has map[string]bool) error {
	if p.engines.Registry == nil || engine.Embedded(p.cmd.Engines.Registry) {
		return nil
	}
	var alone []string
	if has["control"] {
		alone = append(alone, "uploads")
	}
	used := p.cmd.Engines.uses(has)
	for _, s := range p.cmd.Engines.shared() {
		for _, port := range used {
			if port == s.port && engine.Embedded(s.url) {
				alone = append(alone, s.port)
			}
		}
	}
	for _, what := range alone {
		if err := p.hold(ctx, what); err != nil {
			return err
		}
	}
	return nil
}

// How long a start waits for a registry that is away, to learn whether another data folder has what there is once; the
// second is for a folder that had it at its last start: it has it still, unless a person took it away.
const (
	holdWithin      = 30 * time.Second
	holdAgainWithin = 5 * time.Second
)

// hold claims what there is once for the data folder, and notes in it that it has it: an outage of the registry must not
// keep the one who has it from starting.
func (p *process) hold(ctx context.Context, what string) error {
	note, within := p.engines.Folder.Path("sole-"+what), holdWithin
	_, missing := os.Stat(note)
	if missing == nil {
		within = holdAgainWithin
	}
	err := sole.Hold(ctx, p.engines.Registry, "sole/"+what, p.engines.Folder.Name, within)
	switch kind := weir.KindOf(err); {
	case err == nil && missing != nil:
		return os.WriteFile(note, nil, 0o600)
	case err != nil && kind == weir.Unavailable && missing == nil && ctx.Err() == nil:
		p.log.Warn("the registry is away; this data folder held it at its last start", "what", what, "error", err)
		return nil
	case kind == weir.Conflict && missing == nil:
		return errors.Join(err, os.Remove(note))
	}
	return err
}

// registrationOf begins the names of roles that keep a listener in the registry.
const registrationOf = "registration of "

// instanceTTL is how long a process that stopped talking to the registry counts as there.
const instanceTTL = 15 * time.Second

// registrations announce the listeners that others look for.
func (p *process) registrations() ([]role, error) {
	var out []role
	for _, l := range []struct {
		service string
		at      net.Listener
	}{{"edge", p.media}, {"gateway", p.pages}} {
		if l.at == nil {
			continue
		}
		address, err := p.advertised(l.at.Addr())
		if err != nil {
			return nil, err
		}
		i := weir.Instance{Service: l.service, ID: l.service + "-" + p.engines.Folder.Name, Address: address}
		if l.at == p.media && p.peering() {
			i.Meta = p.cmd.Edge.Peering.Meta(p.cmd.Edge.EdgeCert != "")
		}
		out = append(out, role{registrationOf + l.service, func(ctx context.Context) error {
			return p.engines.Registry.Register(ctx, i, instanceTTL)
		}})
	}
	return out, nil
}

// peering says whether the edge here reads from others and answers them: whether there may be others at all.
func (p *process) peering() bool {
	return p.cmd.Edge.Peering.Peers == "on" && p.cmd.Edge.Origin == "" && !engine.Embedded(p.cmd.Engines.Registry)
}

// peers has s read from the other edges, and follows who they are.
func (p *process) peers(s *edge.Server) ([]role, error) {
	if !p.peering() {
		return nil, nil
	}
	tier, err := p.cmd.Edge.Peering.Tier("edge-"+p.engines.Folder.Name, p.root)
	if err != nil {
		return nil, err
	}
	s.Peer = tier
	return []role{{"peers", func(ctx context.Context) error { return peerflags.Follow(ctx, p.engines.Registry, tier, p.log) }}}, nil
}

// advertised is how other machines reach a listener: at the host of --advertise, else at the address it listens on.
func (p *process) advertised(addr net.Addr) (string, error) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "", weir.Errorf(weir.Internal, "listener at %s: %w", addr, err)
	}
	if p.cmd.Advertise != "" {
		at := net.JoinHostPort(strings.Trim(p.cmd.Advertise, "[]"), port)
		if !nginx.ValidServer(at) {
			return "", weir.Errorf(weir.Invalid, "--advertise %q is no host such as edge1.example.org or 10.0.0.21: the ports are those listened on", p.cmd.Advertise)
		}
		return at, nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if !engine.Embedded(p.cmd.Engines.Registry) {
			return "", weir.Errorf(weir.Invalid, "listening on %s: say with --advertise at which host others reach this process", addr)
		}
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}
