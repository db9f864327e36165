package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// A cookie that a 304 sets is for the client that asked, and what it makes private is stored no more.
func TestGenericCookiesOfValidations(t *testing.T) {
	var private atomic.Bool
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0")
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == "" {
			_, _ = io.WriteString(w, "body")
			return
		}
		w.Header().Set("Set-Cookie", "session="+r.Header.Get("User"))
		w.Header().Set("Cache-Control", "max-age=60")
		if private.Load() {
			w.Header().Set("Cache-Control", "private, max-age=60")
		}
		w.WriteHeader(http.StatusNotModified)
	})
	for _, secret := range []bool{false, true} {
		private.Store(secret)
		target := fmt.Sprint("/", secret)
		m.do("GET", target)
		m.do("GET", target, "User: alice")
		asked := len(m.asked())
		status, header, got := m.do("GET", target, "User: bob")
		if status != 200 || got != "body" || strings.Contains(header.Get("Set-Cookie"), "alice") {
			t.Errorf("private %v: %d %q %v", secret, status, got, header)
		}
		if hit := len(m.asked()) == asked; hit == secret {
			t.Errorf("private %v: answered from memory: %v", secret, hit)
		}
	}
}

// While an origin fails, those who wait for its failure share what was stored, too.
func TestGenericWaitersShareAStaleAnswer(t *testing.T) {
	var broken atomic.Bool
	var waiting sync.WaitGroup
	goOn := make(chan struct{})
	m := reflect(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0, stale-if-error=600")
		if broken.Load() {
			<-goOn
			w.WriteHeader(503)
		}
		_, _ = io.WriteString(w, "good")
	})
	m.do("GET", "/a")
	broken.Store(true)
	for range 20 {
		waiting.Go(func() {
			if status, _, got := m.do("GET", "/a"); status != 200 || got != "good" {
				t.Errorf("a waiter got %d %q", status, got)
			}
		})
	}
	for end := time.Now().Add(10 * time.Second); len(m.asked()) < 2 && time.Now().Before(end); {
		runtime.Gosched()
	}
	close(goOn)
	waiting.Wait()
	if n := len(m.asked()) - 1; n > 5 {
		t.Errorf("the broken origin was asked %d times by 20 clients", n)
	}
}

// An upload may take longer than the origin's time for an answer, as long as it goes on.
func TestGenericSlowUpload(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	}, func(s *edge.Server) { s.Generic.Timeout = 300 * time.Millisecond })
	c, err := net.Dial("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "PUT /a HTTP/1.1\r\nHost: mirror.test\r\nConnection: close\r\nContent-Length: 10\r\n\r\n")
	tick := time.NewTicker(80 * time.Millisecond)
	defer tick.Stop()
	for range 10 {
		<-tick.C
		_, _ = io.WriteString(c, "x")
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "10 <nil>" {
		t.Errorf("the upload: %d %q", res.StatusCode, b)
	}
}

func TestGenericTicketsOfOthers(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, _ *http.Request) {}, func(s *edge.Server) {
		s.Generic.Tickets = true
		s.Keys = func(string) (weir.TicketKey, bool) { k := testKey; k.Organisation = "acme"; return k, true }
	})
	text, err := weir.Ticket{Session: "s1", Prefix: "film/", Expires: time.Now().Add(time.Hour)}.Sign(testKey)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := m.do("GET", "/t/"+text+"/film/a"); status != 403 {
		t.Errorf("another organisation's ticket = %d, want 403", status)
	}
}
