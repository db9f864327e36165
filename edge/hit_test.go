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

// benchmarkHit measures cached segments of about size bytes over one loopback connection. The client reads into one
// buffer and parses nothing but the header's end, so allocations counted are the edge's and fasthttp's.
func benchmarkHit(b *testing.B, size int) {
	s := start(b, size, func(e *edge.Server) { e.Log, e.NoPrefetch = nil, false })
	s.list(weir.Complete, 6)
	if a := s.get(videoID + "/1.m4s"); a.status != 200 {
		b.Fatalf("GET = %d", a.status)
	}
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: edge\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", s.url(videoID+"/1.m4s"))
	r := bufio.NewReaderSize(c, 256<<10)
	b.SetBytes(int64(len(s.bytes[videoID][0])))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for { // to the end of the header
			line, err := r.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := r.Discard(len(s.bytes[videoID][0])); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHit1KB(b *testing.B)  { benchmarkHit(b, 1<<10) }
func BenchmarkHit64KB(b *testing.B) { benchmarkHit(b, 64<<10) }
func BenchmarkHit1MB(b *testing.B)  { benchmarkHit(b, 1<<20) }

// BenchmarkTicket compares a ticket seen before with one that must be verified.
func BenchmarkTicket(b *testing.B) {
	keys := func(string) (weir.TicketKey, bool) { return testKey, true }
	now := time.Now()
	text, err := weir.Ticket{Session: "s1", Prefix: assetID + "/", Expires: now.Add(time.Hour)}.Sign(testKey)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("known", func(b *testing.B) {
		verify := edge.TicketVerifier(keys)
		b.ReportAllocs()
		for b.Loop() {
			if err := verify([]byte(text), now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := weir.VerifyTicket(text, keys, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestTicketVerifier(t *testing.T) {
	keys := map[string]weir.TicketKey{testKey.ID: testKey}
	verify := edge.TicketVerifier(func(kid string) (weir.TicketKey, bool) { k, ok := keys[kid]; return k, ok })
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	text, err := weir.Ticket{Session: "s1", Prefix: "a/", Expires: now.Add(time.Minute)}.Sign(testKey)
	if err != nil {
		t.Fatal(err)
	}
	f := func(after time.Duration, want weir.Kind) {
		t.Helper()
		if err := verify([]byte(text), now.Add(after)); (err != nil || want != weir.Internal) && weir.KindOf(err) != want {
			t.Errorf("verify after %v = %v, want %v", after, err, want)
		}
	}
	const good = weir.Internal // the zero kind stands for no error here
	f(0, good)
	f(29*time.Second, good)
	f(time.Minute+weir.TicketSkew, good)
	f(time.Minute+weir.TicketSkew+time.Second, weir.Forbidden) // a remembered ticket expires too
	f(0, good)
	delete(keys, testKey.ID)
	f(10*time.Second, good) // a withdrawn key is noticed soon
	f(2*time.Minute, weir.Unauthenticated)
	if err := verify(nil, now); weir.KindOf(err) != weir.Unauthenticated {
		t.Errorf("verify of nothing = %v, want unauthenticated", err)
	}
}

func TestManyTickets(t *testing.T) {
	calls := 0
	verify := edge.TicketVerifier(func(string) (weir.TicketKey, bool) { calls++; return testKey, true })
	now := time.Now()
	mint := func(n int) []byte {
		text, err := weir.Ticket{Session: fmt.Sprint("s", n), Prefix: "a/", Expires: now.Add(time.Hour)}.Sign(testKey)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(text)
	}
	used := mint(0)
	const many = 100_000
	for n := range many {
		if err := verify(mint(n+1), now); err != nil {
			t.Fatal(err)
		}
		if n%1000 == 0 {
			if err := verify(used, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	if calls != many+1 {
		t.Errorf("keys were asked %d times for %d tickets: the used one was forgotten", calls, many+1)
	}
}

// FuzzHandler sends anything to a running edge: it must answer with sense or close, and never with a
// fault of its own.
func FuzzHandler(f *testing.F) {
	s := start(f, 500, func(e *edge.Server) { e.Log, e.NoPrefetch = nil, false })
	s.list(weir.Complete, 6)
	for _, seed := range []string{
		"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET " + s.url("hls/main.m3u8") + " HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
		"HEAD " + s.url(videoID+"/track.mp4") + " HTTP/1.0\r\nRange: bytes=0-1,5-9\r\n\r\n",
		"GET " + s.url(videoID+"/1.m4s") + " HTTP/1.1\r\nHost: x\r\nRange: bytes=-5\r\nIf-Range: \"x\"\r\nIf-None-Match: *\r\n\r\n",
		"GET /t/../%2e%2e// HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
		"\x16\x03\x01\x02\x00\x01",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = c.Write(raw)
		_ = c.(*net.TCPConn).CloseWrite()
		b, err := io.ReadAll(c)
		if err != nil && !strings.Contains(err.Error(), "reset by peer") {
			t.Fatalf("answer to %q: %v after %q", raw, err, b)
		}
		if len(b) > 0 {
			checkAnswer(t, raw, b)
		}
	})
}

func checkAnswer(t *testing.T, raw, b []byte) {
	t.Helper()
	method, _, _ := bytes.Cut(bytes.TrimLeft(raw, "\r\n"), []byte{' '})
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: string(method)})
	if err != nil {
		t.Fatalf("answer to %q is not HTTP: %v\n%q", raw, err, b)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Fatalf("answer to %q: %v\n%q", raw, err, b)
	}
	if res.StatusCode == 500 || res.StatusCode == 503 || res.StatusCode == 504 {
		t.Fatalf("answer to %q: %s\n%s", raw, res.Status, b)
	}
}
