package edge_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

// A request's first line ends in CR LF, in however many pieces it arrives; the bodies of others may have any line ends.
func TestFirstLineEndsInCRLF(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	const next = "GET /livez HTTP/1.1\r\nHost: second\r\n\r\n"
	f := func(want int, answers int, pieces ...string) {
		t.Helper()
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		for _, piece := range pieces { // loopback keeps writes apart often enough: each order must do
			_, _ = io.WriteString(c, piece) // the server may have answered and closed before
		}
		_ = c.(*net.TCPConn).CloseWrite()
		b, _ := io.ReadAll(c)
		if got := statusLines.FindAllString(string(b), -1); len(got) != answers || !strings.HasPrefix(string(b), fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Errorf("%q is answered by %q, want %d with %d first", pieces, got, answers, want)
		}
	}
	f(400, 1, "GET /livez HTTP/1.1\nHost: x\r\n\r\n", next)
	f(400, 1, "GET /livez HTTP/1.1\nHost: x\n\n", next)
	f(400, 1, "GET /livez HTTP/1.1", "\nHost: x\r\n\r\n", next)
	f(400, 1, "GET /livez HT", "TP/1.1\nHost: x\r\n\r\n"+next)
	f(400, 1, "\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n"+next)
	f(400, 1, "\r\nGET /livez HTTP/1.1\nHost: x\r\n\r\n"+next)
	f(400, 1, "GET /livez\nHost: x\r\n\r\n"+next)
	f(400, 1, "\r\n", "GET /livez HTTP/1.1\nHost: x\r\n\r\n"+next)
	f(400, 1, "\r", "\nGET /livez HTTP/1.1\nHost: x\r\n\r\n"+next)
	f(200, 2, "\r", "\n\r\n", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", next)
	f(200, 2, "\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n", next)
	f(200, 2, "G", "ET /livez HTTP/1.1\r", "\nHost: x\r\n", "\r\n"+next)
	f(405, 2, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n", "a\nb\n\n", "\n", next)
	f(405, 2, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\na\nb\n\n\n"+next)
	f(200, 3, next+"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", "\n\n\n", next)
	f(405, 1, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n", "\n\n\n\r\n0\r\n\r\n"+next) // the last of its connection
}
