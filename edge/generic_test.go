package edge_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// The origin sends half of an object and waits: who asked for the whole, and who asks for a part that is there, has it
// before the origin goes on, from one request.
func TestGenericWaitersAreServedWhileBytesArrive(t *testing.T) {
	content, goOn := random(7, 300_000), make(chan struct{})
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:150_000])
		_ = http.NewResponseController(w).Flush()
		<-goOn
		_, _ = w.Write(content[150_000:])
	})
	const clients = 20
	var early, all sync.WaitGroup
	early.Add(clients)
	for range clients {
		all.Go(func() {
			res := m.begin("GET", "/a", "")
			start := make([]byte, 100_000)
			if _, err := io.ReadFull(res.Body, start); err != nil || !bytes.Equal(start, content[:100_000]) {
				t.Errorf("the first 100,000 bytes: %v", err)
			}
			early.Done()
			rest, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(rest, content[100_000:]) {
				t.Errorf("the rest, %d bytes: %v", len(rest), err)
			}
		})
	}
	early.Wait()
	status, header, got := m.do("GET", "/a", "Range: bytes=5000-5999")
	if status != 206 || got != string(content[5000:6000]) || header.Get("Content-Range") != "bytes 5000-5999/300000" {
		t.Errorf("a range while the rest is missing: %d %s, %d bytes", status, header.Get("Content-Range"), len(got))
	}
	close(goOn)
	all.Wait()
	if got := m.asked(); len(got) != 1 {
		t.Errorf("the origin was asked %d times: %v", len(got), got)
	}
}

// A client that leaves does not end what others wait for.
func TestGenericLeavingClientsDoNotCancel(t *testing.T) {
	asked, goOn := make(chan struct{}, 1), make(chan struct{})
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-goOn
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "here")
	})
	c, err := net.Dial("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: mirror.test\r\n\r\n")
	<-asked
	_ = c.Close()
	close(goOn)
	if _, header, got := m.do("GET", "/a"); got != "here" || len(m.asked()) != 1 {
		t.Errorf("got %q after %v, %s", got, m.asked(), header.Get("Cache-Status"))
	}
}

// What was invalidated while it was fetched is not stored.
func TestGenericInvalidationDuringAFetch(t *testing.T) {
	var version atomic.Int64
	asked, goOn := make(chan struct{}, 1), make(chan struct{})
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		n := version.Load()
		if r.Method == "POST" {
			version.Add(1)
		} else if n == 0 {
			asked <- struct{}{}
			<-goOn
		}
		fmt.Fprintf(w, "version %d", n)
	})
	old := make(chan string)
	go func() {
		_, _, got := m.do("GET", "/a")
		old <- got
	}()
	<-asked
	m.do("POST", "/a")
	if _, _, got := m.do("GET", "/a"); got != "version 1" {
		t.Errorf("after the POST: %q", got)
	}
	close(goOn)
	if got := <-old; got != "version 0" {
		t.Errorf("who asked before: %q", got)
	}
	if _, _, got := m.do("GET", "/a"); got != "version 1" {
		t.Errorf("after the old answer came: %q", got)
	}
}

// Objects over the limit pass through, and parts of them come from the origin as parts.
func TestGenericTooLarge(t *testing.T) {
	content := random(9, 100_000)
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "a.bin", time.Time{}, bytes.NewReader(content))
	}, func(s *edge.Server) { s.Generic.MaxObject = 50_000 })
	for range 2 {
		if status, header, got := m.do("GET", "/a"); status != 200 || got != string(content) || strings.Contains(header.Get("Cache-Status"), "stored") {
			t.Errorf("%d, %d bytes, %s", status, len(got), header.Get("Cache-Status"))
		}
		if status, _, got := m.do("GET", "/a", "Range: bytes=10-19"); status != 206 || got != string(content[10:20]) {
			t.Errorf("range: %d, %d bytes", status, len(got))
		}
	}
	if status, _, got := m.do("GET", "/new", "Range: bytes=10-19"); status != 206 || got != string(content[10:20]) {
		t.Errorf("range first: %d, %d bytes", status, len(got))
	}
}

