package nginx_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/nginx"
)

// segment is the path of a segment of asset n, with a ticket of viewer k.
func segment(n, k int) string {
	return fmt.Sprintf("/t/ticket-of-viewer-%d/asset%d/1/clear/v1080/%d.m4s", k, n, k+1)
}

func unlimited(c *nginx.Config) { c.Limits.Off = true }

// edgesByAsset: all of an asset is asked of one edge, whoever asks; assets spread evenly; and when an edge goes, only the
// assets that were its own move.
func edgesByAsset(t *testing.T) {
	const assets = 300
	edges := []*backend{serve(t, nil), serve(t, nil), serve(t, nil)}
	f := start(t, edges, nil, unlimited)
	c := f.client(true)
	owner := make([]string, assets)
	count := map[string]int{}
	for n := range assets {
		owner[n] = f.get(c, segment(n, 0)).body
		count[owner[n]]++
		for k, path := range []string{segment(n, 1), segment(n, 2), fmt.Sprintf("/t/x/asset%d/7/clear/hls/main.m3u8", n), fmt.Sprintf("/t/y/asset%d/1/clear/poster.jpg?a=b", n)} {
			if got := f.get(c, path).body; got != owner[n] {
				t.Errorf("asset %d, request %d: edge %s, want %s", n, k, got, owner[n])
			}
		}
	}
	for _, e := range edges {
		if n := count[e.addr]; n < assets/6 || n > assets*3/5 {
			t.Errorf("assets by edge: %v, want about %d each", count, assets/3)
		}
	}
	gone := edges[2]
	f.reload(func(c *nginx.Config) { c.Edges = addresses(edges[:2]...) })
	moved := 0
	for n := range assets {
		got := f.get(c, segment(n, 0)).body
		if owner[n] != gone.addr && got != owner[n] {
			moved++
		}
		if got == gone.addr {
			t.Fatalf("asset %d is asked of the edge that went", n)
		}
	}
	if stay := assets - count[gone.addr]; moved > stay*2/5 {
		t.Errorf("%d of %d assets moved that were none of the edge that went, want at most 40 %%", moved, stay)
	}
	t.Logf("assets by edge %v; %d of others moved when one went", count, moved)
}

// gatewaysByLoad: a gateway that is slow gets fewer new requests.
func gatewaysByLoad(t *testing.T) {
	entered, release := make(chan struct{}, 200), make(chan struct{})
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "slow")
	})
	quick := serve(t, nil)
	f := start(t, nil, []*backend{slow, quick})
	c := f.client(true)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer close(release)
	for i := range 100 {
		answered := make(chan error, 1)
		waiting.Go(func() {
			r, err := ask(context.WithoutCancel(t.Context()), c, "GET", f.url("/v1/titles"), "")
			if err == nil && r.status != 200 {
				err = fmt.Errorf("status %d %s", r.status, r.body)
			}
			answered <- err
		})
		select {
		case <-entered: // it waits there
		case err := <-answered:
			if err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		}
	}
	if n := slow.hits.Load(); n > 10 {
		t.Errorf("the gateway that answers nothing got %d of 100 requests, want one or two", n)
	}
	if n := quick.hits.Load(); n < 90 {
		t.Errorf("the quick gateway got %d of 100 requests", n)
	}
}

// uploadsStay: the requests of an upload come to the gateway that began it.
func uploadsStay(t *testing.T) {
	f := start(t, nil, []*backend{serve(t, nil), serve(t, nil), serve(t, nil)})
	c := f.client(true)
	first, err := ask(t.Context(), c, "POST", f.url("/v1/uploads"), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		r, err := ask(t.Context(), c, "PATCH", f.url("/v1/uploads/a"), "bytes")
		if err != nil || r.body != first.body {
			t.Errorf("request %d of the upload: gateway %s, %v, want %s", i, r.body, err, first.body)
		}
	}
}

// connections to servers are kept and used again.
func connections(t *testing.T) {
	edge, gateway := serve(t, nil), serve(t, nil)
	f := start(t, []*backend{edge}, []*backend{gateway})
	for _, http2 := range []bool{true, false} {
		c := f.client(http2)
		for n := range 100 {
			f.get(c, segment(n, 0))
			f.get(c, "/v1/titles")
		}
	}
	for _, b := range []*backend{edge, gateway} {
		if n := b.conns.Load(); n > 8 || b.hits.Load() != 200 {
			t.Errorf("%d requests came over %d connections, want a few", b.hits.Load(), n)
		}
	}
}

// crowd asks for segments of many assets from several connections and counts what is not a whole 200. It calls each after
// every answer with the number of answers so far.
func crowd(f *front, requests int, each func(done int)) (failures []string) {
	var mu sync.Mutex // guards failures
	var next, done atomic.Int64
	var clients sync.WaitGroup
	for k := range 4 {
		c := f.client(k%2 == 0)
		clients.Go(func() {
			for n := next.Add(1); n <= int64(requests); n = next.Add(1) {
				r, err := ask(f.t.Context(), c, "GET", f.url(segment(int(n), k)), "")
				if err != nil || r.status != 200 || r.body != r.header.Get("X-Server") {
					mu.Lock()
					failures = append(failures, fmt.Sprintf("request %d: %d %q %v", n, r.status, r.body, err))
					mu.Unlock()
				}
				each(int(done.Add(1)))
			}
		})
	}
	clients.Wait()
	return failures
}

