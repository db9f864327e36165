package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/cache"
)

// memoryFile is content in a memfd, handed out in runs of at most step bytes; arrive, if not nil, is read from before each
// run, like a fill that is under way.
type memoryFile struct {
	file     int
	base     int64 // where the content starts in the file
	data     []byte
	step     int64
	arrive   chan error
	released int
}

func newMemoryFile(t testing.TB, data []byte, base, step int64) *memoryFile {
	t.Helper()
	fd, err := unix.MemfdCreate("content", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.Pwrite(fd, data, base); err != nil {
		t.Fatal(err)
	}
	return &memoryFile{file: fd, base: base, data: data, step: step}
}

func (m *memoryFile) Run(_ context.Context, off, n int64) (cache.Run, error) {
	if m.arrive != nil {
		if err := <-m.arrive; err != nil {
			return cache.Run{}, err
		}
	}
	if off >= int64(len(m.data)) {
		return cache.Run{}, io.EOF
	}
	end := min(off+n, off+m.step, int64(len(m.data)))
	return cache.Run{Bytes: m.data[off:end], File: m.file, Off: m.base + off}, nil
}

func (m *memoryFile) Release() { m.released++ }

func connect(t testing.TB) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	_ = client.SetDeadline(time.Now().Add(20 * time.Second))
	return server, client
}

func TestSendfile(t *testing.T) {
	data := random(7, 3<<20)
	f := func(off, end, base, step int64) {
		t.Helper()
		server, client := connect(t)
		m := newMemoryFile(t, data, base, step)
		sent := make(chan error, 1)
		go func() { sent <- edge.SendStream(server, []byte("header"), m, off, end); server.Close() }()
		got, err := io.ReadAll(client)
		if err != nil || <-sent != nil {
			t.Errorf("send %d-%d: %v", off, end, err)
		}
		if !bytes.Equal(got, append([]byte("header"), data[off:end]...)) {
			t.Errorf("%d-%d of a file from %d in runs of %d arrive as %d other bytes", off, end, base, step, len(got))
		}
		if m.released != 1 {
			t.Errorf("the content was released %d times", m.released)
		}
	}
	f(0, 3<<20, 0, 1<<30)
	f(0, 3<<20, 4096+17, 64<<10)
	f(1, 2, 99, 1<<20)
	f(12345, 3<<20-1, 1<<20, 1<<20)
	f(100, 20000, 0, 1000) // many runs below the size that is copied
	f(0, 100_000, 5, 16<<10-1)
}

// Every waiter is served while the fill streams: what has arrived is on the wire before the rest is there. A fill that
// fails midway leaves a short answer, which the client sees as one.
func TestSendWhileItArrives(t *testing.T) {
	data := random(8, 256<<10)
	server, client := connect(t)
	m := newMemoryFile(t, data, 0, 64<<10)
	m.arrive = make(chan error)
	sent := make(chan error, 1)
	go func() { sent <- edge.SendStream(server, []byte("h"), m, 0, int64(len(data))); server.Close() }()
	got := []byte{}
	for n := range 3 {
		m.arrive <- nil
		part := make([]byte, 64<<10)
		if n == 0 {
			part = append(part, 0)
		}
		if _, err := io.ReadFull(client, part); err != nil {
			t.Fatal(err)
		}
		got = append(got, part...)
	}
	m.arrive <- errors.New("the origin is gone")
	rest, _ := io.ReadAll(client)
	if err := <-sent; err == nil || len(rest) != 0 || !bytes.Equal(got[1:], data[:192<<10]) || m.released != 1 {
		t.Errorf("send = %v, %d bytes after the failure, %d releases", err, len(rest), m.released)
	}
}

// A reader is cut for being slower than the rate over the grace, and for nothing else.
func TestSlowReaders(t *testing.T) {
	t.Run("clear", func(t *testing.T) { testSlowReaders(t, false) })
	t.Run("TLS", func(t *testing.T) { testSlowReaders(t, true) })
}

func testSlowReaders(t *testing.T, encrypted bool) {
	const size = 6 << 20
	s := start(t, size, func(e *edge.Server) {
		if e.MinRate, e.Grace = 1<<20, 400*time.Millisecond; encrypted {
			e.TLSCert, e.TLSKey = certify(t, t.TempDir(), 1)
		}
	})
	s.list(weir.Complete, 6)
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if encrypted {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", s.url(videoID+"/track.mp4"))
		return c, bufio.NewReader(c)
	}
	stalled, r := dial()
	defer stalled.Close()
	if _, err := r.Peek(1); err != nil {
		t.Fatal(err)
	}
	for s.metric("weir_edge_slow_readers_total") == 0 {
		s.advance(1) // the metric is what tells; there is no other event
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); err == nil || n >= res.ContentLength {
		t.Errorf("a reader that stalled got %d bytes of %d: %v", n, res.ContentLength, err)
	}
	steady, r := dial()
	defer steady.Close()
	if res, err = http.ReadResponse(r, nil); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := int64(0); n < res.ContentLength; { // 10 MB a second: several times the grace
		<-tick.C
		m, err := io.CopyN(io.Discard, res.Body, min(100<<10, res.ContentLength-n))
		if n += m; err != nil {
			t.Fatalf("a slow reader above the rate was cut after %d bytes of %d: %v", n, res.ContentLength, err)
		}
	}
	if n := s.metric("weir_edge_slow_readers_total"); n != 1 {
		t.Errorf("slow readers cut: %v, want 1", n)
	}
}

// A header that drips is bounded in its whole, not from byte to byte.
func TestSlowHeader(t *testing.T) {
	s := start(t, 1000, func(e *edge.Server) { e.ReadTimeout = 200 * time.Millisecond })
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\n"); err == nil; <-tick.C {
			_, err = io.WriteString(c, "X: y\r\n")
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 408 || !res.Close {
		t.Errorf("a header that drips gets %v, %v", res, err)
	}
	_ = c.Close()
	<-done
}

func TestHeaderLimit(t *testing.T) {
	s := start(t, 1000)
	if a := s.do("GET", "/livez", "X: "+strings.Repeat("a", 15<<10)); a.status != 200 {
		t.Errorf("a header of 15 KB gets %d", a.status)
	}
	for _, n := range []int{17 << 10, 1 << 20} {
		if a := s.do("GET", "/livez", "X: "+strings.Repeat("a", n)); a.status != 431 || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("a header of %d bytes gets %d %v", n, a.status, a.header)
		}
	}
}

func TestExpect(t *testing.T) {
	s := start(t, 1000)
	got := s.converse("GET /livez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
	if !strings.HasPrefix(got, "HTTP/1.1 100 ") || !strings.Contains(got, "HTTP/1.1 200 ") {
		t.Errorf("Expect: 100-continue gets %q", got)
	}
	if a := s.do("GET", "/livez", "Expect: tea"); a.status != 417 {
		t.Errorf("Expect: tea gets %d", a.status)
	}
}