// An origin of unknown length that grows over the limit is cut, visibly.
func TestGenericTooLargeWithoutLength(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		for range 100 {
			_, _ = w.Write(random(1, 1000))
			_ = http.NewResponseController(w).Flush()
		}
	}, func(s *edge.Server) { s.Generic.MaxObject = 50_000 })
	res := m.begin("GET", "/a", "")
	if b, err := io.ReadAll(res.Body); err == nil && res.StatusCode == 200 {
		t.Errorf("a whole of %d bytes", len(b))
	}
	for range 2 { // now it is known
		if status, _, got := m.do("GET", "/a"); status != 200 || len(got) != 100_000 {
			t.Errorf("the next: %d, %d bytes", status, len(got))
		}
	}
}

// Whatever the origin does, nobody gets bytes that are wrong or too few without being able to tell.
func TestGenericFaults(t *testing.T) {
	requests := max(int(20_000*scale()), 300)
	var faults atomic.Int64
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		content := random(uint64(n), 1000+n*700)
		w.Header().Set("Cache-Control", "max-age=1")
		fault := rand.IntN(6)
		if rand.IntN(2) == 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		}
		if fault < 3 {
			faults.Add(1)
		}
		switch fault {
		case 0:
			w.WriteHeader(503)
		case 1, 2:
			_, _ = w.Write(content[:len(content)/2])
			if fault == 1 {
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		default:
			_, _ = w.Write(content)
		}
	}, func(s *edge.Server) { s.Generic.ErrorPause = time.Millisecond })
	var wait sync.WaitGroup
	var good atomic.Int64
	for range 8 {
		wait.Go(func() {
			for range requests / 8 {
				n := rand.IntN(60)
				res := m.begin("GET", "/"+strconv.Itoa(n), "")
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 {
					continue
				}
				if good.Add(1); sha256.Sum256(b) != sha256.Sum256(random(uint64(n), 1000+n*700)) {
					t.Errorf("object %d: %d bytes that are not it", n, len(b))
				}
			}
		})
	}
	wait.Wait()
	t.Logf("%d good answers of %d, %d faults of the origin", good.Load(), requests, faults.Load())
	if good.Load() == 0 || faults.Load() == 0 {
		t.Error("the test tests nothing")
	}
}

// While the origin is away it is left alone for a while.
func TestGenericErrorsAreRemembered(t *testing.T) {
	m := reflect(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(s *edge.Server) { s.Generic.ErrorPause = time.Hour })
	for range 5 {
		status, header, body := m.do("GET", "/a")
		if status != 502 || header.Get("Content-Type") != "application/problem+json" || header.Get("Date") == "" || !strings.Contains(body, "origin") {
			t.Errorf("%d %v %s", status, header, body)
		}
	}
	if got := m.asked(); len(got) != 1 {
		t.Errorf("the origin was asked %d times", len(got))
	}
}

// An origin that answers before it has the whole body is heard.
func TestGenericEarlyAnswer(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(413)
		_, _ = io.WriteString(w, "too much")
	})
	res := m.begin("POST", "/a", strings.Repeat("x", 3<<20))
	b, err := io.ReadAll(res.Body)
	if res.StatusCode != 413 && res.StatusCode != 502 || res.StatusCode == 413 && (err != nil || string(b) != "too much") {
		t.Errorf("%d %q %v", res.StatusCode, b, err)
	}
}

