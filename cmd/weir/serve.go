package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/keyring"
)

// role is a part of the process that runs until ctx ends.
type role struct {
	name string
	run  func(ctx context.Context) error
}

// process is what roles are built from. Its parts are opened in order and closed in reverse.
type process struct {
	cmd     serveCmd
	log     *slog.Logger
	token   string
	at      func(point string)
	engines *engine.Engines
	keys    *keyring.Keys
	metrics *prometheus.Registry
	ready   *readiness
	pages   net.Listener
	media   net.Listener
	admin   net.Listener
}

// Run serves until the context ends, then stops gracefully.
func (c *serveCmd) Run(e env) error {
	p := &process{cmd: *c, log: c.logger(e), at: killPoint(killSpec()), ready: &readiness{}, metrics: prometheus.NewRegistry()}
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	has, err := parseRoles(c.Roles)
	if err != nil {
		return err
	}
	if err := p.checkListeners(); err != nil {
		return err
	}
	p.engines, err = engine.Open(e.ctx, engine.Config{Data: c.Data, Blobs: c.Engines.Blobs, Stores: c.Engines.Stores, Bus: c.Engines.Bus,
		Cache: c.Engines.Cache, Registry: c.Engines.Registry, Log: p.log, At: p.at})
	if err != nil {
		return err
	}
	err = p.serve(e, has)
	return errors.Join(err, p.engines.Close())
}

// serve opens the listeners, builds the roles and runs them.
func (p *process) serve(e env, has map[string]bool) error {
	if err := p.listen(has); err != nil {
		return err
	}
	p.keys = &keyring.Keys{Registry: p.engines.Registry, Root: p.engines.Folder.RootKey, Organisations: []string{weir.DefaultOrganisation}}
	if _, err := p.keys.Current(e.ctx, weir.DefaultOrganisation); err != nil {
		return fmt.Errorf("open ticket keys: %w", err)
	}
	roles := []role{
		{"engines", p.engines.Run},
		{"keys", func(ctx context.Context) error { return p.keys.Run(ctx, nil) }},
	}
	for _, build := range []struct {
		name  string
		build func() ([]role, error)
	}{{"transcode", p.transcodeRoles}, {"edge", p.edgeRoles}, {"control", p.controlRoles}} {
		if !has[build.name] {
			continue
		}
		more, err := build.build()
		if err != nil {
			return fmt.Errorf("start %s: %w", build.name, err)
		}
		roles = append(roles, more...)
	}
	roles = append(roles, role{"admin", func(ctx context.Context) error {
		return serveHTTP(ctx, p.admin, adminHandler(p.metrics, p.ready, p.adminToken()), p.cmd.Limits.StopWithin)
	}})
	return p.run(e, roles)
}

// run starts the roles in order, says that it is ready, and waits. The engines' own loops and the admin listener outlive the
// other roles, so that what those do last is still carried out and seen.
func (p *process) run(e env, roles []role) error {
	base, stopBase := context.WithCancel(context.WithoutCancel(e.ctx))
	defer stopBase()
	under, underCtx := errgroup.WithContext(base)
	work, workCtx := errgroup.WithContext(underCtx)
	workCtx, stopWork := context.WithCancel(workCtx)
	defer stopWork()
	stopping := context.AfterFunc(e.ctx, func() {
		p.ready.stop()
		p.log.Info("stopping")
		stopWork()
	})
	defer stopping()
	for _, r := range roles {
		switch r.name {
		case "engines", "admin":
			under.Go(func() error { return p.named(underCtx, r) })
		default:
			work.Go(func() error { return p.named(workCtx, r) })
		}
	}
	p.announce(e)
	err := work.Wait()
	stopBase()
	return errors.Join(err, under.Wait())
}

// named runs a role; its end by the context's end is no error.
func (p *process) named(ctx context.Context, r role) error {
	err := r.run(ctx)
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", r.name, err)
}

// announce prints where everything is.
func (p *process) announce(e env) {
	at := map[string]string{"admin": "http://" + p.admin.Addr().String()}
	if p.pages != nil {
		at["listen"] = pageURL(p.pages.Addr())
	}
	if p.media != nil {
		at["edge"] = "http://" + p.media.Addr().String()
	}
	if p.cmd.JSON {
		if err := json.NewEncoder(e.out).Encode(at); err != nil {
			p.log.Error("print addresses", "error", err)
		}
		return
	}
	fmt.Fprintf(e.out, "Weir runs on %s\n", p.cmd.Data)
	for _, name := range []string{"listen", "edge", "admin"} {
		if at[name] != "" {
			fmt.Fprintf(e.out, "  %-7s %s\n", map[string]string{"listen": "pages", "edge": "media", "admin": "admin"}[name], at[name])
		}
	}
	fmt.Fprintln(e.out, "Ctrl-C stops it.")
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
