package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// A parked connection keeps no copy of what it was sent last.
func TestParkedKeepsNoAnswer(t *testing.T) {
	const many = 300
	s := start(t, 15_000, func(e *edge.Server) { e.IdleTimeout, e.ReadTimeout, e.Log = 4*time.Second, 8*time.Second, nil })
	s.list(weir.Complete, 6)
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // pools keep what they hold for one collection
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	round := func(target string) int64 {
		before := heap()
		for range many {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
			res, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatal(err)
			}
		}
		for end := time.Now().Add(20 * time.Second); s.metric("weir_edge_idle_connections") < many; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("they are not parked")
			}
		}
		return (heap() - before) / many
	}
	if n := round(s.url(videoID + "/1.m4s")); n > 8<<10 {
		t.Errorf("a parked connection that was sent 15 KB holds %d bytes of heap", n)
	} else {
		t.Logf("%d bytes", n)
	}
}