// Requests of one connection are answered in order, whatever they are.
func TestGenericPipelining(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprintf(w, "[%s %s %s]", r.Method, r.RequestURI, body)
	})
	var raw strings.Builder
	var want []string
	for n := range 40 {
		switch target := "/" + strconv.Itoa(n%7); n % 4 {
		case 0, 2:
			fmt.Fprintf(&raw, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
			want = append(want, "[GET "+target+" ]")
		case 1:
			fmt.Fprintf(&raw, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", target)
			want = append(want, "[POST "+target+" abc]")
		case 3:
			fmt.Fprintf(&raw, "PUT http://x%s HTTP/1.1\r\nHost: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n", target)
			want = append(want, "[PUT "+target+" xyz]")
		}
	}
	s := &site{t: t, addr: m.addr}
	got := s.converse(raw.String())
	for n, w := range want {
		i := strings.Index(got, w)
		if i < 0 {
			t.Fatalf("answer %d, %s, is missing or out of its turn", n, w)
		}
		got = got[i+len(w):]
	}
}

func TestGenericMalformedRequests(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "reached") })
	s := &site{t: t, addr: m.addr}
	f := func(raw string, want int) {
		t.Helper()
		got := s.converse(strings.ReplaceAll(raw, "|", "\r\n") + "\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+strconv.Itoa(want)+" ") || !strings.Contains(got, "Date: ") {
			t.Errorf("%q: %.200q, want %d", raw, got, want)
		}
	}
	f("GET /a HTTP/1.1|Host: x", 200)
	f("GET /a HTTP/1.0", 200)
	f("GET http://x HTTP/1.1|Host: y", 200)
	f("GET http://x?q HTTP/1.1|Host: y", 200)
	f("OPTIONS * HTTP/1.1|Host: x", 200)
	f("GET //double/slash HTTP/1.1|Host: x", 200)
	f("GET * HTTP/1.1|Host: x", 400)
	f("GET /a#b HTTP/1.1|Host: x", 400)
	f("GET ftp://x/a HTTP/1.1|Host: x", 400)
	f("GET /a HTTP/1.1|Host: x/y", 400)
	f("GET /a HTTP/1.1|Host: x@y", 400)
	f("GET /a HTTP/1.1", 400)
	f("CONNECT x:80 HTTP/1.1|Host: x:80", 501)
	f("GET /a HTTP/1.1|Host: x|Content-Length: 5|Transfer-Encoding: chunked", 400)
	f("OPTIONS /a HTTP/1.1|Host: x|Max-Forwards: x", 400)
	if got := m.asked(); !slices.Contains(got, "GET //double/slash") {
		t.Errorf("the origin saw %q", got)
	}
}

func TestGenericTickets(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60, public")
		fmt.Fprintf(w, "%s %v %v", r.RequestURI, r.Header["Authorization"], r.Header["Cookie"])
	}, func(s *edge.Server) { s.Generic.Tickets = true })
	ticket, err := weir.Ticket{Session: "s1", Prefix: "film/", Expires: time.Now().Add(time.Hour)}.Sign(testKey)
	if err != nil {
		t.Fatal(err)
	}
	f := func(want int, body, target string, headers ...string) {
		t.Helper()
		status, header, got := m.do("GET", target, headers...)
		if status != want || want == 200 && got != body {
			t.Errorf("%s %q = %d %q, want %d %q", target, headers, status, got, want, body)
		}
		if hidden := len(headers) > 0; status == 200 && hidden != slices.Contains(header["Cache-Control"], "private") {
			t.Errorf("%s %q: Cache-Control is %q", target, headers, header["Cache-Control"])
		}
	}
	f(200, "/film/a [] []", "/t/"+ticket+"/film/a")
	f(200, "/film/b?x=1 [] []", "/t/"+ticket+"/film/b?x=1")
	f(200, "/film/c?x=1&y [] []", "/film/c?x=1&ticket="+ticket+"&y")
	f(200, "/film/d [] []", "/film/d?ticket="+ticket)
	f(200, "/film/e [] []", "/film/e", "Authorization: Bearer "+ticket)
	f(200, "/film/f [] [a=1; b=2]", "/film/f", "Cookie: a=1; weir-ticket="+ticket+"; b=2")
	f(401, "", "/film/a")
	f(401, "", "/t/x/film/a")
	f(403, "", "/t/"+ticket+"/other/a")
	f(403, "", "/t/"+ticket+"/filmography")
	for _, bad := range []string{"film/../other/a", "film/%2e%2e/other", "film/..", "film//other", "film/%2F..", `film/\..\other`, "film/x%5c", "film/;/../x", "film/%252e%252e/x", "film/%c0%ae%c0%ae/x", "film/%zz", "film/%"} {
		f(400, "", "/t/"+ticket+"/"+bad)
	}
	for _, got := range m.asked() {
		if strings.Contains(got, ticket) || strings.Contains(got, "other") {
			t.Errorf("the origin saw %s", got)
		}
	}
}

