package systemtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// scaled is n by WEIR_TEST_SCALE: 1 for the full size, a hundredth as in CI unless it is set; least at least.
func scaled(n, least int) int {
	scale, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64)
	if err != nil {
		scale = 0.01
	}
	return max(int(float64(n)*scale), least)
}

// Many connections, most of them idle, while what is cached is replaced again and again: the process stays within the memory
// it was given, and what a connection took comes back when it ends.
func TestManyConnections(t *testing.T) {
	idle, active, turns := scaled(10_000, 100), scaled(1_000, 10), scaled(200, 3)
	needDescriptors(t, idle+active+200)
	o := newBlockOrigin()
	defer o.Close()
	s := serve(t, t.TempDir(), "--roles=edge", "--origin="+o.URL, "--tickets=off", "--log-level=warn", fmt.Sprintf("--cache-bytes=%dMiB", cacheBytes>>20))
	c := crowd{edge: strings.TrimPrefix(s.Edge, "http://"), origin: o}
	c.ask(t, 50) // what is made once is made
	before := s.holding()
	t.Logf("%d idle and %d active connections, a cache of %d MiB to be turned over %d times", idle, active, cacheBytes>>20, turns)
	t.Logf("at rest:              %v", before)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(-1)
	if err := c.gather(ctx, group, idle); err != nil {
		t.Fatal(err)
	}
	s.settle(t, "most that idle are without buffers", func(u holding) bool { return u.parked >= idle*8/10 }) // some ask just now
	parked := s.holding()
	t.Logf("with the idle ones:   %v; %.1f KiB of the heap's a connection", parked, float64(parked.anon-before.anon)/1024/float64(idle))

	for range active {
		group.Go(func() error { return c.watch(ctx) })
	}
	half, peak := holding{}, before
	began := time.Now()
	want := int64(turns) * cacheBytes
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for o.sent.Load() < want && ctx.Err() == nil {
		<-tick.C
		u := s.holding()
		peak = peak.most(u)
		if half.rss == 0 && o.sent.Load() > want/4 {
			half = u
			t.Logf("after a quarter:      %v", u)
		}
	}
	full, took := s.holding(), time.Since(began)
	t.Logf("after %.0f turns:      %v", float64(o.sent.Load())/float64(cacheBytes), full)
	t.Logf("the most of each:     %v; high-water mark %d MiB", peak, s.highWater()>>20)
	t.Logf("%d requests, %d of them hits, %d late, %.1f GB from the origin in %v", c.requests.Load(), c.requests.Load()-o.requests.Load(), c.late.Load(), float64(o.sent.Load())/1e9, took.Round(time.Second))
	stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	o.CloseClientConnections() // the edge keeps idle ones a while
	after := s.settle(t, "what connections took is given back", func(u holding) bool {
		return u.goroutines <= before.goroutines+5 && u.descriptors <= before.descriptors+5
	})
	t.Logf("when all have ended:  %v", after)

	// What was configured, and what connections cost above it: the arena is a part of the process's memory only.
	budget := before.rss + cacheBytes + indexBytes + int64(idle)*idleBytes + int64(active)*activeBytes
	if most := s.highWater(); most > budget*115/100 {
		t.Errorf("the process had %d MiB at most, want %d MiB and 15 %%", most>>20, budget>>20)
	}
	if full.rss > half.rss*115/100+cacheBytes-half.shmem {
		t.Errorf("memory grew under a steady load from %d MiB to %d MiB", half.rss>>20, full.rss>>20)
	}
	// Connections under way and reads of the origin come and go, so some of both are no growth.
	if slack := active/2 + 20; full.goroutines > half.goroutines+slack || full.descriptors > half.descriptors+slack {
		t.Errorf("goroutines and descriptors grew under a steady load from %d and %d to %d and %d", half.goroutines, half.descriptors, full.goroutines, full.descriptors)
	}
	s.stop()
}

// What the test allows besides the cache, in bytes, as measured with 11,000 connections. One that idles needs 8 KiB, but when
// ten thousand come at once each has its buffers of 25 KiB for two seconds, and the collector returns them late. One under way
// has buffers in both directions and five goroutines, half of it for its request to the origin; garbage doubles that.
const (
	cacheBytes  = 80 << 20 // the least
	indexBytes  = 64 << 20 // of stored headers; edge.Generic's default
	idleBytes   = 32 << 10
	activeBytes = 128 << 10
)

