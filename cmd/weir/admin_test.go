package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestReadiness(t *testing.T) {
	var r readiness
	f := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, r.problems()); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
	}
	f()
	var edge error
	r.add("edge", func() error { return edge })
	f()
	edge = errors.New("it catches up")
	r.add("bus", func() error { return errors.New("gone") })
	f("bus", "edge")
	r.stop()
	f("bus", "edge", "stopping")
	r.add("bus", func() error { return nil })
	edge = nil
	f("stopping")
}

func TestAdminHandler(t *testing.T) {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weir_answer", Help: "For this test."}, func() float64 { return 42 }))
	ready := &readiness{}
	log := slog.New(slog.DiscardHandler)
	open, guarded := adminHandler(metrics, ready, "", log), adminHandler(metrics, ready, "the token of 16+", log)
	f := func(h http.Handler, method, path, authorization string, status int, body string) {
		t.Helper()
		req := httptest.NewRequest(method, path, nil)
		req.Host = "127.0.0.1:8082"
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != status || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s %s (%s) = %d %.200s, want %d with %q", method, path, authorization, w.Code, w.Body, status, body)
		}
	}
	f(open, "GET", "/livez", "", 200, `"ok":true`)
	f(open, "GET", "/readyz", "", 200, `"ok":true`)
	f(open, "GET", "/metrics", "", 200, "weir_answer 42")
	f(open, "GET", "/debug/pprof/goroutine?debug=1", "", 200, "goroutine profile")
	f(open, "GET", "/debug/pprof/cmdline", "", 404, "")
	f(open, "GET", "/nothing", "", 404, "")
	f(open, "POST", "/readyz", "", 404, "")

	f(guarded, "GET", "/livez", "", 200, "")
	f(guarded, "GET", "/readyz", "", 200, "")
	f(guarded, "GET", "/metrics", "", 401, `"detail":"The admin token is needed here."`)
	f(guarded, "GET", "/debug/pprof/heap", "", 401, "problems/unauthenticated")
	f(guarded, "GET", "/metrics", "Bearer another token...", 401, "")
	f(guarded, "GET", "/metrics", "the token of 16+", 401, "")
	f(guarded, "GET", "/metrics", "Bearer the token of 16+", 200, "weir_answer 42")

	ready.add("edge", func() error { return errors.New("a cause that is for the log") })
	f(open, "GET", "/readyz", "", 503, `{"not_ready":["edge"],"ok":false}`)
	f(open, "GET", "/livez", "", 200, "")
	ready.stop()
	f(guarded, "GET", "/readyz", "", 503, `"stopping"`)
}

// The token is asked for only where other machines can reach the listener.
// Without a token only addresses of this machine are answered to, so that no rebound name reads what is inside.
func TestAdminHost(t *testing.T) {
	h := adminHandler(prometheus.NewRegistry(), &readiness{}, "", slog.New(slog.DiscardHandler))
	for host, want := range map[string]int{"localhost:8082": 200, "127.0.0.1": 200, "[::1]:8082": 200, "evil.example:8082": 403, "192.0.2.1": 403, "": 403} {
		req := httptest.NewRequest("GET", "/metrics", nil)
		req.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("GET /metrics at %q = %d, want %d", host, w.Code, want)
		}
	}
}

func TestAdminToken(t *testing.T) {
	f := func(addr, want string) {
		t.Helper()
		p := newTestProcess(io.Discard, func(c *serveCmd) { c.AdminListen = addr })
		p.token = "token"
		if got := p.adminToken(); got != want {
			t.Errorf("adminToken at %s = %q, want %q", addr, got, want)
		}
	}
	f("127.0.0.1:8082", "")
	f("0.0.0.0:8082", "token")
}

// serveHTTP lets a request under way end; one that would go on ends with its context, within the bound.
func TestServeHTTPStops(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		_, _ = io.WriteString(w, "ended")
	})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serveHTTP(ctx, l, handler, 500*time.Millisecond) }()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-started
	stop()
	if got := <-answer; got != "ended" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("serveHTTP = %v, want nil after a stop", err)
	}
}

// A listener that breaks is an error at once.
func TestServeHTTPFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := serveHTTP(t.Context(), l, http.NotFoundHandler(), time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serveHTTP on a closed listener = %v", err)
	}
}
