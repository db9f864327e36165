package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/factlog"
	"github.com/weirstream/weir/internal/keyring"
)

// process is what roles are built from. Its parts are opened in order and closed in reverse.
type process struct {
	cmd     serveCmd
	log     *slog.Logger
	token   string
	at      func(point string)
	engines *engine.Engines
	root    keyring.RootKey
	proxies weir.Proxies
	keys    *keyring.Keys
	metrics *prometheus.Registry
	ready   *readiness
	pages   net.Listener
	media   net.Listener
	admin   net.Listener
	onAdmin []func(*http.ServeMux) // requests of the admin listener besides its own
	rulings *rulings.Rulings       // of an edge: what it knows of purges and revocations
	edgeLog *factlog.Log           // of an edge: the log of them
}

// Run serves until the context ends, then stops gracefully.
func (c *serveCmd) Run(e env) error {
	has, err := parseRoles(c.Roles)
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if err := c.Edge.check(has); err != nil {
		return err
	}
	if err := c.checkSharing(has); err != nil {
		return err
	}
	p := &process{cmd: *c, log: c.logger(e), ready: &readiness{}, metrics: prometheus.NewRegistry()}
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := p.checkAddresses(has); err != nil {
		return err
	}
	if p.proxies, err = weir.ParseProxies(c.TrustedProxies); err != nil {
		return fmt.Errorf("--trusted-proxies: %w", err)
	}
	if p.root, err = c.Engines.rootKey(); err != nil {
		return err
	}
	if p.at, err = killPoint(os.Getenv(killVariable)); err != nil {
		return err
	}
	p.engines, err = engine.Open(e.ctx, engine.Config{Data: c.Data, Blobs: c.Engines.Blobs, Stores: c.Engines.Stores, Bus: c.Engines.Bus,
		Cache: c.Engines.Cache, Registry: c.Engines.Registry, Uses: c.uses(has), Log: p.log, At: p.at})
	if err != nil {
		return err
	}
	if err = p.serve(e, has); errors.As(err, new(stuckError)) {
		return err // what still runs uses the engines: the end of the process closes them
	}
	return errors.Join(err, p.engines.Close())
}

// serve opens the listeners, builds the roles and runs them.
func (p *process) serve(e env, has map[string]bool) error {
	defer p.closeListeners()
	if err := p.listen(has); err != nil {
		return err
	}
	if err := p.holdWhatIsAlone(e.ctx, has); err != nil {
		return err
	}
	roles := []role{{"engines", p.engines.Run}}
	if p.engines.Registry != nil {
		more, err := p.openKeys(e.ctx)
		if err != nil {
			return err
		}
		roles = append(roles, more...)
	}
	for _, build := range []struct {
		name  string
		build func(context.Context) ([]role, error)
	}{{"transcode", p.transcodeRoles}, {"edge", p.edgeRoles}, {"control", p.controlRoles}} {
		if !has[build.name] {
			continue
		}
		more, err := build.build(e.ctx)
		if err != nil {
			return fmt.Errorf("start %s: %w", build.name, err)
		}
		roles = append(roles, more...)
	}
	roles = append(roles, role{"admin", func(ctx context.Context) error {
		return serveHTTP(ctx, p.admin, adminHandler(p.metrics, p.ready, p.adminToken(), p.log, p.onAdmin...), p.cmd.Limits.StopWithin/4)
	}})
	return p.run(e, roles)
}

// registryWait is how long a start waits for a registry that is away.
const registryWait = time.Minute

// openKeys makes or reads the ticket keys, and follows them and the listeners' registrations.
func (p *process) openKeys(ctx context.Context) ([]role, error) {
	if p.root == (keyring.RootKey{}) {
		p.root = p.engines.Folder.RootKey
	}
	tokens, err := p.cmd.Edge.readTokens()
	if err != nil {
		return nil, err
	}
	organisations := []string{weir.DefaultOrganisation}
	for _, o := range tokens.Organisations() { // their tickets are signed here, and verified at every edge that has the same tokens
		if !slices.Contains(organisations, o) {
			organisations = append(organisations, o)
		}
	}
	p.keys = &keyring.Keys{Registry: p.engines.Registry, Root: p.root, Organisations: organisations, Log: p.log}
	if !engine.Embedded(p.cmd.Engines.Registry) {
		p.keys.Copies = p.engines.Folder.Path("keys")
	}
	if err := p.keys.Prepare(ctx, registryWait); err != nil {
		return nil, fmt.Errorf("open ticket keys: %w", err)
	}
	p.onAdmin = append(p.onAdmin, keysAPI{p.keys, p.problems}.register, ticketsAPI{p.keys, time.Now, p.problems}.register)
	registrations, err := p.registrations()
	if err != nil {
		return nil, err
	}
	return append(registrations, role{"keys", func(ctx context.Context) error { return p.keys.Run(ctx, nil) }}), nil
}

// announce waits until every part is ready and prints where they are; it gives up when ctx ends.
func (p *process) announce(ctx context.Context, out io.Writer) {
	poll, slow := time.NewTicker(10*time.Millisecond), time.NewTimer(10*time.Second)
	defer poll.Stop()
	defer slow.Stop()
	for problems := p.ready.problems(); len(problems) > 0; problems = p.ready.problems() {
		select {
		case <-ctx.Done():
			return
		case <-slow.C:
			p.log.Warn("not ready yet", "waiting_for", problems)
		case <-poll.C:
		}
	}
	if ctx.Err() == nil {
		p.printAddresses(out)
	}
}

// printAddresses tells a person or, as one JSON line, a script where everything is.
func (p *process) printAddresses(out io.Writer) {
	var at struct {
		Listen string `json:"listen,omitempty"`
		Edge   string `json:"edge,omitempty"`
		Admin  string `json:"admin"`
	}
	at.Admin = "http://" + p.admin.Addr().String()
	if p.pages != nil {
		at.Listen = pageURL(p.pages.Addr())
	}
	if p.media != nil {
		at.Edge = "http://" + p.media.Addr().String()
	}
	if p.cmd.JSON {
		if err := json.NewEncoder(out).Encode(at); err != nil {
			p.log.Error("print addresses", "error", err)
		}
		return
	}
	fmt.Fprintf(out, "Weir runs on %s\n", p.cmd.Data)
	for _, line := range [][2]string{{"pages", at.Listen}, {"media", at.Edge}, {"admin", at.Admin}} {
		if line[1] != "" {
			fmt.Fprintf(out, "  %-7s %s\n", line[0], line[1])
		}
	}
	fmt.Fprintln(out, "Ctrl-C stops it.")
}

// parseRoles reads "edge,transcode" or "all".
func parseRoles(list string) (map[string]bool, error) {
	has := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.TrimSpace(name); name {
		case "all":
			has["edge"], has["transcode"], has["control"] = true, true, true
		case "edge", "transcode", "control":
			has[name] = true
		default:
			return nil, weir.Errorf(weir.Invalid, "--roles: %q is no role; there are edge, transcode, control and all", name)
		}
	}
	return has, nil
}

// logger writes to standard error; standard output is for what scripts read.
func (c *serveCmd) logger(e env) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	options := &slog.HandlerOptions{Level: level}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(e.errOut, options))
	}
	return slog.New(slog.NewTextHandler(e.errOut, options))
}
