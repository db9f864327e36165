package systemtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var weirBin string // set once by TestMain

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	weirBin = os.Getenv("WEIR_BIN")
	if weirBin == "" {
		dir, err := os.MkdirTemp("", "weir-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		weirBin = filepath.Join(dir, "weir")
		if out, err := exec.Command("go", "build", "-o", weirBin, "github.com/weirstream/weir/cmd/weir").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build weir: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// server is a running `weir serve` on ports of its own.
type server struct {
	t                   testing.TB
	cmd                 *exec.Cmd
	Listen, Edge, Admin string
	ready               string // the line that it printed then
	log                 *lockedBuffer
	exited              chan struct{}
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts weir on data with further flags and waits until it is ready. It is stopped when the test ends.
func serve(t testing.TB, data string, flags ...string) *server {
	t.Helper()
	s, err := tryServe(t, data, nil, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryServe(t testing.TB, data string, environ []string, flags ...string) (*server, error) {
	t.Helper()
	args := append([]string{"serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--edge-listen", "127.0.0.1:0",
		"--admin-listen", "127.0.0.1:0", "--max-height", "360", "--log-level", "debug"}, flags...)
	s := &server{t: t, cmd: exec.Command(weirBin, args...), log: &lockedBuffer{}, exited: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), environ...)
	s.cmd.Stderr = s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := make(chan string, 1)
	go func() {
		defer close(s.exited)
		r := bufio.NewReader(stdout)
		line, _ := r.ReadString('\n')
		lines <- line
		_, _ = io.Copy(io.Discard, r)
		_ = s.cmd.Wait()
	}()
	t.Cleanup(s.kill)
	select {
	case line := <-lines:
		var at struct{ Listen, Edge, Admin string }
		if err := json.Unmarshal([]byte(line), &at); err != nil {
			<-s.exited
			return s, fmt.Errorf("weir serve printed %q: %w\n%s", line, err, s.log)
		}
		s.ready, s.Listen, s.Edge, s.Admin = line, at.Listen, at.Edge, at.Admin
		return s, nil
	case <-time.After(30 * time.Second):
		return nil, fmt.Errorf("weir serve was not ready within 30 s\n%s", s.log)
	}
}

// kill is kill -9; it is no error if the process is gone.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// stop is a graceful stop; it must end within its bound with exit code 0.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("signal weir: %v\n%s", err, s.log)
	}
	select {
	case <-s.exited:
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			s.t.Fatalf("weir stopped with exit code %d\n%s", code, s.log)
		}
	case <-time.After(30 * time.Second):
		s.t.Fatalf("weir did not stop within 30 s of SIGTERM\n%s", s.log)
	}
}

// waitKilled waits until the process has killed itself at the point it was told to. Another end is an error.
func (s *server) waitKilled(within time.Duration) error {
	select {
	case <-s.exited:
		if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
			return fmt.Errorf("weir ended by itself: %v", s.cmd.ProcessState)
		}
		return nil
	case <-time.After(within):
		return fmt.Errorf("weir still ran after %v", within)
	}
}

// ingested is what `weir ingest --json` prints.
type ingested struct{ Asset, HLS, DASH, Watch string }

// weir runs a command of the binary and returns its exit code and what it printed.
func weir(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return weirWith(t, nil, args...)
}

// weirWith is weir with more in its environment.
func weirWith(t testing.TB, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, weirBin, args...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("weir %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// ingest uploads file and waits until it is complete.
func (s *server) ingest(file string) ingested {
	s.t.Helper()
	code, out, errOut := weir(s.t, "ingest", file, "--server", s.Listen, "--json")
	if code != 0 {
		s.t.Fatalf("weir ingest %s: exit code %d\n%s%s\nserver log:\n%s", file, code, out, errOut, tail(s.log.String(), 4000))
	}
	var got ingested
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		s.t.Fatalf("weir ingest --json printed %q: %v", out, err)
	}
	return got
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// tool runs a program nobody here wrote and returns its standard output; what it prints to standard error must be nothing.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil || errOut.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errOut.String())
	}
	return out.String()
}

// fetch gets url and wants the status.
func fetch(t *testing.T, url string, want int) []byte {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		t.Fatalf("read %s: %v", url, err)
	}
	if resp.StatusCode != want {
		t.Fatalf("GET %s = %d, want %d\n%.500s", url, resp.StatusCode, want, body)
	}
	return body
}

// clip makes a test master once per run and size: see scripts/demo-master.
func clip(t *testing.T, seconds int, size string, rate int) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), fmt.Sprintf("clip-%d-%s-%d.mp4", seconds, size, rate))
	tool(t, "../../../scripts/demo-master", out, fmt.Sprint(seconds), size, fmt.Sprint(rate))
	return out
}
