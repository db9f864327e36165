package main

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/bench"
)

func TestBench(t *testing.T) {
	origin := httptest.NewServer(&bench.Origin{})
	defer origin.Close()
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte("# tickets\n"+origin.URL+"/bench/1k/a.m4s?ticket=1\n\n"+origin.URL+"/bench/1k/a.m4s?ticket=2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(code int, stdout, stderr string, args ...string) {
		t.Helper()
		var out, errOut bytes.Buffer
		if got := run(t.Context(), append([]string{"bench"}, args...), &out, &errOut); got != code {
			t.Errorf("weir bench %v: exit code %d, want %d\n%s%s", args, got, code, out.String(), errOut.String())
		}
		if !strings.Contains(out.String(), stdout) || !strings.Contains(errOut.String(), stderr) || stderr == "" && errOut.Len() > 0 {
			t.Errorf("weir bench %v prints %q, complains %q; want %q, %q", args, out.String(), errOut.String(), stdout, stderr)
		}
	}
	one, two, page := filepath.Join(dir, "1.json"), filepath.Join(dir, "2.json"), filepath.Join(dir, "page.html")
	f(exitOK, "PASS", "", "hot", origin.URL+"/bench/1k/a.m4s", "--for=50ms", "--out", one, "--report", page)
	f(exitOK, `"schema": "weir-bench/1"`, "", "hot", origin.URL+"/bench/2k/a.m4s", "--for=50ms", "--out", two, "--json", "--name=other")
	f(exitOK, "| other |", "", "compare", one, two, "--report", page)
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "and other</h1>") {
		t.Errorf("the page: %v, %d bytes", err, len(b))
	}
	var players, complaints bytes.Buffer // whether they had to wait is this machine's business
	run(t.Context(), []string{"bench", "players", origin.URL + "/hls/{n}/main.m3u8", "--count=2", "--for=200ms"}, &players, &complaints)
	for _, want := range []string{"startup p50", "ok    no request fails: 0 failed"} {
		if !strings.Contains(players.String(), want) {
			t.Errorf("weir bench players prints %q and complains %q, want %q in it", players.String(), complaints.String(), want)
		}
	}
	f(exitOK, "ok    the origin is read once: 1 reads for 1 clients", "", "herd", origin.URL+"/bench/1k/{fresh}.m4s", "-c1", "--origin", origin.URL)
	f(exitFailed, "FAIL", "failed what herd demands", "herd", origin.URL+"/bench/1k/{fresh}.m4s", "-c9", "--origin", origin.URL)
	f(exitOK, "PASS", "", "tokens", origin.URL+"/bench/1k/a.m4s?ticket={n}", "--for=50ms", "--list", list)
	f(exitOK, "PASS", "", "churn", origin.URL+"/bench/1k/a.m4s", "--for=50ms")
	f(exitOK, "PASS", "", "flash", origin.URL+"/bench/1k/{n}.m4s", "--count=2", "--for=50ms", "--rate=100")
	f(exitOK, "PASS", "", "faults", origin.URL+"/bench/1k/{n}.m4s", "--count=2", "--for=50ms")
	f(exitOK, "3 got a whole body", "", "slow", origin.URL+"/bench/1k/a.m4s", "--bytes-per-second=100000", "-c3")

	f(exitFailed, "", "say so with --i-own 192.0.2.1", "hot", "http://192.0.2.1/x")
	f(exitFailed, "", "a run takes up to 1h0m0s", "hot", origin.URL+"/x", "--for=2h")
	f(exitFailed, "", "before the run: status-404", "hot", origin.URL+"/x", "--warm=1")
	f(exitFailed, "", "--origin \"x\" is not a URL", "herd", origin.URL+"/bench/1/x", "--origin=x")
	f(exitFailed, "", "2 to 12 results", "compare", one)
	f(exitFailed, "", "--list:", "tokens", origin.URL+"/x", "--list", list+".not")
	f(exitFailed, "", "is no body of `weir bench origin`", "faults", origin.URL+"/x")
	f(exitFailed, "", "is not a loopback address", "origin", "--listen=:0")
	f(exitFailed, "", `"nothing" is no fault`, "origin", "--listen=127.0.0.1:0", "--faults=nothing")
}

// The origin says where it listens, serves, and ends when it is told to.
func TestBenchOrigin(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"bench", "origin", "--listen=127.0.0.1:0", "--faults=all", "--share=0"}, w, io.Discard)
	}()
	line := make([]byte, 100)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if got := run(ctx, []string{"bench", "hot", strings.TrimSpace(string(line[:n])) + "/bench/1k/a.m4s", "--for=20ms", "--warm=1"}, &out, io.Discard); got != exitOK {
		t.Errorf("exit code %d\n%s", got, out.String())
	}
	cancel()
	select {
	case got := <-code:
		if got != exitOK {
			t.Errorf("the origin ends with %d", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("the origin does not end")
	}
}
