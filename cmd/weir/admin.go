package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

// readiness collects why the process is not ready. The zero value is ready.
type readiness struct {
	mu     sync.Mutex // guards checks and down
	checks map[string]func() error
	down   bool
}

// add names a condition that /readyz asks each time.
func (r *readiness) add(name string, check func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checks == nil {
		r.checks = map[string]func() error{}
	}
	r.checks[name] = check
}

// stop makes the process not ready for good: a graceful stop has begun.
func (r *readiness) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
}

// problems lists what is not ready, sorted; names only, since causes are for the log.
func (r *readiness) problems() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	if r.down {
		out = append(out, "stopping")
	}
	for name, check := range r.checks {
		if check() != nil {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// adminHandler serves metrics, probes and profiles. token, if not "", is asked for as a bearer token on all but the probes; more registers further requests behind it.
// There is no /debug/pprof/cmdline: the command line may hold that token.
func adminHandler(metrics prometheus.Gatherer, ready *readiness, token string, log *slog.Logger, more ...func(*http.ServeMux)) http.Handler {
	inner := http.NewServeMux()
	inner.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	inner.HandleFunc("/debug/pprof/", pprof.Index)
	inner.HandleFunc("/debug/pprof/profile", pprof.Profile)
	inner.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	inner.HandleFunc("/debug/pprof/trace", pprof.Trace)
	for _, register := range more {
		register(inner)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status, problems := http.StatusOK, ready.problems()
		if len(problems) > 0 {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, problems)
	})
	guarded := bearer(token, inner, log)
	if token == "" {
		guarded = loopbackHost(inner, log)
	}
	mux.Handle("/", guarded)
	return mux
}

// loopbackHost refuses requests whose Host is a name: without a token, a page whose name was rebound to this machine could
// otherwise read metrics and profiles.
func loopbackHost(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			web.WriteError(w, r, log, weir.Errorf(weir.Forbidden, "Ask for this at localhost or 127.0.0.1, not at %q.", host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answer writes a probe's result; a client that is gone is not our trouble.
func answer(w http.ResponseWriter, status int, problems []string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"ok": status == http.StatusOK, "not_ready": problems})
}

// bearer lets requests through that bring token.
func bearer(token string, next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
			web.WriteError(w, r, log, weir.Errorf(weir.Unauthenticated, "The admin token is needed here."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveHTTP serves handler on ln until ctx ends, then lets requests finish for at most within. It closes ln.
func serveHTTP(ctx context.Context, ln net.Listener, handler http.Handler, within time.Duration) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer done()
	// A profile may run longer than that: it ends with its context, once others had half of the time.
	long := time.AfterFunc(within/2, cancel)
	defer long.Stop()
	err := server.Shutdown(stop)
	if err != nil {
		err = server.Close()
	}
	<-served
	return err
}
