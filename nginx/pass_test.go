package nginx_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/nginx"
)

// seen is what a server sees of a request.
type seen struct {
	Host   string
	Header http.Header
}

func echo(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(seen{r.Host, r.Header})
}

// fields: servers learn who asks from the connection, whatever the client says, and the name that it asked for.
func fields(t *testing.T) {
	b := serve(t, echo)
	f := start(t, []*backend{b}, []*backend{b})
	lies := []string{"X-Forwarded-For", "198.51.100.1", "X-Real-IP", "198.51.100.1", "X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.example",
		"X-Forwarded-Port", "1", "Forwarded", "for=198.51.100.1;host=evil.example", "Cookie", "a=b", "Range", "bytes=0-1"}
	for _, http2 := range []bool{true, false} {
		for _, path := range []string{"/v1/titles", "/v1/session", "/v1/uploads/a", "/v1/assets/a/events", segment(1, 1)} {
			for _, host := range []string{f.addr, "example.org", "example.org:8443"} {
				s := f.seen(f.client(http2), path, append(lies, "Host", host)...)
				for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-Proto": "https",
					"X-Forwarded-Host": "", "X-Forwarded-Port": "", "Forwarded": "", "Cookie": "a=b", "Range": "bytes=0-1", "Connection": ""} {
					if got := strings.Join(s.Header.Values(name), "|"); got != want {
						t.Errorf("HTTP/2 %v, %s: the server sees %s: %q, want %q", http2, path, name, got, want)
					}
				}
				if s.Host != host {
					t.Errorf("HTTP/2 %v, %s: the server sees Host %q, want %q", http2, path, s.Host, host)
				}
			}
		}
	}
}

func (f *front) seen(c *http.Client, path string, header ...string) (s seen) {
	f.t.Helper()
	r := f.get(c, path, header...)
	if err := json.Unmarshal([]byte(r.body), &s); err != nil {
		f.t.Fatalf("GET %s = %d %q: %v", path, r.status, r.body, err)
	}
	return s
}

// balancers: a load balancer in front is believed, its own client is not.
func balancers(t *testing.T) {
	b := serve(t, echo)
	f := start(t, []*backend{b}, []*backend{b}, func(c *nginx.Config) {
		c.Balancers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	c := f.client(true)
	for said, want := range map[string]string{"198.51.100.7": "198.51.100.7", "1.1.1.1, 198.51.100.7, 10.0.0.9": "198.51.100.7", "2001:db8::7": "2001:db8::7"} {
		s := f.seen(c, "/v1/titles", "X-Forwarded-For", said)
		if got := s.Header.Get("X-Forwarded-For"); got != want || s.Header.Get("X-Real-Ip") != want {
			t.Errorf("X-Forwarded-For: %s becomes %q, want %q", said, got, want)
		}
	}
}

// streaming: a segment's first bytes come while the edge still sends, and what a slow client does not take yet waits at the
// edge, not on a disk.
func streaming(t *testing.T) {
	const first, whole = 8 << 10, 64 << 20
	sent, wait := new(atomic.Int64), make(chan struct{})
	edge := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(whole))
		block := make([]byte, first)
		_, _ = w.Write(block)
		_ = http.NewResponseController(w).Flush()
		<-wait
		for n := first; n < whole; n += first {
			if _, err := w.Write(block); err != nil {
				return
			}
			sent.Add(first)
		}
	})
	other := serve(t, nil)
	f := start(t, []*backend{edge}, []*backend{other})
	for _, http2 := range []bool{true, false} {
		sent.Store(0)
		wait = make(chan struct{})
		c := f.client(http2)
		req, err := http.NewRequestWithContext(t.Context(), "GET", f.url(segment(1, 1)), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyN(io.Discard, resp.Body, first) // the edge sends no more before this is read
		if err != nil {
			t.Fatalf("HTTP/2 %v: %d bytes of the first %d came: %v", http2, n, first, err)
		}
		close(wait)
		for range 4 {
			if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
				t.Fatal(err)
			}
			f.get(f.client(true), "/") // nginx has time for more of the segment, if it wants it
		}
		if lead := sent.Load(); lead > whole/2 {
			t.Errorf("HTTP/2 %v: the edge has sent %d MiB of which the client took 4", http2, lead>>20)
		}
		if files := f.spooled(); len(files) > 0 {
			t.Errorf("HTTP/2 %v: nginx holds %q", http2, files)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != whole-first-4<<20 {
			t.Errorf("HTTP/2 %v: the rest is %d bytes, %v", http2, n, err)
		}
		_ = resp.Body.Close()
	}
}