// deadEdge: nobody who asks for a whole answer sees that an edge died.
func deadEdge(t *testing.T) {
	edges := []*backend{serve(t, nil), serve(t, nil), serve(t, nil)}
	f := start(t, edges, nil)
	failures := crowd(f, 200, func(done int) {
		if done == 80 {
			_ = edges[1].server.Close() // idle connections and the listener; requests that run are answered again elsewhere
		}
	})
	if len(failures) > 0 {
		t.Errorf("%d of 200 requests failed:\n%s", len(failures), strings.Join(failures, "\n"))
	}
	if edges[0].hits.Load()+edges[2].hits.Load() < 120 {
		t.Errorf("the edges that live got %d and %d requests", edges[0].hits.Load(), edges[2].hits.Load())
	}
}

// deadBeforeTheFirstByte: an edge that takes requests and dies over them.
func deadBeforeTheFirstByte(t *testing.T) {
	dies := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	dying, other := serve(t, dies), serve(t, dies)
	f := start(t, []*backend{serve(t, nil), dying, serve(t, nil)}, []*backend{dying, other})
	if failures := crowd(f, 200, func(int) {}); len(failures) > 0 {
		t.Errorf("%d of 200 requests failed:\n%s", len(failures), strings.Join(failures, "\n"))
	}
	before := dying.hits.Load() + other.hits.Load()
	if before == 0 {
		t.Error("the dying edge was never asked")
	}
	r, err := ask(t.Context(), f.client(true), "POST", f.url("/v1/playback"), "{}")
	if n := dying.hits.Load() + other.hits.Load() - before; err != nil || r.status != 503 || n != 1 {
		t.Errorf("POST = %d, %v and came %d times, want 503 and once: it may have been done", r.status, err, n)
	}
}

// deadMidBody: half an answer is never taken for a whole one.
func deadMidBody(t *testing.T) {
	for name, length := range map[string]string{"with a length": "Content-Length: 100000\r\n", "chunked": "Transfer-Encoding: chunked\r\n"} {
		f := start(t, []*backend{halfAnswer(t, length)}, nil)
		for _, http2 := range []bool{true, false} {
			r, err := ask(t.Context(), f.client(http2), "GET", f.url(segment(1, 1)), "")
			if err == nil {
				t.Errorf("%s, HTTP/2 %v: an answer that broke off = %d with %d bytes, want an error", name, http2, r.status, len(r.body))
			}
		}
	}
}

// halfAnswer is an edge that dies in the midst of every answer.
func halfAnswer(t *testing.T, length string) *backend {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{addr: l.Addr().String(), server: &http.Server{}, stopped: make(chan struct{})}
	go func() {
		defer close(b.stopped)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+length+"\r\n5\r\nhello\r\n")
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-b.stopped
	})
	return b
}

// nobody: without servers, and with none that lives, there is a problem that players of any origin can read.
func nobody(t *testing.T) {
	dead := &backend{addr: freeAddress(t)}
	for name, list := range map[string][]*backend{"none": nil, "one": {dead}, "two": {dead, {addr: freeAddress(t)}}} {
		f := start(t, list, list)
		c := f.client(true)
		for path, cors := range map[string]string{"/": "", "/v1/titles": "", segment(1, 1): "*"} {
			for range 6 { // beyond max_fails
				r := f.get(c, path)
				if r.status != 503 || !strings.Contains(r.body, `problems/unavailable"`) || r.header.Get("Content-Type") != "application/problem+json" ||
					r.header.Get("Access-Control-Allow-Origin") != cors || r.header.Get("Retry-After") == "" || r.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s server: GET %s = %d %v %s", name, path, r.status, r.header, r.body)
				}
			}
		}
	}
}

// a503IsAnAnswer: an edge without its object store says so, and is asked on for what it holds.
func a503IsAnAnswer(t *testing.T) {
	half := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/1.m4s") {
			w.WriteHeader(503)
		}
		_, _ = io.WriteString(w, w.Header().Get("X-Server"))
	}
	edges := []*backend{serve(t, half), serve(t, half)}
	f := start(t, edges, nil, unlimited)
	c := f.client(true)
	owner := f.get(c, segment(1, 1)).body
	for range 20 {
		if r := f.get(c, segment(1, 0)); r.status != 503 || r.body != owner {
			t.Errorf("a miss without object store = %d from %s, want 503 from %s", r.status, r.body, owner)
		}
		if r := f.get(c, segment(1, 1)); r.status != 200 || r.body != owner {
			t.Errorf("a hit without object store = %d from %s, want 200 from %s", r.status, r.body, owner)
		}
	}
}
