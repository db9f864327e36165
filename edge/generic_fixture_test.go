package edge_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// mirror is an edge in the generic mode before an origin made for the test.
type mirror struct {
	t    testing.TB
	addr string
	stop func() error // ends Serve and returns what it returned; once

	mu   sync.Mutex // guards seen
	seen []string   // "METHOD target" of each request the origin got, in order
}

// reflect starts an origin that answers by handler and an edge before it.
func reflect(t testing.TB, handler http.HandlerFunc, configs ...func(*edge.Server)) *mirror {
	t.Helper()
	m := &mirror{t: t}
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.seen = append(m.seen, r.Method+" "+r.RequestURI)
		m.mu.Unlock()
		handler(w, r)
	}))
	origin.Start()
	t.Cleanup(origin.Close)
	u, err := url.Parse(origin.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &edge.Server{Generic: &edge.Generic{Origin: u}, Keys: func(kid string) (weir.TicketKey, bool) { return testKey, kid == testKey.ID }}
	for _, c := range configs {
		c(s)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	m.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := m.stop(); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return m
}

// asked lists what the origin got so far.
func (m *mirror) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.seen...)
}

// begin sends a request on a connection of its own and returns the answer, whose body is still to be read. Headers are
// "Name: value".
func (m *mirror) begin(method, target string, body string, headers ...string) *http.Response {
	m.t.Helper()
	c, err := net.Dial("tcp", m.addr)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	raw := method + " " + target + " HTTP/1.1\r\nHost: mirror.test\r\nConnection: close\r\n"
	if len(headers) > 0 {
		raw += strings.Join(headers, "\r\n") + "\r\n"
	}
	if body != "" {
		raw += "Content-Length: " + itoa(len(body)) + "\r\n"
	}
	go func() { _, _ = io.WriteString(c, raw+"\r\n"+body) }() // the edge may answer, and close, before it has all of it
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, target, err)
	}
	res.Body = struct { // who closes it leaves: net/http would read to the end first
		io.Reader
		io.Closer
	}{res.Body, c}
	return res
}

// do is begin and the whole body, which must be whole.
func (m *mirror) do(method, target string, headers ...string) (int, http.Header, string) {
	m.t.Helper()
	res := m.begin(method, target, "", headers...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatalf("%s %s: body: %v", method, target, err)
	}
	return res.StatusCode, res.Header, string(b)
}