// needDescriptors skips the test, or ends it where nothing may be skipped, if the process may not open as many files.
func needDescriptors(t *testing.T, n int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < uint64(n) {
		t.Fatalf("this needs %d open files, and the limit is %d: ulimit -n", n, limit.Cur)
	}
}

// blockOrigin answers /<size>/<n> with size bytes that begin somewhere in one random block: cheap to make and to compare.
type blockOrigin struct {
	*httptest.Server
	block    []byte
	requests atomic.Int64
	sent     atomic.Int64
}

const blockBytes = 4 << 20

func newBlockOrigin() *blockOrigin {
	o := &blockOrigin{block: make([]byte, blockBytes)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(o.block)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var size, n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d/%d", &size, &n); err != nil {
			http.NotFound(w, r)
			return
		}
		o.requests.Add(1)
		w.Header().Set("Cache-Control", "max-age=86400")
		w.Header().Set("Content-Length", strconv.Itoa(size))
		sent, _ := w.Write(o.body(size, n)) // who asked may be gone
		o.sent.Add(int64(sent))
	}))
	return o
}

func (o *blockOrigin) body(size, n int) []byte {
	from := n * 4099 % (blockBytes - size)
	return o.block[from : from+size]
}

// crowd is the clients.
type crowd struct {
	edge     string
	origin   *blockOrigin
	next     atomic.Int64
	requests atomic.Int64
	late     atomic.Int64
}

// sizes of objects: a thousand of them under way are to fit into the cache.
var sizes = [...]int{16 << 10, 32 << 10, 48 << 10, 64 << 10}

// idleAsk is how often an idle connection asks: within the 75 s after which the edge ends it.
const idleAsk = 45 * time.Second

// ask sends n requests over one connection.
func (c *crowd) ask(t *testing.T, n int) {
	t.Helper()
	v, err := c.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	for i := range n {
		if err := v.get(sizes[0], i); err != nil {
			t.Fatal(err)
		}
	}
}

// gather opens n connections, which each ask once and then idle until ctx ends.
func (c *crowd) gather(ctx context.Context, group *errgroup.Group, n int) error {
	var opening sync.WaitGroup
	var failed atomic.Pointer[error]
	room := make(chan struct{}, 64)
	for i := range n {
		opening.Add(1)
		room <- struct{}{}
		group.Go(func() error {
			v, err := c.connect(ctx)
			if err == nil {
				err = v.get(1000, i%50)
			}
			if <-room; err != nil {
				failed.Store(&err)
			}
			opening.Done()
			if err != nil {
				return err
			}
			return v.idle(ctx, i%50)
		})
	}
	opening.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// watch asks for one object after the other until ctx ends: most are new, some were asked for lately.
func (c *crowd) watch(ctx context.Context) error {
	v, err := c.connect(ctx)
	if err != nil {
		return unless(ctx, err)
	}
	defer v.close()
	for ctx.Err() == nil {
		n := int(c.next.Add(1))
		if rand.N(4) == 0 {
			n = max(n-1-int(rand.ExpFloat64()*500), 1)
		}
		err := v.get(sizes[n%len(sizes)], n)
		if errors.Is(err, errLate) {
			c.late.Add(1)
			continue
		}
		if err != nil {
			return unless(ctx, err)
		}
	}
	return nil
}

// errLate is an edge's word that the origin did not answer in time: a busy machine's fault, and no matter of memory.
var errLate = errors.New("504")

// unless is err, but nil once ctx has ended.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// client is one connection that stays open.
type client struct {
	*crowd
	conn net.Conn
	in   *bufio.Reader
	stop func() bool
	buf  []byte
}

func (c *crowd) connect(ctx context.Context) (*client, error) {
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, "tcp", c.edge)
	if err != nil {
		return nil, err
	}
	return &client{c, conn, bufio.NewReaderSize(conn, 4<<10), context.AfterFunc(ctx, func() { _ = conn.Close() }), nil}, nil
}

