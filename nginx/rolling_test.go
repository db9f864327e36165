package nginx_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirstream/weir/nginx"
)

// TestRollingRestart restarts one edge, and as soon as it is ready the other, again and again under load: no viewer
// notices. The edges are real processes, and each stops as a service manager would have it.
func TestRollingRestart(t *testing.T) {
	program(t)
	weir := binary(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(content(r.URL.Path))
	}))
	defer origin.Close()
	edges := make([]*edge, 2)
	for i := range edges {
		edges[i] = &edge{t: t, weir: weir, data: t.TempDir(), at: freeAddress(t), origin: origin.URL}
		edges[i].start()
	}
	f := start(t, nil, nil, unlimited, func(c *nginx.Config) {
		c.Edges, c.MediaNames = []string{edges[0].at, edges[1].at}, []string{"media.example.org"}
	})
	load := load{front: f}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	for i := range 12 {
		c := f.client(i%2 == 0)
		group.Go(func() error { return load.ask(ctx, c, i, i >= 10) })
	}
	rolls, until := 0, time.Now().Add(15*time.Second)
	for ; rolls == 0 || time.Now().Before(until) && ctx.Err() == nil; rolls++ {
		for _, e := range edges {
			before := load.requests.Load()
			f.await("some more requests", func() bool { return load.requests.Load() > before+100 || ctx.Err() != nil })
			e.stop()
			e.start()
		}
	}
	stop()
	_ = group.Wait()
	if load.failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", load.failed.Load(), load.requests.Load())
		t.Logf("nginx's errors:\n%s", f.log("error.log"))
	}
	for _, e := range edges {
		if e.served.Load() == 0 {
			t.Errorf("the edge at %s was asked for nothing", e.at)
		}
	}
	t.Logf("%d rolling restarts of two edges, %d requests, %d failed", rolls, load.requests.Load(), load.failed.Load())
}

// binary is weir: WEIR_BIN, or one that is built.
func binary(t *testing.T) string {
	t.Helper()
	if name := os.Getenv("WEIR_BIN"); name != "" {
		return name
	}
	name := filepath.Join(t.TempDir(), "weir")
	if out, err := exec.Command("go", "build", "-o", name, "github.com/weirstream/weir/cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("build weir: %v\n%s", err, out)
	}
	return name
}

// content depends on the path alone: 200 kB, or 2 MB of a path that says so.
func content(path string) []byte {
	sum := sha256.Sum256([]byte(path))
	n := 200_000
	if strings.HasSuffix(path, "/large.mp4") {
		n *= 10
	}
	return bytes.Repeat(sum[:], n/len(sum))
}

// load is viewers behind nginx.
type load struct {
	front            *front
	requests, failed atomic.Int64
}

// ask wants every answer right until ctx ends; a slow viewer takes a large body over two seconds.
func (l *load) ask(ctx context.Context, c *http.Client, viewer int, slow bool) error {
	for n := 0; ctx.Err() == nil; n++ {
		path := fmt.Sprintf("/asset%d/1/clear/v/%d.m4s", (viewer+n)%40, n%5)
		if slow {
			path = fmt.Sprintf("/asset%d/1/clear/v/large.mp4", (viewer+n)%40)
		}
		err := l.get(ctx, c, path, slow)
		if ctx.Err() != nil {
			return nil // it was cut off by the end of the test
		}
		if l.requests.Add(1); err != nil {
			if l.failed.Add(1) <= 10 {
				l.front.t.Errorf("request %d of viewer %d: %v", n, viewer, err)
			}
		}
	}
	return nil
}

func (l *load) get(ctx context.Context, c *http.Client, path string, slow bool) error {
	req, err := http.NewRequestWithContext(ctx, "GET", "https://media.example.org"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := io.Reader(resp.Body)
	if slow {
		pace := time.NewTicker(100 * time.Millisecond)
		defer pace.Stop()
		body = paced{body, pace.C}
	}
	got, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("%s: after %d bytes: %w", path, len(got), err)
	}
	if resp.StatusCode != 200 || !bytes.Equal(got, content(path)) {
		return fmt.Errorf("%s: %d with %d bytes, want 200 with %d %.300q", path, resp.StatusCode, len(got), len(content(path)), got)
	}
	return nil
}

// paced reads 100 kB at each tick.
type paced struct {
	io.Reader
	tick <-chan time.Time
}

func (p paced) Read(b []byte) (int, error) {
	<-p.tick
	n, err := io.ReadFull(p.Reader, b[:min(len(b), 100_000)])
	if n > 0 {
		err = nil // it comes again
	}
	return n, err
}

// edge is a `weir serve --roles=edge` that can be restarted at its address.
type edge struct {
	t                      *testing.T
	weir, data, at, origin string
	admin                  string
	cmd                    *exec.Cmd
	said                   bytes.Buffer
	exited                 chan struct{}
	served                 atomic.Int64 // by all its processes
}

// start returns when it is ready.
func (e *edge) start() {
	e.t.Helper()
	e.cmd = exec.Command(e.weir, "serve", "--json", "--roles=edge", "--origin="+e.origin, "--tickets=off", "--data="+e.data, "--edge-listen="+e.at,
		"--admin-listen=127.0.0.1:0", "--cache-bytes=80MiB")
	e.cmd.Stderr = &e.said
	out, err := e.cmd.StdoutPipe()
	if err == nil {
		err = e.cmd.Start()
	}
	if err != nil {
		e.t.Fatal(err)
	}
	e.exited = make(chan struct{})
	line := make(chan string, 1)
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		r := bufio.NewReader(out)
		s, _ := r.ReadString('\n')
		line <- s
		_, _ = io.Copy(io.Discard, r)
		_ = cmd.Wait()
	}(e.cmd, e.exited)
	e.t.Cleanup(func() {
		_ = e.cmd.Process.Kill()
		<-e.exited
	})
	select {
	case s := <-line:
		var at struct{ Admin string }
		if err := json.Unmarshal([]byte(s), &at); err != nil {
			<-e.exited
			e.t.Fatalf("weir serve printed %q\n%s", s, e.said.String())
		}
		e.admin = at.Admin
	case <-time.After(patience):
		e.t.Fatal("weir serve was not ready in time")
	}
}

// stop sends SIGTERM and waits for the end, which must come in good order.
func (e *edge) stop() {
	e.t.Helper()
	e.served.Add(e.asked())
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		e.t.Fatal(err)
	}
	select {
	case <-e.exited:
	case <-time.After(2 * patience):
		e.t.Fatal("weir did not stop in time")
	}
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		e.t.Errorf("weir stopped with exit code %d\n%s", code, e.said.String())
	}
}

// asked is how many requests this process answered.
func (e *edge) asked() (n int64) {
	e.t.Helper()
	resp, err := http.Get(e.admin + "/metrics")
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var v float64
		if rest, ok := strings.CutPrefix(lines.Text(), `weir_edge_requests_total{class="origin",status="200"} `); ok {
			_, _ = fmt.Sscan(rest, &v)
			n += int64(v)
		}
	}
	return n
}
