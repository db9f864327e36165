package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/gateway"
	"github.com/weirstream/weir/internal/web"
)

var builtPages = fstest.MapFS{
	"index.html":            {Data: []byte("<!doctype html><title>Weir</title>")},
	"assets/main-abc123.js": {Data: []byte("export {}")},
	"favicon.svg":           {Data: []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")},
}

// rig is a gateway in front of an API of a few routes.
type rig struct {
	t   *testing.T
	g   *gateway.Gateway
	now time.Time
	log bytes.Buffer
}

func newRig(t *testing.T, edit func(*gateway.Config)) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	c := gateway.Config{API: web.NewAPI("1.0", log), Pages: builtPages, Listen: "127.0.0.1:8080", Edge: "http://localhost:8081",
		Version: "1.0", Now: func() time.Time { return r.now }, Log: log}
	web.Handle(c.API, huma.Operation{OperationID: "who", Method: "GET", Path: "/v1/who"}, who)
	web.Handle(c.API, huma.Operation{OperationID: "do", Method: "POST", Path: "/v1/do"}, who)
	c.API.Route("GET /v1/panic", func(http.ResponseWriter, *http.Request) error { panic("a secret") })
	c.API.Route("GET /v1/late-panic", func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = w.Write([]byte("half"))
		panic("a secret")
	})
	if edit != nil {
		edit(&c)
	}
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.g = g
	return r
}

type whoOutput struct {
	Body struct {
		Organisation string `json:"organisation"`
		Request      string `json:"request"`
	}
}

func who(ctx context.Context, _ *struct{}) (*whoOutput, error) {
	out := &whoOutput{}
	out.Body.Organisation, out.Body.Request = web.Organisation(ctx), web.RequestID(ctx)
	return out, nil
}

// ask sends one request to http://localhost:8080 unless a Host header says otherwise.
func (r *rig) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	req.Host = "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.g.ServeHTTP(w, req)
	return w
}

func TestNoOtherSiteGetsIn(t *testing.T) {
	r := newRig(t, func(c *gateway.Config) { c.Names = []string{"Weir.Example.org"} })
	f := func(method, path string, status int, header ...string) {
		t.Helper()
		w := r.ask(method, path, "", header...)
		if w.Code != status || status == 403 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s %v = %d %s, want %d", method, path, header, w.Code, w.Body, status)
		}
	}
	for _, host := range []string{"localhost:8080", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "weir.example.org"} {
		f("GET", "/v1/who", 200, "Host", host)
		f("GET", "/", 200, "Host", host)
	}
	for _, host := range []string{"", "localhost", "localhost:8081", "127.0.0.1", "evil.example", "evil.example:8080", "localhost:8080.evil.example", "weir.example.org:8080", "0.0.0.0:8080"} {
		f("GET", "/v1/who", 403, "Host", host)
		f("GET", "/", 403, "Host", host)
	}
	f("POST", "/v1/do", 200, "Origin", "http://localhost:8080")
	f("POST", "/v1/do", 200, "Origin", "https://weir.example.org", "Host", "weir.example.org") // behind a proxy that speaks TLS
	for _, origin := range []string{"null", "", "http://evil.example", "http://localhost:3000", "http://127.0.0.1:8080", "file://", "http://localhost:8080@evil.example", "chrome-extension://localhost:8080"} {
		f("POST", "/v1/do", 403, "Origin", origin)
		f("GET", "/v1/who", 403, "Origin", origin)
		f("OPTIONS", "/v1/do", 403, "Origin", origin)
	}
	f("POST", "/v1/do", 403, "Origin", "http://localhost:8080", "Origin", "http://evil.example")
	for _, site := range []string{"cross-site", "same-site", "nonsense"} {
		f("POST", "/v1/do", 403, "Sec-Fetch-Site", site)
		f("GET", "/v1/who", 403, "Sec-Fetch-Site", site)
		f("GET", "/openapi.json", 403, "Sec-Fetch-Site", site)
		f("GET", "/watch/abc", 200, "Sec-Fetch-Site", site) // a link
	}
	f("GET", "/v1/who", 200, "Sec-Fetch-Site", "none")
	f("GET", "/v1/who", 200, "Sec-Fetch-Site", "same-origin")
}

func TestHostsOfAnAddress(t *testing.T) {
	f := func(listen, host string, status int) {
		t.Helper()
		r := newRig(t, func(c *gateway.Config) { c.Listen = listen })
		if w := r.ask("GET", "/v1/who", "", "Host", host); w.Code != status {
			t.Errorf("listening on %s, Host %s = %d, want %d", listen, host, w.Code, status)
		}
	}
	f("0.0.0.0:80", "localhost", 200)
	f("0.0.0.0:80", "[::1]", 200)
	f("0.0.0.0:80", "0.0.0.0", 403)
	f("192.168.1.5:8080", "192.168.1.5:8080", 200)
	f("192.168.1.5:8080", "192.168.1.6:8080", 403)
	if _, err := gateway.New(gateway.Config{Listen: "nonsense"}); weir.KindOf(err) != weir.Invalid {
		t.Errorf("New with a bad address = %v, want invalid", err)
	}
}