func (v *client) close() {
	v.stop()
	_ = v.conn.Close()
}

// get wants all bytes right.
func (v *client) get(size, n int) error {
	if err := v.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(v.conn, "GET /%d/%d HTTP/1.1\r\nHost: edge\r\n\r\n", size, n); err != nil {
		return err
	}
	resp, err := http.ReadResponse(v.in, nil)
	if err != nil {
		return fmt.Errorf("object %d: %w", n, err)
	}
	if resp.StatusCode != 200 || resp.ContentLength != int64(size) || resp.Close {
		b, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
		if resp.StatusCode == 504 && err == nil {
			return errLate
		}
		return fmt.Errorf("object %d: %s with %d bytes, want 200 with %d\n%s", n, resp.Status, resp.ContentLength, size, b)
	}
	if v.buf == nil {
		v.buf = make([]byte, 32<<10)
	}
	for want := v.origin.body(size, n); len(want) > 0; {
		got := v.buf[:min(len(v.buf), len(want))]
		if _, err := io.ReadFull(resp.Body, got); err != nil {
			return fmt.Errorf("object %d: %w", n, err)
		}
		if !bytes.Equal(got, want[:len(got)]) {
			return fmt.Errorf("object %d: wrong bytes", n)
		}
		want = want[len(got):]
	}
	v.requests.Add(1)
	return resp.Body.Close()
}

// idle asks now and then, so that the edge keeps the connection.
func (v *client) idle(ctx context.Context, n int) error {
	defer v.close()
	v.buf = nil
	timer := time.NewTimer(rand.N(idleAsk))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := v.get(1000, n); err != nil {
			return unless(ctx, err)
		}
		v.buf = nil
		timer.Reset(idleAsk)
	}
}

// holding is what a process holds at a moment; memory in bytes.
type holding struct {
	rss, anon, shmem, file          int64
	goroutines, descriptors, parked int
}

func (u holding) String() string {
	return fmt.Sprintf("RSS %d MiB (heap and stacks %d, arena %d, program %d), %d goroutines, %d descriptors, %d connections without buffers",
		u.rss>>20, u.anon>>20, u.shmem>>20, u.file>>20, u.goroutines, u.descriptors, u.parked)
}

func (u holding) most(v holding) holding {
	return holding{max(u.rss, v.rss), max(u.anon, v.anon), max(u.shmem, v.shmem), max(u.file, v.file),
		max(u.goroutines, v.goroutines), max(u.descriptors, v.descriptors), max(u.parked, v.parked)}
}

// holding asks the kernel and the process.
func (s *server) holding() (u holding) {
	s.t.Helper()
	status := s.status()
	u.rss, u.anon, u.shmem, u.file = status["VmRSS"], status["RssAnon"], status["RssShmem"], status["RssFile"]
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	u.descriptors = len(files)
	u.goroutines, u.parked = s.metric("go_goroutines"), s.metric("weir_edge_idle_connections")
	return u
}

// highWater is the most memory that the process ever had, as the kernel noted it.
func (s *server) highWater() int64 { return s.status()["VmHWM"] }

var statusLine = regexp.MustCompile(`(?m)^(\w+):\s+(\d+) kB$`)

// status is the sizes in the kernel's account of the process, in bytes.
func (s *server) status() map[string]int64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]int64{}
	for _, m := range statusLine.FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.ParseInt(m[2], 10, 64) // digits
		out[m[1]] = n << 10
	}
	return out
}

// metric is one without labels.
func (s *server) metric(name string) int {
	s.t.Helper()
	resp, err := http.Get(s.Admin + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		s.t.Fatalf("there is no metric %s", name)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return int(v)
}

// settle asks until something holds of the process.
func (s *server) settle(t *testing.T, what string, holds func(u holding) bool) holding {
	t.Helper()
	deadline, poll := time.After(time.Minute), time.NewTicker(100*time.Millisecond)
	defer poll.Stop()
	for {
		u := s.holding()
		if holds(u) {
			return u
		}
		select {
		case <-deadline:
			t.Fatalf("gave up waiting until %s: %v", what, u)
		case <-poll.C:
		}
	}
}
