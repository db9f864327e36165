package bench_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
)

func TestParseHead(t *testing.T) {
	f := func(in string, n int, want bench.Head) {
		t.Helper()
		got, k, err := bench.ParseHead([]byte(in))
		if err != nil || k != n || got != want {
			t.Errorf("ParseHead(%q) = %+v, %d, %v, want %+v, %d", in, got, k, err, want, n)
		}
	}
	f("", 0, bench.Head{})
	f("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", 0, bench.Head{})
	f("HTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nabc", 37, bench.Head{Status: 200, Length: 3})
	f("HTTP/1.1 200\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 54, bench.Head{Status: 200, Length: 3})
	f("HTTP/1.1 302 Found\r\nLocation: /t/x/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 77, bench.Head{Status: 302, Location: "/t/x/", Close: true})
	f("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 48, bench.Head{Status: 304})
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", 47, bench.Head{Status: 200, Length: -1, Chunked: true})
	f("HTTP/1.0 200 OK\r\n\r\n", 19, bench.Head{Status: 200, Length: -1, Close: true})
	bad := func(in string) {
		t.Helper()
		if _, _, err := bench.ParseHead([]byte(in)); weir.KindOf(err) != weir.Unprocessable {
			t.Errorf("ParseHead(%q) = %v, want Unprocessable", in, err)
		}
	}
	bad("HTTP/2 200 OK\r\n\r\n")
	bad("HTTP/1.1 2x0 OK\r\n\r\n")
	bad("HTTP/1.1 999 OK\r\n\r\n")
	bad("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")
	bad("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
	bad("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
	bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
	bad("HTTP/1.1 200 OK\r\n: x\r\n\r\n")
	bad("HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n\r\n")
	bad("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 40_000))
}

// What is taken is taken as net/http takes it: nothing may be framed differently by two readers.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := bench.ParseHead(b)
		if err != nil || n == 0 || h.Status < 200 {
			return // an interim answer has no body, whatever it says
		}
		if n > len(b) || h.Status < 100 || h.Status > 599 || h.Length < -1 || h.Chunked && h.Length != -1 {
			t.Fatalf("ParseHead(%q) = %+v, %d", b, h, n)
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			return // it is stricter about what does not matter here
		}
		defer r.Body.Close()
		chunked := len(r.TransferEncoding) > 0
		if r.StatusCode != h.Status || chunked != h.Chunked || !chunked && h.Length >= 0 && r.ContentLength != h.Length && h.Status >= 200 {
			t.Fatalf("ParseHead(%q) = %+v; net/http: %d, %v, %d", b, h, r.StatusCode, r.TransferEncoding, r.ContentLength)
		}
	})
}
