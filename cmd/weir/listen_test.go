package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
)

// everything is the roles of --roles=all.
var everything = map[string]bool{"edge": true, "transcode": true, "control": true}

// newTestProcess is a process of a command line, before anything is opened.
func newTestProcess(log io.Writer, change func(c *serveCmd)) *process {
	return &process{cmd: *valid(change), log: slog.New(slog.NewTextHandler(log, nil)), ready: &readiness{}}
}

func TestIsLoopback(t *testing.T) {
	f := func(addr string, want bool) {
		t.Helper()
		if got, err := isLoopback(addr); err != nil || got != want {
			t.Errorf("isLoopback(%q) = %v, %v, want %v", addr, got, err, want)
		}
	}
	f("127.0.0.1:8080", true)
	f("127.9.9.9:0", true)
	f("[::1]:8080", true)
	f("localhost:8080", true)
	f("0.0.0.0:8080", false)
	f("[::]:8080", false)
	f(":8080", false)
	f("192.168.1.5:8080", false)
	f("example.org:8080", false)
	f("localhost.example.org:8080", false)

	for _, addr := range []string{"", "8080", "127.0.0.1", "::1", "http://127.0.0.1:8080"} {
		if _, err := isLoopback(addr); err == nil {
			t.Errorf("isLoopback(%q) is no error", addr)
		}
	}
}

func TestPageURL(t *testing.T) {
	f := func(ip string, want string) {
		t.Helper()
		if got := pageURL(&net.TCPAddr{IP: net.ParseIP(ip), Port: 8080}); got != want {
			t.Errorf("pageURL(%s) = %s, want %s", ip, got, want)
		}
	}
	f("127.0.0.1", "http://localhost:8080")
	f("::1", "http://localhost:8080")
	f("0.0.0.0", "http://localhost:8080")
	f("::", "http://localhost:8080")
	f("127.0.0.2", "http://127.0.0.2:8080") // localhost is not there
	f("192.168.1.5", "http://192.168.1.5:8080")
	f("fe80::1", "http://[fe80::1]:8080")
}

func TestCheckAddresses(t *testing.T) {
	f := func(has map[string]bool, sentence string, change func(c *serveCmd)) {
		t.Helper()
		err := newTestProcess(io.Discard, change).checkAddresses(has)
		if sentence == "" && err == nil {
			return
		}
		if weir.KindOf(err) != weir.Invalid || sentence == "" || !strings.Contains(err.Error(), sentence) {
			t.Errorf("checkAddresses = %v, want %q", err, sentence)
		}
	}
	edge, control := map[string]bool{"edge": true}, map[string]bool{"control": true}
	token := strings.Repeat("t", 16)
	f(everything, "", nil)
	f(everything, "--listen :0 is reachable", func(c *serveCmd) { c.Listen = ":0" })
	f(everything, "", func(c *serveCmd) { c.Listen, c.AdminToken = ":0", token })
	f(everything, "at least 16 characters", func(c *serveCmd) { c.Listen, c.AdminToken = ":0", token[1:] })
	f(everything, "--admin-listen :0 is reachable", func(c *serveCmd) { c.AdminListen = ":0" })
	f(everything, "", func(c *serveCmd) { c.EdgeListen = ":0" }) // tickets guard media
	f(everything, `--edge-listen "x"`, func(c *serveCmd) { c.EdgeListen = "x" })
	f(edge, "", func(c *serveCmd) { c.Listen = ":0" }) // it is not opened
	f(edge, "--admin-listen", func(c *serveCmd) { c.AdminListen = ":0" })
	f(control, "--edge-url", nil)
	f(control, "", func(c *serveCmd) { c.EdgeURL = "https://media.example.org" })
	f(everything, "is not a URL", func(c *serveCmd) { c.EdgeURL = "media.example.org" })
}

// Only the roles that run have listeners; after an error, nothing stays open.
func TestListen(t *testing.T) {
	p := newTestProcess(io.Discard, nil)
	if err := p.listen(map[string]bool{"edge": true}); err != nil {
		t.Fatal(err)
	}
	if p.pages != nil || p.media == nil || p.admin == nil {
		t.Errorf("an edge listens at %v, %v, %v, want media and admin only", p.pages, p.media, p.admin)
	}
	taken := p.media.Addr().String()

	second := newTestProcess(io.Discard, func(c *serveCmd) { c.EdgeListen = taken })
	err := second.listen(everything)
	if want := "--edge-listen " + taken + ": another program listens there"; weir.KindOf(err) != weir.Conflict || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("a second listener: %v, want %q", err, want)
	}
	second.closeListeners()
	if _, err := second.pages.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener that was opened before the error is open: %v", err)
	}
	p.closeListeners()
	p.closeListeners() // twice is once
	if err := second.listen(everything); err != nil {
		t.Errorf("listen after the other stopped: %v", err)
	}
	second.closeListeners()
}

func TestListenError(t *testing.T) {
	f := func(err error, kind weir.Kind, sentence string) {
		t.Helper()
		got := listenError(address{flag: "--listen", addr: "10.0.0.1:80"}, &net.OpError{Op: "listen", Err: err})
		if weir.KindOf(got) != kind || !strings.HasPrefix(got.Error(), "--listen 10.0.0.1:80: "+sentence) {
			t.Errorf("listenError(%v) = %v, want %v with %q", err, got, kind, sentence)
		}
	}
	f(syscall.EADDRINUSE, weir.Conflict, "another program listens there")
	f(syscall.EACCES, weir.Forbidden, "this user may not listen there")
	f(syscall.EADDRNOTAVAIL, weir.Invalid, "this machine has no such address")
	f(syscall.ENFILE, weir.Internal, "listen")
}

func TestEdgeBase(t *testing.T) {
	f := func(edgeListen, edgeURL, want string, warned bool) {
		t.Helper()
		var log bytes.Buffer
		p := newTestProcess(&log, func(c *serveCmd) { c.EdgeListen, c.EdgeURL = edgeListen, edgeURL })
		if err := p.listen(everything); err != nil {
			t.Fatal(err)
		}
		defer p.closeListeners()
		_, port, err := net.SplitHostPort(p.media.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.ReplaceAll(want, "PORT", port), p.edgeBase()); diff != "" {
			t.Errorf("edgeBase of %s (-want +got):\n%s", edgeListen, diff)
		}
		if got := strings.Contains(log.String(), "set --edge-url"); got != warned {
			t.Errorf("edgeBase of %s warns: %v, want %v", edgeListen, got, warned)
		}
	}
	f("127.0.0.1:0", "", "http://localhost:PORT", false)
	f("127.0.0.2:0", "", "http://127.0.0.2:PORT", false)
	f("0.0.0.0:0", "", "http://localhost:PORT", true)
	f("0.0.0.0:0", "https://media.example.org/", "https://media.example.org", false)
}
