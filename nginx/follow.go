package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirstream/weir"
)

// The services whose instances a Follower makes servers of.
const (
	EdgeService    = "edge"
	GatewayService = "gateway"
)

// Watcher is the side of [weir.Registry] that a Follower needs.
type Watcher interface {
	Watch(ctx context.Context, service string, f func([]weir.Instance)) error
}

// Follower keeps a file true to a registry. Set its fields, then call Run or Once, once.
//
// A set of servers that becomes empty keeps its last members, also those of a file from before: an outage of the registry
// must not become one of the platform. A file that Check refuses is not taken, and the one before stays.
type Follower struct {
	Config   Config                                       // Edges and Gateways are the registry's, if there is one
	Registry Watcher                                      // nil: the servers are those of Config
	File     string                                       // replaced atomically, and only when it changes
	Check    func(ctx context.Context, file string) error // of a file beside File before it takes its place; nil: no check
	Reload   func(ctx context.Context) error              // has nginx read File; nil: somebody else does
	Settle   time.Duration                                // after a change, wait for others up to twice as long; 250 ms
	Retry    time.Duration                                // after an error; 10 s
	Log      *slog.Logger                                 // nil: silence

	edges, gateways []string // the last sets that were not empty
	stale           bool     // nginx has not been told of File's newest bytes
}

// news is the instances that a service has now.
type news struct {
	service   string
	instances []weir.Instance
}

// Run follows the registry until ctx ends, then returns nil. Whatever goes wrong is logged and tried again. Without a
// registry it does what Once does.
func (f *Follower) Run(ctx context.Context) error {
	if f.Registry == nil {
		return f.Once(ctx)
	}
	f.begin()
	return f.watch(ctx, f.follow)
}

// Once writes the file of the servers that there are now and has it loaded. It waits for the registry's first word until
// ctx ends.
func (f *Follower) Once(ctx context.Context) error {
	f.begin()
	if f.Registry == nil {
		f.edges, f.gateways = f.Config.Edges, f.Config.Gateways
		_, err := f.apply(ctx, nil)
		return err
	}
	return f.watch(ctx, func(ctx context.Context, updates <-chan news) error {
		known := map[string][]weir.Instance{}
		for len(known) < 2 {
			select {
			case n := <-updates:
				known[n.service] = n.instances
			case <-ctx.Done():
				return fmt.Errorf("wait for the registry: %w", ctx.Err())
			}
		}
		_, err := f.apply(ctx, known)
		return err
	})
}

// begin fills in defaults and reads what was known when the file was written.
func (f *Follower) begin() {
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
	if f.Settle <= 0 {
		f.Settle = 250 * time.Millisecond
	}
	if f.Retry <= 0 {
		f.Retry = 10 * time.Second
	}
	f.stale = true // a process that was killed may have written the file and not said so
	switch old, err := os.ReadFile(f.File); {
	case err == nil:
		f.edges, f.gateways = Servers(old)
	case !errors.Is(err, fs.ErrNotExist):
		f.Log.Warn("the file of before cannot be read", "file", f.File, "error", err)
	}
}

// watch runs what with the news of both services, and ends watching when it returns.
func (f *Follower) watch(ctx context.Context, what func(context.Context, <-chan news) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	updates := make(chan news)
	var watchers errgroup.Group
	for _, service := range []string{EdgeService, GatewayService} {
		watchers.Go(func() error {
			f.watchService(ctx, service, updates)
			return nil
		})
	}
	err := what(ctx, updates)
	stop()
	_ = watchers.Wait() // they return nil
	return err
}

// watchService tells of a service until ctx ends, whatever the registry does.
func (f *Follower) watchService(ctx context.Context, service string, updates chan<- news) {
	for ctx.Err() == nil {
		err := f.Registry.Watch(ctx, service, func(list []weir.Instance) {
			select {
			case updates <- news{service, list}:
			case <-ctx.Done():
			}
		})
		if ctx.Err() != nil {
			return
		}
		f.Log.Warn("the registry stopped telling; the last servers stay", "service", service, "error", err)
		select {
		case <-time.After(f.Retry):
		case <-ctx.Done():
		}
	}
}

