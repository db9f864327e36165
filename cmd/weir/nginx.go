package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/nginx"
)

// nginxCmd writes nginx's configuration.
type nginxCmd struct {
	Out      string `help:"The file to write; nginx -c FILE reads it." required:"" placeholder:"FILE" type:"path"`
	Registry string `help:"Follow the edges and gateways registered there." placeholder:"URL"`
	Edge     string `help:"Instead of a registry: the edges, host:port, comma-separated." placeholder:"LIST"`
	Gateway  string `help:"Instead of a registry: the gateways, host:port, comma-separated." placeholder:"LIST"`
	Once     bool   `help:"Write what is registered now and end."`

	Cert         string        `help:"Certificate chain, PEM." required:"" placeholder:"FILE" type:"path"`
	Key          string        `help:"Its private key, PEM." required:"" placeholder:"FILE" type:"path"`
	TLSListen    string        `help:"Ports or addresses of TLS, comma-separated: 443,[::]:443." default:"443" placeholder:"LIST" name:"tls-listen"`
	PlainListen  string        `help:"Ports or addresses of plain HTTP, which is sent on to TLS." placeholder:"LIST"`
	Host         string        `help:"Host names of pages and API, comma-separated; every name if not given." placeholder:"NAMES"`
	MediaHost    string        `help:"Host names of media alone; without, media is below /t/ of every host." placeholder:"NAMES"`
	Balancers    string        `help:"Networks of load balancers in front of nginx, whose X-Forwarded-For is believed." placeholder:"LIST"`
	HSTS         time.Duration `help:"How long browsers that came once insist on TLS; cannot be taken back." default:"0s" placeholder:"DURATION" name:"hsts"`
	ClientLimits bool          `help:"Limit what one client address may ask for." default:"true" negatable:""`

	RunDir  string `help:"Folder for nginx's pid file, logs and temporary files; /run and /var/log/nginx if not given." placeholder:"DIR" type:"path"`
	User    string `help:"The user of nginx's workers." placeholder:"NAME"`
	Nginx   string `help:"The nginx that checks a file before it takes its place; none: no check." default:"nginx" placeholder:"PROGRAM"`
	PidFile string `help:"After a change send SIGHUP to the process in this file." placeholder:"FILE" type:"path"`
	Reload  string `help:"After a change run this shell command: \"systemctl reload nginx\"." placeholder:"COMMAND"`
}

// reloadWithin bounds a check and a reload.
const reloadWithin = 30 * time.Second

// Run writes the file, and with a registry keeps it true until the context ends.
func (c *nginxCmd) Run(e env) error {
	log := slog.New(slog.NewTextHandler(e.errOut, nil))
	f, err := c.follower(log)
	if err != nil {
		return err
	}
	if len(f.Config.Edges)+len(f.Config.Gateways) == 0 {
		registry, err := engine.OpenRegistry(e.ctx, c.Registry, log)
		if err != nil {
			return err
		}
		f.Registry = registry
		if !c.Once {
			return errors.Join(f.Run(e.ctx), registry.Close())
		}
		defer func() { _ = registry.Close() }() // it was only read
	}
	ctx, cancel := context.WithTimeout(e.ctx, 2*reloadWithin) // also for a registry that says nothing
	defer cancel()
	if err := f.Once(ctx); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Wrote %s\n", c.Out)
	return nil
}

// follower is what the flags ask for, but for the registry. Errors are of kind Invalid.
func (c *nginxCmd) follower(log *slog.Logger) (*nginx.Follower, error) {
	edges, gateways := names(c.Edge), names(c.Gateway)
	switch {
	case len(edges)+len(gateways) == 0 && c.Registry == "":
		return nil, weir.Errorf(weir.Invalid, "say where edges and gateways are: with --registry, or with --edge and --gateway")
	case c.PidFile != "" && c.Reload != "":
		return nil, weir.Errorf(weir.Invalid, "--pid-file and --reload are two ways of the same: give one")
	}
	balancers, err := weir.ParseProxies(c.Balancers)
	if err != nil {
		return nil, fmt.Errorf("--balancers: %w", err)
	}
	f := &nginx.Follower{File: c.Out, Log: log, Config: nginx.Config{
		Listen: names(c.TLSListen), Redirect: names(c.PlainListen), Names: names(c.Host), MediaNames: names(c.MediaHost),
		Certificate: c.Cert, Key: c.Key, Edges: edges, Gateways: gateways, Balancers: []netip.Prefix(balancers), HSTS: c.HSTS,
		Folder: c.RunDir, User: c.User, Limits: nginx.Limits{Off: !c.ClientLimits},
	}}
	if _, err := nginx.Render(f.Config); err != nil { // now, not when the first server comes
		return nil, err
	}
	if c.Nginx != "none" {
		program, err := exec.LookPath(c.Nginx)
		if err != nil {
			return nil, weir.Errorf(weir.Invalid, "--nginx %s: there is no such program here; install it, or write --nginx=none to check nothing", c.Nginx)
		}
		f.Check = func(ctx context.Context, file string) error { return say(ctx, program, "-t", "-q", "-c", file) }
	}
	if c.RunDir != "" {
		if err := os.MkdirAll(filepath.Clean(c.RunDir), 0o755); err != nil {
			return nil, fmt.Errorf("make --run-dir: %w", err)
		}
	}
	switch {
	case c.PidFile != "":
		f.Reload = func(context.Context) error { return hangUp(c.PidFile, log) }
	case c.Reload != "":
		f.Reload = func(ctx context.Context) error { return say(ctx, "/bin/sh", "-c", c.Reload) }
	default:
		log.Info("nginx is not told of changes: give --pid-file or --reload")
	}
	return f, nil
}

// say runs a program; what it says is the error's text.
func say(ctx context.Context, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.WaitDelay = time.Second // a daemon that it started may hold its output open
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// hangUp has the nginx whose pid is in file read its configuration anew. If there is none, nothing is to be told.
func hangUp(file string, log *slog.Logger) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		log.Info("nginx does not run: it will read the file when it starts", "pid_file", file)
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 2 {
		return weir.Errorf(weir.Invalid, "%s holds no process id", file)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); errors.Is(err, syscall.ESRCH) {
		log.Info("nginx does not run: it will read the file when it starts", "pid_file", file)
	} else if err != nil {
		return fmt.Errorf("signal nginx (process %d): %w", pid, err)
	}
	return nil
}
