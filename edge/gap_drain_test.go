package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// slowGet asks for a segment that no socket buffers hold, and reads the header and some of the body.
func (s *site) slowGet(rest string) (net.Conn, *http.Response, []byte) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(256 << 10)
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", s.url(rest))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	some := make([]byte, 10<<10)
	if _, err := io.ReadFull(res.Body, some); err != nil {
		s.t.Fatal(err)
	}
	return c, res, some
}

// A client that is slow, but not too slow, gets all of its answer while the edge drains; nobody else gets in.
func TestDrainWaitsForSlowReaders(t *testing.T) {
	const size = 6 << 20
	s := start(t, size, func(e *edge.Server) { e.DrainTimeout, e.MinRate = 25*time.Second, 1<<20 })
	s.list(weir.Complete, 6)
	_, res, got := s.slowGet(videoID + "/1.m4s")
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	<-s.closed
	if c, err := net.Dial("tcp", s.addr); err == nil {
		_ = c.Close()
		t.Error("a new connection is taken while the edge drains")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(got) <= size { // 50 MB a second at most
		select {
		case err := <-ended:
			if len(got) < size-5<<20 { // what the kernel holds may be read after the server is done
				t.Fatalf("Serve = %v when %d bytes of %d were read", err, len(got), size)
			}
			ended <- err
		default:
		}
		<-tick.C
		part := make([]byte, 256<<10)
		n, err := io.ReadFull(res.Body, part)
		if got = append(got, part[:n]...); err != nil {
			break
		}
	}
	if !bytes.Equal(got, s.bytes[videoID][0]) {
		t.Errorf("%d bytes were read while the edge drained, not the %d of the segment", len(got), size)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// A client that does not come to its end is cut at the bound, and knows that it has not got everything.
func TestDrainCutsWhoIsTooSlow(t *testing.T) {
	const size = 6 << 20
	s := start(t, size, func(e *edge.Server) { e.DrainTimeout = 300 * time.Millisecond })
	s.list(weir.Complete, 6)
	_, res, some := s.slowGet(videoID + "/1.m4s")
	began := time.Now()
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("a client that reads was cut after %v", took)
	}
	if rest, err := io.ReadAll(res.Body); err == nil || len(some)+len(rest) > size {
		t.Errorf("a client that was cut read %d bytes of %d: %v", len(some)+len(rest), size, err)
	}
}

// Whoever waits for nothing is let go at once, parked or not, having asked or never; who is answered is told to come no more.
func TestDrainEndsConnections(t *testing.T) {
	s := start(t, 1000, func(e *edge.Server) { e.DrainTimeout, e.IdleTimeout = 25*time.Second, 3*time.Second })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	parked := dial(t, s.addr)
	parked.get(t, "/livez")
	for end := time.Now().Add(20 * time.Second); s.metric("weir_edge_idle_connections") < 1; {
		if time.Now().After(end) {
			t.Fatal("an idle connection is not parked")
		}
	}
	inside, open := make(chan struct{}, 10), make(chan struct{}) // room for a hedged read
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if strings.HasSuffix(key, ".cmf") {
			inside <- struct{}{}
			<-open
		}
		return r, nil
	})
	idle, silent, busy := dial(t, s.addr), dial(t, s.addr), dial(t, s.addr)
	idle.get(t, "/livez")
	fmt.Fprintf(busy, "GET %s HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n", s.url(videoID+"/1.m4s"))
	<-inside
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	<-s.closed
	for name, c := range map[string]asking{"parked": parked, "idle": idle, "silent": silent} {
		if n, err := c.r.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Errorf("the %s connection while the edge drains: %d bytes, %v", name, n, err)
		}
	}
	close(open)
	res, err := http.ReadResponse(busy.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(b, s.bytes[videoID][0]) || !res.Close {
		t.Errorf("the answer under way has %d bytes, close %v: %v", len(b), res.Close, err)
	}
	if n, _ := busy.r.Read(make([]byte, 1)); n > 0 {
		t.Error("there is an answer after the last one")
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}
