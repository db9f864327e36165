package edge_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/weirstream/weir/edge"
)

// scale is the size of long tests: 1 is full.
func scale() float64 {
	if f, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64); err == nil {
		return f
	}
	return 0.01
}

// TestIdleConnections keeps connections idle until they are parked, which must give memory back, and uses each once more.
func TestIdleConnections(t *testing.T) {
	many := max(int(10_000*scale()), 1000)
	s := start(t, 1000, func(e *edge.Server) { e.IdleTimeout, e.Log = 8*time.Second, nil; e.ReadTimeout = 8 * time.Second })
	conns := make([]net.Conn, many)
	readers := make([]*bufio.Reader, many)
	ask := func(i int) {
		t.Helper()
		if _, err := fmt.Fprint(conns[i], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(readers[i], nil)
		if err != nil {
			t.Fatalf("request on connection %d: %v", i, err)
		}
		if _, err := readers[i].Discard(int(res.ContentLength)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", s.addr); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		_ = conns[i].SetDeadline(time.Now().Add(time.Minute))
		readers[i] = bufio.NewReaderSize(conns[i], 1024)
	}
	for i := range conns {
		ask(i)
	}
	var before, after runtime.MemStats
	parked := s.metric("weir_edge_idle_connections")
	runtime.GC()
	runtime.ReadMemStats(&before)
	for end := time.Now().Add(30 * time.Second); s.metric("weir_edge_idle_connections") < float64(many); {
		if time.Now().After(end) {
			t.Fatalf("%v of %d connections are parked", s.metric("weir_edge_idle_connections"), many)
		}
		runtime.Gosched() // the metric is what tells; there is no other event
	}
	runtime.GC()
	runtime.GC() // pools keep what they hold for one collection
	runtime.ReadMemStats(&after)
	inuse := func(m *runtime.MemStats) int64 { return int64(m.HeapInuse + m.StackInuse) }
	t.Logf("%d connections: parking the last %v gave %d bytes of heap and stack back", many, float64(many)-parked, inuse(&before)-inuse(&after))
	if parked < float64(many)/2 && inuse(&after) >= inuse(&before) {
		t.Error("parking gave no memory back")
	}
	for i := range conns {
		ask(i)
	}
}

// What arrived before a connection is parked is not overlooked: it wakes nobody again.
func TestParkingWhatIsAsked(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if _, err := far.Write([]byte("xy")); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(make([]byte, 1)); err != nil { // then the other byte is there, too
		t.Fatal(err)
	}
	if !edge.Park(near, 3*time.Second) {
		t.Error("a connection with a byte to be read slept on")
	}
}
