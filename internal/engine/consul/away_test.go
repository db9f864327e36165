package consul_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/consul"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

// An agent that lost its data, or was told to, has forgotten the instance: the next heartbeat brings it back.
func TestForgottenInstance(t *testing.T) {
	name := prefix()
	r := open(t, address(t), "prefix="+name)
	a := weir.Instance{Service: "edge", ID: "a", Address: "10.0.0.1:80"}
	seen := watch(t, r)
	run(t, func(ctx context.Context) error { return r.Register(ctx, a, time.Second) })
	await(t, seen, "a")
	forget(t, name)
	await(t, seen, "")
	await(t, seen, "a")
}

// A Consul that comes back without an instance that was there is not believed at once.
func TestGrace(t *testing.T) {
	near, instance := enginetest.NewProxy(t, address(t)), enginetest.NewProxy(t, address(t))
	name := prefix()
	far := open(t, address(t), "prefix="+name)
	seen := watch(t, open(t, near.Addr(), "prefix="+name+"&grace=10m"))
	run(t, func(ctx context.Context) error {
		return open(t, instance.Addr(), "prefix="+name).Register(ctx, weir.Instance{Service: "edge", ID: "a"}, time.Second)
	})
	await(t, seen, "a")
	straight := watch(t, far)
	await(t, straight, "a")
	near.Refuse(true)
	near.Reset()
	instance.Refuse(true)
	instance.Reset()
	await(t, straight, "")
	near.Heal()
	run(t, func(ctx context.Context) error {
		return far.Register(ctx, weir.Instance{Service: "edge", ID: "b"}, time.Minute)
	})
	select {
	case got := <-seen:
		if got != "ab" { // not b alone, and not nobody
			t.Errorf("after an outage seen %q, want ab", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing seen after an outage")
	}
	short := watch(t, open(t, near.Addr(), "prefix="+name))
	await(t, short, "b") // who comes now has nothing to hold on to
	instance.Heal()
	await(t, straight, "ab")
	forget(t, name)
	await(t, straight, "a") // a is back soon, b in twenty seconds
	await(t, seen, "a")
}

// An index that goes backwards is begun anew from 0: the server would not answer to the higher one until it is reached.
func TestIndexGoesBackwards(t *testing.T) {
	target, err := url.Parse("http://" + address(t))
	if err != nil {
		t.Fatal(err)
	}
	const more = 1 << 40
	asked := make(chan string, 1000)
	var mu sync.Mutex
	ahead := uint64(more) // guarded by mu: by how much the first answers' index is too high
	proxy := &httputil.ReverseProxy{
		ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			query := p.In.URL.Query()
			if !strings.HasPrefix(p.In.URL.Path, "/v1/health/") {
				return
			}
			asked <- query.Get("index")
			if query.Get("index") != "" {
				query.Set("wait", "1ms") // the answer to an index that is never reached
			}
			p.Out.URL.RawQuery = query.Encode()
		},
		ModifyResponse: func(answer *http.Response) error {
			mu.Lock()
			defer mu.Unlock()
			index, _ := strconv.ParseUint(answer.Header.Get("X-Consul-Index"), 10, 64)
			answer.Header.Set("X-Consul-Index", strconv.FormatUint(index+ahead, 10))
			if strings.HasPrefix(answer.Request.URL.Path, "/v1/health/") {
				ahead = 0
			}
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	seen := watch(t, open(t, strings.TrimPrefix(server.URL, "http://"), "prefix="+prefix()))
	await(t, seen, "")
	for n, want := range []func(uint64) bool{
		func(index uint64) bool { return index == 0 },
		func(index uint64) bool { return index > more },
		func(index uint64) bool { return index == 0 },
		func(index uint64) bool { return index > 0 && index < more },
	} {
		text := <-asked
		if index, _ := strconv.ParseUint(text, 10, 64); !want(index) {
			t.Errorf("question %d has index %q", n, text)
		}
	}
}

// One outage is one line, however many tries it takes, and each of them ends with the context.
func TestOutageIsLoggedOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tries := make(chan struct{})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(tries)
				return
			}
			_ = c.Close()
			tries <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		for range tries {
		}
	})
	var lines bytes.Buffer
	opened := make(chan *consul.Registry)
	go func() {
		r, err := consul.Open(t.Context(), "consul://"+l.Addr().String(), slog.New(slog.NewTextHandler(&lines, nil)))
		if err != nil {
			t.Error(err)
		}
		opened <- r
	}()
	r := settle(t, tries, opened)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan *consul.Registry)
	go func() {
		if err := r.Watch(ctx, "edge", func([]weir.Instance) { t.Error("seen something while Consul was away") }); err != nil {
			t.Errorf("Watch = %v", err)
		}
		ended <- r
	}()
	for range 6 {
		<-tries
	}
	cancel()
	settle(t, tries, ended)
	if n := strings.Count(lines.String(), "consul is away"); n != 1 {
		t.Errorf("an outage is logged %d times:\n%s", n, lines.String())
	}
	if n := strings.Count(lines.String(), "does not answer yet"); n != 1 {
		t.Errorf("Open without Consul is logged %d times:\n%s", n, lines.String())
	}
}

// settle lets tries go on until something is done.
func settle[T any](t *testing.T, tries <-chan struct{}, done <-chan T) T {
	t.Helper()
	for {
		select {
		case <-tries:
		case v := <-done:
			return v
		}
	}
}

// A token that Consul does not take is not Consul being away.
func TestRefusedIsNotAway(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Consul-Token") != "secret" {
			t.Errorf("%s without the token", r.URL.Path)
		}
		http.Error(w, "Permission denied", http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	r := open(t, strings.TrimPrefix(server.URL, "http://"), "token=secret")
	_, err := r.KV(t.Context(), "k")
	if weir.KindOf(err) != weir.Internal || !strings.Contains(err.Error(), "Permission denied") || strings.Contains(err.Error(), "secret") {
		t.Errorf("KV = %v (kind %v)", err, weir.KindOf(err))
	}
}

// watch is the ids of the edges seen, joined.
func watch(t *testing.T, r *consul.Registry) <-chan string {
	seen := make(chan string, 1000)
	run(t, func(ctx context.Context) error {
		return r.Watch(ctx, "edge", func(list []weir.Instance) {
			ids := ""
			for _, i := range list {
				ids += i.ID
			}
			seen <- ids
		})
	})
	return seen
}

func run(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f(ctx); err != nil {
			t.Errorf("%v when its context ended, want nil", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func await(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case got := <-seen:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("%q never seen", want)
		}
	}
}

// forget has the agent lose the services of the registry with this prefix.
func forget(t *testing.T, prefix string) {
	t.Helper()
	var services map[string]struct {
		ID   string
		Meta map[string]string
	}
	call(t, "GET", "/v1/agent/services", &services)
	for _, s := range services {
		if s.Meta["weir-prefix"] == prefix {
			call(t, "PUT", "/v1/agent/service/deregister/"+s.ID, nil)
		}
	}
}