func TestEveryAnswerIsNamedAndGuarded(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/", "/v1/who", "/v1/nothing", "/nothing", "/assets/main-abc123.js"} {
		h := r.ask("GET", path, "").Header()
		if h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" || !weir.ValidID(h.Get("X-Request-Id")) {
			t.Errorf("%s has headers %v", path, h)
		}
	}
	w := r.ask("GET", "/v1/who", "")
	if want := w.Header().Get("X-Request-Id"); !strings.Contains(w.Body.String(), want) || !strings.Contains(r.log.String(), "request="+want) {
		t.Errorf("request %s is not in the context (%s) or the log:\n%s", want, w.Body, r.log.String())
	}
}

func TestPanicsAreProblems(t *testing.T) {
	r := newRig(t, nil)
	w := r.ask("GET", "/v1/panic", "")
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), "problems/internal") {
		t.Errorf("panic = %d %s", w.Code, w.Body)
	}
	if n := strings.Count(r.log.String(), "a secret"); n != 1 {
		t.Errorf("the panic is logged %d times:\n%s", n, r.log.String())
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("a panic after the header ends with %v, want a broken connection", err)
		}
	}()
	r.ask("GET", "/v1/late-panic", "")
}

func TestPages(t *testing.T) {
	r := newRig(t, nil)
	f := func(method, path string, status int, kind, cache string) *httptest.ResponseRecorder {
		t.Helper()
		w := r.ask(method, path, "")
		if w.Code != status || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Header().Get("Cache-Control") != cache {
			t.Errorf("%s %s = %d %v, want %d %s %s", method, path, w.Code, w.Header(), status, kind, cache)
		}
		return w
	}
	for _, path := range []string{"/", "/upload", "/docs", "/watch/01abc"} {
		f("GET", path, 200, "text/html", "no-cache")
	}
	f("GET", "/assets/main-abc123.js", 200, "text/javascript", "public, max-age=31536000, immutable")
	f("GET", "/favicon.svg", 200, "image/svg+xml", "no-cache")
	f("GET", "/index.html", 200, "text/html", "no-cache")
	f("GET", "/watch/..%2f", 404, "application/problem+json", "no-store")
	f("GET", "/../index.html", 404, "application/problem+json", "no-store")
	f("GET", "/assets/", 404, "application/problem+json", "no-store")
	f("POST", "/upload", 405, "application/problem+json", "no-store")
	if w := f("HEAD", "/", 200, "text/html", "no-cache"); w.Body.Len() != 0 {
		t.Error("HEAD has a body")
	}
	page := r.ask("GET", "/", "")
	if w := r.ask("GET", "/", "", "If-None-Match", page.Header().Get("ETag")); w.Code != 304 {
		t.Errorf("page again = %d, want 304", w.Code)
	}
	policy := page.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "media-src blob: 'self' http://localhost:8081;", "connect-src 'self' http://localhost:8081;", "worker-src 'self' blob:", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q does not have %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q allows something inline", policy)
	}
}

func TestWithoutPages(t *testing.T) {
	for name, tree := range map[string]fs.FS{"nil": nil, "empty": fstest.MapFS{}} {
		r := newRig(t, func(c *gateway.Config) { c.Pages = tree })
		if w := r.ask("GET", "/", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "without its pages") {
			t.Errorf("%s: / = %d %s", name, w.Code, w.Body)
		}
	}
	for _, edge := range []string{"localhost:8081", "ftp://x", "http://a;b", "http://x y"} {
		_, err := gateway.New(gateway.Config{API: web.NewAPI("1", slog.New(slog.DiscardHandler)), Listen: "127.0.0.1:1", Edge: edge})
		if weir.KindOf(err) != weir.Invalid {
			t.Errorf("New with the edge %q = %v, want invalid", edge, err)
		}
	}
}

func TestServeDrains(t *testing.T) {
	entered := make(chan struct{})
	r := newRig(t, func(c *gateway.Config) {
		c.Listen = "127.0.0.1:0"
		c.Names = []string{"weir"}
		c.API.Route("GET /v1/wait", func(w http.ResponseWriter, r *http.Request) error {
			close(entered)
			<-web.Draining(r.Context()) // as an event stream does
			_, err := w.Write([]byte("whole"))
			return err
		})
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- r.g.Serve(ctx, l, 10*time.Second) }()
	go func() {
		<-entered
		stop()
	}()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+"/v1/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "weir"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "whole" {
		t.Errorf("the request that was running got %q, %v", b, err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) (p huma.ErrorModel) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return p
}