// upload: the bytes of a master go to the gateway as they come, and none of them to a disk.
func upload(t *testing.T) {
	const first, whole = 1 << 20, 48 << 20
	arrived, sums := make(chan struct{}, 1), make(chan [32]byte, 1)
	gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.CopyN(h, r.Body, first); err != nil {
			return
		}
		arrived <- struct{}{}
		_, _ = io.Copy(h, r.Body)
		sums <- [32]byte(h.Sum(nil))
		w.WriteHeader(http.StatusNoContent)
	})
	f := start(t, nil, []*backend{gateway})
	for _, http2 := range []bool{true, false} {
		h := sha256.New()
		r, w := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		go func() {
			block := make([]byte, first)
			for n := 0; n < whole; n += first {
				block[0] = byte(n / first)
				_, _ = h.Write(block)
				if _, err := w.Write(block); err != nil {
					return
				}
				if n == 0 { // the gateway has this before there is more
					select {
					case <-arrived:
					case <-ctx.Done():
						_ = w.CloseWithError(ctx.Err())
						return
					}
				}
				if n == whole/2 {
					if files := f.spooled(); len(files) > 0 {
						t.Errorf("HTTP/2 %v: nginx holds %q", http2, files)
					}
				}
			}
			_ = w.Close()
		}()
		req, err := http.NewRequestWithContext(ctx, "PATCH", f.url("/v1/uploads/a"), r)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = whole
		resp, err := f.client(http2).Do(req)
		if err != nil {
			t.Fatalf("HTTP/2 %v: %v", http2, err)
		}
		_ = resp.Body.Close()
		if got := <-sums; resp.StatusCode != 204 || got != [32]byte(h.Sum(nil)) {
			t.Errorf("HTTP/2 %v: PATCH = %d, and the gateway got other bytes: %v", http2, resp.StatusCode, got != [32]byte(h.Sum(nil)))
		}
		cancel()
	}
}

// events come when they are sent.
func events(t *testing.T) {
	next := make(chan string)
	gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for e := range next {
			_, _ = io.WriteString(w, e)
			_ = http.NewResponseController(w).Flush()
		}
	})
	f := start(t, nil, []*backend{gateway})
	req, err := http.NewRequestWithContext(t.Context(), "GET", f.url("/v1/assets/a/events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	go func() { next <- "event: status\n\n" }()
	resp, err := f.client(true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for _, want := range []string{"event: status\n\n", "data: 2\n\n", ": beat\n\n"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
			t.Fatalf("event %q, %v, want %q", got, err, want)
		}
		switch want {
		case "event: status\n\n":
			next <- "data: 2\n\n"
		case "data: 2\n\n":
			next <- ": beat\n\n"
		}
	}
	close(next)
}

// compression: pages and plain manifests are, what an edge compressed stays as it is, and JSON and segments are not.
func compression(t *testing.T) {
	long := strings.Repeat("long text ", 1000)
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("X-Kind"))
		w.Header().Set("ETag", `"e"`)
		if e := r.Header.Get("X-Encoded"); e != "" {
			w.Header().Set("Content-Encoding", e)
		}
		_, _ = io.WriteString(w, long)
	}
	b := serve(t, handler)
	f := start(t, []*backend{b}, []*backend{b})
	c := f.client(true)
	for _, want := range []struct{ path, kind, encoded, encoding string }{
		{"/", "text/html; charset=utf-8", "", "gzip"},
		{"/assets/main.js", "text/javascript; charset=utf-8", "", "gzip"},
		{"/v1/titles", "application/json", "", ""},
		{segment(1, 1), "application/vnd.apple.mpegurl", "", "gzip"},
		{segment(1, 1), "application/dash+xml", "", "gzip"},
		{segment(1, 1), "application/dash+xml", "gzip", "gzip"},
		{segment(1, 1), "video/mp4", "", ""},
	} {
		r := f.get(c, want.path, "Accept-Encoding", "gzip", "X-Kind", want.kind, "X-Encoded", want.encoded)
		untouched := r.body == long
		if r.header.Get("Content-Encoding") != want.encoding || untouched != (want.encoding == "" || want.encoded != "") {
			t.Errorf("%s of %s, encoded %q = %v (untouched %v)", want.path, want.kind, want.encoded, r.header, untouched)
		}
		if r := f.get(c, want.path, "X-Kind", want.kind); r.body != long || r.header.Get("ETag") != `"e"` {
			t.Errorf("%s without Accept-Encoding = %v", want.path, r.header)
		}
	}
}
