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

// TestIdleConnections keeps connections idle until they are parked, looks at what they cost, and uses each once more.
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
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range conns {
		ask(i)
	}
	for s.metric("weir_edge_idle_connections") < float64(many) {
		runtime.Gosched() // the metric is what tells; there is no other event
	}
	runtime.GC()
	runtime.GC() // pools keep what they hold for one collection
	runtime.ReadMemStats(&after)
	inuse := func(m *runtime.MemStats) int64 { return int64(m.HeapInuse + m.StackInuse) }
	t.Logf("%d idle connections: %d bytes of heap and stack each beyond an open one", many, (inuse(&after)-inuse(&before))/int64(many))
	for i := range conns {
		ask(i)
	}
}