// The index holds to its bound, whatever is asked for.
func TestGenericIndexIsBounded(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-A")
		w.Header().Set("X-Fill", strings.Repeat("f", 1000))
		_, _ = io.WriteString(w, r.RequestURI)
	}, func(s *edge.Server) { s.Generic.IndexBytes = 100_000 })
	for n := range 200 {
		if _, _, got := m.do("GET", "/"+strconv.Itoa(n)); got != "/"+strconv.Itoa(n) {
			t.Fatalf("got %s", got)
		}
	}
	if _, header, _ := m.do("GET", "/199"); !strings.Contains(header.Get("Cache-Status"), "hit") {
		t.Errorf("the newest: %s", header.Get("Cache-Status"))
	}
	if _, header, _ := m.do("GET", "/0"); strings.Contains(header.Get("Cache-Status"), "hit") {
		t.Errorf("the oldest: %s", header.Get("Cache-Status"))
	}
	for n := range 200 { // variants of one
		m.do("GET", "/v", "X-A: "+strconv.Itoa(n))
	}
	if _, header, _ := m.do("GET", "/v", "X-A: 0"); strings.Contains(header.Get("Cache-Status"), "hit") {
		t.Errorf("the oldest variant: %s", header.Get("Cache-Status"))
	}
}

// The origin of the test goes silent; the edge's patience ends.
func TestGenericSilentOrigin(t *testing.T) {
	goOn := make(chan struct{})
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(random(1, 50_000))
			_ = http.NewResponseController(w).Flush()
		}
		<-goOn
	}, func(s *edge.Server) { s.Generic.Timeout = 50 * time.Millisecond })
	t.Cleanup(func() { close(goOn) })
	if status, _, _ := m.do("GET", "/header"); status != 504 {
		t.Errorf("without a header: %d", status)
	}
	if status, _, _ := m.do("POST", "/header"); status != 504 {
		t.Errorf("POST without a header: %d", status)
	}
	res := m.begin("GET", "/body", "")
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("half a body ends well after %d bytes", len(b))
	}
}

func BenchmarkGenericHit(b *testing.B) {
	content := random(3, 64<<10)
	m := reflect(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(content)
	})
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		res, err := client.Get("http://" + m.addr + "/a")
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); err != nil || n != int64(len(content)) {
			b.Fatal(n, err)
		}
		_ = res.Body.Close()
	}
}

// Three times as many bytes as memory holds go through it, asked for in every way, also by clients that leave: whatever
// kept a reference to its bytes would sooner or later leave no room.
func TestGenericReferencesAreGivenBack(t *testing.T) {
	const size, objects = 4 << 20, 60
	content := random(5, size)
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"a"`)
		if strings.HasSuffix(r.URL.Path, "0") {
			w.WriteHeader(200) // without a length
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		_, _ = w.Write(content)
	}, func(s *edge.Server) { s.CacheBytes = 1 })
	f := func(want, length int, method, target string, headers ...string) {
		t.Helper()
		if status, _, got := m.do(method, target, headers...); status != want || length >= 0 && len(got) != length {
			t.Errorf("%s %s %q: %d, %d bytes", method, target, headers, status, len(got))
		}
	}
	for n := range objects {
		target := "/" + strconv.Itoa(n)
		res := m.begin("GET", target, "") // and leaves
		_, _ = io.ReadFull(res.Body, make([]byte, 1000))
		_ = res.Body.Close()
		f(200, size, "GET", target)
		f(206, 10, "GET", target, "Range: bytes=1000-1009")
		f(206, -1, "GET", target, "Range: bytes=0-1, -2")
		f(416, -1, "GET", target, "Range: bytes=99999999-")
		f(304, 0, "GET", target, `If-None-Match: "a"`)
		f(200, 0, "HEAD", target)
	}
}
