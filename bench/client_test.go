package bench_test

import (
	"bufio"
	"net"
	"testing"

	"github.com/weirstream/weir/bench"
)

// BenchmarkClient is what the client costs beside the barest of servers, which runs in the same process.
func BenchmarkClient(b *testing.B) {
	const size = 256 << 10
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go serveBarely(l, append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 262144\r\n\r\n"), make([]byte, size)...))
	for _, c := range []bench.Client{bench.Copy, bench.Discard} {
		b.Run(string(c), func(b *testing.B) {
			t, err := new(bench.Hosts).Target(b.Context(), "http://"+l.Addr().String()+"/x.m4s")
			if err != nil {
				b.Fatal(err)
			}
			ask, end := bench.Asker(t, c)
			defer end()
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if n, err := ask(); err != nil || n != size {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// serveBarely answers everything alike until the listener closes.
func serveBarely(l net.Listener, answer []byte) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				break
			}
			if len(line) > 2 {
				continue
			}
			if _, err := c.Write(answer); err != nil {
				break
			}
		}
		_ = c.Close()
	}
}
