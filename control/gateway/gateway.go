// Package gateway is the one door of the control plane: it decides who a request comes from before any service sees it,
// and serves the API and the pages on one port. It owns no data and knows no service's routes.
//
// A request reaches a service only if its Host is this server's, its Origin (if it has one) is this server, no other site's
// page sent it, and, when there is an admin token, it brings that token or the cookie given for it. So no web page a person
// visits can drive the server on their own machine.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

// Bounds of a connection. Uploads and event streams move their own deadlines on as they go.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 40 * time.Second // of a request with its body, also one that is refused unread; leaves time to say so
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
)

// Config is what a Gateway needs.
type Config struct {
	API     *web.API
	Pages   fs.FS            // the built pages; nil or without index.html: the API alone
	Listen  string           // host:port this server is reached at, the real port
	Names   []string         // further Host values that are this server: "weir.example.org", with a port if clients use one
	Edge    string           // base URL of the edge, for the pages
	Token   string           // the admin token; "" lets everybody in who is on this machine
	Version string           // of the program
	Proxies weir.Proxies     // in front, besides those on this machine: their X-Forwarded-For and -Proto are believed
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger
}

// Gateway is the handler of the control plane's port. Safe for concurrent use.
type Gateway struct {
	c        Config
	hosts    map[string]bool
	sessions sessions
	pages    *pages
	draining chan struct{}
	drain    sync.Once
}

// New adds the gateway's own routes to the API and reads the pages.
func New(c Config) (*Gateway, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	hosts, err := hostsOf(c.Listen, c.Names)
	if err != nil {
		return nil, err
	}
	g := &Gateway{c: c, hosts: hosts, sessions: newSessions(c.Token, c.Now), draining: make(chan struct{})}
	if g.pages, err = readPages(c.Pages, c.Edge); err != nil {
		return nil, err
	}
	g.register(c.API)
	return g, nil
}

// Serve answers on l until ctx ends, then lets running requests end within grace and closes what remains. It closes l. The
// error is nil after a stop.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	server := &http.Server{Handler: g, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(g.c.Log.Handler(), slog.LevelWarn)}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(l) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	g.drain.Do(func() { close(g.draining) })
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := server.Shutdown(stop)
	if err != nil {
		g.c.Log.Warn("requests were cut at the stop", "error", err)
		err = server.Close()
	}
	if served := <-stopped; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// ServeHTTP is every request's way in.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := g.c.Now()
	caller := web.Caller{Request: weir.NewID(start), Organisation: weir.DefaultOrganisation, Draining: g.draining}
	caller.Client, caller.Secure = g.origin(r)
	r = r.WithContext(web.WithCaller(r.Context(), caller))
	out := &recorded{ResponseWriter: w}
	defer func() {
		if p := recover(); p != nil {
			g.panicked(out, r, p)
		}
		g.c.Log.Info("request", "method", r.Method, "path", r.URL.Path, "status", out.status, "bytes", out.bytes,
			"seconds", g.c.Now().Sub(start).Seconds(), "client", caller.Client, "request", caller.Request)
	}()
	header := out.Header()
	header.Set("X-Request-Id", caller.Request)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if err := g.check(r); err != nil {
		web.WriteError(out, r, g.c.Log, err)
		return
	}
	if !isAPI(r.URL.Path) {
		g.pages.serve(out, r, g.c.Log)
		return
	}
	if err := g.admit(r); err != nil {
		web.WriteError(out, r, g.c.Log, err)
		return
	}
	g.c.API.ServeHTTP(out, r)
}

// panicked answers a request whose handler panicked, if nothing was sent yet; else it breaks the connection, so that the
// client does not take half an answer for a whole one.
func (g *Gateway) panicked(out *recorded, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	err := weir.Errorf(weir.Internal, "panic: %v", p)
	if out.status != 0 {
		g.c.Log.Error("request failed", "path", r.URL.Path, "request", web.RequestID(r.Context()), "error", err)
		panic(http.ErrAbortHandler)
	}
	web.WriteError(out, r, g.c.Log, err)
}

// recorded notes what was answered, for the access log.
type recorded struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap is for http.ResponseController.
func (o *recorded) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// WriteHeader notes the first final status.
func (o *recorded) WriteHeader(status int) {
	if o.status == 0 && status >= 200 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *recorded) Write(b []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	n, err := o.ResponseWriter.Write(b)
	o.bytes += int64(n)
	return n, err
}
