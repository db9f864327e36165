package edge_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/internal/engine/embed"
)

// scarceListener has no file descriptors for the first few calls.
type scarceListener struct {
	net.Listener
	failures atomic.Int64
}

func (l *scarceListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func serveOn(t *testing.T, ln net.Listener, log *slog.Logger) (cancel func(), ended <-chan error) {
	t.Helper()
	blobs, err := embed.OpenBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &edge.Server{Blobs: blobs, Log: log, Keys: func(string) (weir.TicketKey, bool) { return testKey, true }}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Serve(ctx, ln) }()
	return cancel, result
}

func TestServeOutlivesWantOfDescriptors(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &scarceListener{Listener: inner}
	ln.failures.Store(3)
	log := &lockedBuffer{}
	cancel, ended := serveOn(t, ln, slog.New(slog.NewTextHandler(log, nil)))
	res, err := http.Get("http://" + inner.Addr().String() + "/livez")
	if err != nil {
		t.Fatalf("GET after accept had failed: %v", err)
	}
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil || res.StatusCode != 200 {
		t.Errorf("GET = %d, Serve = %v", res.StatusCode, err)
	}
	if n := strings.Count(log.String(), "connections cannot be accepted"); n != 1 {
		t.Errorf("accept failed three times at once, which is told %d times:\n%s", n, log)
	}
}

func TestServeTellsWhenItsListenerIsClosed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, ended := serveOn(t, ln, nil)
	_ = ln.Close()
	if err := <-ended; err == nil || strings.Contains(err.Error(), "%!") {
		t.Errorf("Serve on a listener that was closed = %v", err)
	}
}

func TestMoreClientsThanConnections(t *testing.T) {
	s := start(t, 1000, func(e *edge.Server) { e.Connections = 1 })
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /livez HTTP/1.1\r\nHost: edge\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil { // it is being served
		t.Fatal(err)
	}
	if a := s.do("GET", "/livez"); a.status != 503 || a.header.Get("Retry-After") != "1" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the second client of one got %d %s, want 503", a.status, a.body)
	}
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if log := s.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "concurrent connections") {
		t.Errorf("nobody is told that clients are refused:\n%s", log)
	}
}