// follow applies what updates tell, once both services were heard of, after changes have settled.
func (f *Follower) follow(ctx context.Context, updates <-chan news) error {
	known := map[string][]weir.Instance{}
	timer := time.NewTimer(0)
	<-timer.C
	settling := false
	wait := func(d time.Duration) { timer.Reset(d + rand.N(d)) } // so that many do not do it at once
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-updates:
			known[n.service] = n.instances
			if len(known) == 2 && !settling { // it is not put off again: changes without end must not keep the file old
				settling = true
				wait(f.Settle)
			}
		case <-timer.C:
			settling = false
			again, err := f.apply(ctx, known)
			if err != nil && ctx.Err() == nil {
				f.Log.Error("nginx keeps its last configuration", "file", f.File, "error", err)
			}
			if again || err != nil {
				wait(f.Retry)
			}
		}
	}
}

// apply makes the file say what is known and has nginx read it. again says that it may come out differently later.
func (f *Follower) apply(ctx context.Context, known map[string][]weir.Instance) (again bool, err error) {
	for service, last := range map[string]*[]string{EdgeService: &f.edges, GatewayService: &f.gateways} {
		if f.Registry == nil {
			break
		}
		now, skipped := f.usable(ctx, known[service])
		again = again || skipped
		switch {
		case len(now) > 0:
			*last = now
		case len(*last) > 0:
			f.Log.Warn("nobody is registered; the last servers stay", "service", service, "servers", *last)
		}
	}
	c := f.Config
	c.Edges, c.Gateways = f.edges, f.gateways
	conf, err := Render(c)
	if err != nil {
		return again, err
	}
	changed, err := f.replace(ctx, conf)
	if err != nil {
		return again, err
	}
	f.stale = f.stale || changed
	if !f.stale || f.Reload == nil {
		return again, nil
	}
	if err := f.Reload(ctx); err != nil {
		return again, fmt.Errorf("reload nginx: %w", err)
	}
	f.stale = false
	f.Log.Info("the servers are now", "edges", f.edges, "gateways", f.gateways)
	return again, nil
}

// usable is the servers among instances, and whether one may become usable without a change of the registry. What is none is
// left out: one bad entry must not keep nginx from the good ones, and a name that does not resolve is an error to nginx.
func (f *Follower) usable(ctx context.Context, instances []weir.Instance) (servers []string, skipped bool) {
	for _, i := range instances {
		if !ValidServer(i.Address) {
			f.Log.Warn("an instance is left out: its address is not host:port", "service", i.Service, "instance", i.ID, "address", i.Address)
			continue
		}
		if err := resolves(ctx, i.Address); err != nil {
			f.Log.Warn("an instance is left out for now: its name does not resolve", "service", i.Service, "instance", i.ID, "error", err)
			skipped = true
			continue
		}
		servers = append(servers, i.Address)
	}
	return set(servers), skipped
}

// resolves is nil for an address, and for a name that has one.
func resolves(ctx context.Context, server string) error {
	host, _, err := net.SplitHostPort(server)
	if err != nil || net.ParseIP(host) != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err = net.DefaultResolver.LookupHost(ctx, host)
	return err
}

// replace puts conf in the file's place, if it differs and passes the check.
func (f *Follower) replace(ctx context.Context, conf []byte) (changed bool, err error) {
	if old, err := os.ReadFile(f.File); err == nil && bytes.Equal(old, conf) {
		return false, nil
	}
	next, err := os.CreateTemp(filepath.Dir(f.File), ".weir-nginx-*.conf") // beside it: the same file system, the same relative paths
	if err != nil {
		return false, fmt.Errorf("write the configuration: %w", err)
	}
	defer func() {
		if !changed {
			_ = os.Remove(next.Name())
		}
	}()
	_, err = next.Write(conf)
	err = errors.Join(err, next.Chmod(0o644), next.Sync(), next.Close())
	if err != nil {
		return false, fmt.Errorf("write the configuration: %w", err)
	}
	if f.Check != nil {
		if err := f.Check(ctx, next.Name()); err != nil {
			return false, fmt.Errorf("check the configuration: %w", err)
		}
	}
	if err := os.Rename(next.Name(), f.File); err != nil {
		return false, fmt.Errorf("replace the configuration: %w", err)
	}
	return true, nil
}
