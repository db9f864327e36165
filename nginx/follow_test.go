package nginx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/nginx"
)

// follower is a Follower of a registry in process, with what it did.
type follower struct {
	nginx.Follower
	t        *testing.T
	registry *embed.Registry
	ctx      context.Context // of all that runs until the test ends
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	log      bytes.Buffer
	checks   int
	reloads  int
	checkErr error
	loadErr  error
}

// Write is the log's.
func (f *follower) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(line)
}

// said is the log.
func (f *follower) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

// let changes what happens to the follower from now on.
func (f *follower) let(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// following is a follower without its Follower.
func following(t *testing.T) *follower {
	ctx, stop := context.WithCancel(context.Background())
	f := &follower{t: t, registry: &embed.Registry{}, ctx: ctx}
	t.Cleanup(func() {
		stop()
		f.running.Wait()
	})
	return f
}

func newFollower(t *testing.T) *follower {
	f := following(t)
	c := example()
	c.Edges, c.Gateways = nil, nil
	f.Follower = nginx.Follower{Config: c, Registry: f.registry, File: filepath.Join(t.TempDir(), "nginx.conf"),
		Check: func(_ context.Context, file string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.checks++
			if edges, gateways := f.servers(file); len(edges)+len(gateways) == 0 && f.checkErr == nil {
				t.Errorf("the file to check holds no servers")
			}
			return f.checkErr
		},
		Reload: func(context.Context) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.reloads++
			return f.loadErr
		},
		Log: slog.New(slog.NewTextHandler(f, nil))}
	return f
}

// run follows until the test ends.
func (f *follower) run() {
	f.running.Go(func() {
		if err := f.Run(f.ctx); err != nil {
			f.t.Errorf("Run = %v", err)
		}
	})
}

// register announces an instance until what it returns is called.
func (f *follower) register(service, id, address string) (withdraw func()) {
	ctx, stop := context.WithCancel(f.ctx)
	f.running.Go(func() {
		defer stop()
		i := weir.Instance{Service: service, ID: id, Address: address, Meta: map[string]string{"zone": "a; include /etc/passwd"}}
		if err := f.registry.Register(ctx, i, time.Minute); err != nil {
			f.t.Errorf("Register = %v", err)
		}
	})
	return stop
}

// settle lets the follower see what there is and act on it, within the time of the bubble.
func settle() {
	synctest.Wait()
	time.Sleep(time.Second) // of the bubble: longer than a change may wait
	synctest.Wait()
}

// later is settle for what is tried again after an error.
func later() {
	time.Sleep(time.Minute) // of the bubble
	synctest.Wait()
}

func (f *follower) servers(file string) (edges, gateways []string) {
	f.t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		f.t.Fatal(err)
	}
	return nginx.Servers(b)
}

// want compares the file's servers, and how often it was checked and loaded so far.
func (f *follower) want(changes int, edges, gateways []string) {
	f.t.Helper()
	e, g := f.servers(f.File)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(e, edges) || !slices.Equal(g, gateways) || f.checks != changes || f.reloads != changes {
		f.t.Errorf("the file has %q and %q after %d checks and %d reloads, want %q and %q after %d\n%s", e, g, f.checks, f.reloads, edges, gateways, changes, f.log.String())
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(f.File), ".weir-nginx-*"))
	if err != nil || len(left) > 0 {
		f.t.Errorf("files are left behind: %q, %v", left, err)
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t)
		gateway := f.register("gateway", "g1", "10.0.0.1:8080")
		one := f.register("edge", "e1", "10.0.0.11:8081")
		f.run()
		settle()
		f.want(1, []string{"10.0.0.11:8081"}, []string{"10.0.0.1:8080"})
		for i := range 20 { // changes that follow each other are one
			f.register("edge", fmt.Sprint("many-", i), fmt.Sprintf("10.0.1.%d:8081", i+100))()
		}
		two := f.register("edge", "e2", "10.0.0.12:8081")
		settle()
		f.want(2, []string{"10.0.0.11:8081", "10.0.0.12:8081"}, []string{"10.0.0.1:8080"})
		f.register("edge", "e3", "10.0.0.12:8081")
		settle()
		f.want(2, []string{"10.0.0.11:8081", "10.0.0.12:8081"}, []string{"10.0.0.1:8080"}) // nothing new
		one()
		settle()
		f.want(3, []string{"10.0.0.12:8081"}, []string{"10.0.0.1:8080"})
		gateway() // nobody left: the last stays
		settle()
		f.want(3, []string{"10.0.0.12:8081"}, []string{"10.0.0.1:8080"})
		if !strings.Contains(f.said(), "the last servers stay") {
			t.Errorf("nothing is said of it:\n%s", f.said())
		}
		two()
		f.register("gateway", "g2", "[2001:db8::2]:8080")
		settle()
		f.want(4, []string{"10.0.0.12:8081"}, []string{"[2001:db8::2]:8080"})
	})
}

// A registry that forgot everything while the Follower was away does not empty the file.
func TestFollowKeepsWhatAFileOfBeforeHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t)
		before := f.Config
		before.Edges, before.Gateways = []string{"10.0.0.11:8081"}, []string{"10.0.0.1:8080"}
		if err := os.WriteFile(f.File, []byte(render(t, before)), 0o644); err != nil {
			t.Fatal(err)
		}
		f.run()
		settle()
		f.let(func() { f.checks++ }) // the file stayed, so it was not checked; nginx is told once, in case the one before died in between
		f.want(1, before.Edges, before.Gateways)
		f.register("edge", "e2", "10.0.0.12:8081")
		settle()
		f.want(2, []string{"10.0.0.12:8081"}, before.Gateways)
	})
}

func TestFollowWithoutAnybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t)
		f.Check = nil
		f.run()
		settle()
		b, err := os.ReadFile(f.File)
		if err != nil || !strings.Contains(string(b), "down;") {
			t.Errorf("without servers there is %q, %v; want a file that nginx can start with", b, err)
		}
	})
}

func TestFollowLeavesOutWhatIsNoAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t)
		f.register("gateway", "g1", "10.0.0.1:8080")
		f.register("edge", "good", "10.0.0.11:8081")
		for i, address := range []string{"", "10.0.0.66:80; } server evil:80", "evil\n}\nhttp {", "unix:/run/docker.sock", "unix:80", "10.0.0.66", "0.0.0.0:80"} {
			f.register("edge", fmt.Sprint("bad-", i), address)
		}
		f.run()
		settle()
		f.want(1, []string{"10.0.0.11:8081"}, []string{"10.0.0.1:8080"})
		if n := strings.Count(f.said(), "an instance is left out"); n != 7 {
			t.Errorf("%d instances are said to be left out, want 7:\n%s", n, f.said())
		}
	})
}

func TestFollowKeepsTheFileWhenTheCheckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t)
		f.register("gateway", "g1", "10.0.0.1:8080")
		f.register("edge", "e1", "10.0.0.11:8081")
		f.run()
		settle()
		f.let(func() { f.checkErr = errors.New("nginx does not like it") })
		f.register("edge", "e2", "10.0.0.12:8081")
		settle()
		f.let(func() { f.reloads++ }) // one check more than reloads
		f.want(2, []string{"10.0.0.11:8081"}, []string{"10.0.0.1:8080"})
		if !strings.Contains(f.said(), "nginx does not like it") {
			t.Errorf("nothing is said of it:\n%s", f.said())
		}
		f.let(func() { f.checkErr = nil })
		later() // it is tried again without a change
		f.want(3, []string{"10.0.0.11:8081", "10.0.0.12:8081"}, []string{"10.0.0.1:8080"})
	})
}

func TestFollowReloadsAgainWhenThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t)
		f.let(func() { f.loadErr = errors.New("nobody there") })
		f.register("edge", "e1", "10.0.0.11:8081")
		f.run()
		settle()
		f.want(1, []string{"10.0.0.11:8081"}, nil)
		f.let(func() { f.loadErr = nil })
		later()
		f.let(func() { f.checks++ })
		f.want(2, []string{"10.0.0.11:8081"}, nil) // the same file, told once more and not again
	})
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t)
		f.register("edge", "e1", "10.0.0.11:8081")
		synctest.Wait()
		if err := f.Once(t.Context()); err != nil {
			t.Errorf("Once = %v", err)
		}
		f.want(1, []string{"10.0.0.11:8081"}, nil)

		g := newFollower(t)
		g.Registry, g.Config = nil, example()
		if err := g.Run(t.Context()); err != nil {
			t.Errorf("Run without a registry = %v", err)
		}
		g.want(1, example().Edges, example().Gateways)
		g.let(func() { g.checkErr = errors.New("no") })
		g.Config.Edges = []string{"10.0.0.99:1"}
		if err := g.Once(t.Context()); !errors.Is(err, g.checkErr) {
			t.Errorf("Once with a file that is refused = %v, want the reason", err)
		}
	})
}

// reload: edges come and go in a registry while requests run, and none of those fails.
func reload(t *testing.T) {
	steady, gateway := serve(t, nil), serve(t, nil)
	f := start(t, []*backend{steady}, []*backend{gateway}, unlimited)
	nginxProgram := program(t)
	loaded := make(chan struct{}, 1)
	r := following(t)
	r.Follower = nginx.Follower{Config: f.base, Registry: r.registry, File: f.file, Settle: 10 * time.Millisecond,
		Check: func(ctx context.Context, file string) error {
			out, err := exec.CommandContext(ctx, nginxProgram, "-t", "-q", "-c", file).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		},
		Reload: func(ctx context.Context) error {
			f.hangUp()
			select {
			case loaded <- struct{}{}:
			case <-ctx.Done():
			}
			return nil
		}}
	r.register("gateway", "g", gateway.addr)
	r.register("edge", "steady", steady.addr)
	r.run()
	await := func() {
		select {
		case <-loaded:
		case <-time.After(patience):
			t.Error("nginx was not told of a change")
		}
	}
	await() // what a follower does first

	end := make(chan struct{})
	var failed []string
	var crowds sync.WaitGroup
	requests := 0
	crowds.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				failed = append(failed, crowd(f, 40, func(int) {})...)
				requests += 40
			}
		}
	})
	c := f.client(true)
	for i := range 6 {
		edge := serve(t, nil)
		withdraw := r.register("edge", fmt.Sprint("e", i), edge.addr)
		await()
		f.await("the new edge is asked", func() bool {
			for n := range 20 {
				f.get(c, segment(n, 0))
			}
			return edge.hits.Load() > 0
		})
		withdraw() // as weir stops: first it leaves the registry, then it finishes what it has
		await()
		if i%2 == 0 {
			edge.drain(t)
		} else {
			edge.kill()
		}
	}
	close(end)
	crowds.Wait()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed:\n%s", len(failed), requests, strings.Join(failed[:min(10, len(failed))], "\n"))
	}
	t.Logf("%d requests while 6 edges came and went", requests)
}
