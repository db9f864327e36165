package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/sandbox"
)

// parentEnv makes the test binary a program that runs a tool for ever, to be killed by a test.
const parentEnv = "WEIR_TEST_SANDBOX_PARENT"

func TestMain(m *testing.M) {
	sandbox.Child()
	if dir := os.Getenv(parentEnv); dir != "" {
		fmt.Fprintln(os.Stderr, sandbox.Run(context.Background(), sandbox.Command{Path: "sh", Args: []string{"-c", "echo $$; exec sleep 1000"}, Dir: dir, Stdout: os.Stdout}))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// shell runs a script in the sandbox and returns what it printed.
func shell(t *testing.T, c sandbox.Command, script string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c.Path, c.Args, c.Stdout = "bash", []string{"-c", script}, &out
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	err := sandbox.Run(t.Context(), c)
	return out.String(), err
}

func secret(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("told"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunReadsOnlyWhatItIsGiven(t *testing.T) {
	given, other := secret(t), secret(t)
	if got, err := shell(t, sandbox.Command{ReadOnly: []string{given}}, "cat "+given); err != nil || got != "told" {
		t.Errorf("reading a given file = %q, %v, want its contents", got, err)
	}
	if got, err := shell(t, sandbox.Command{ReadOnly: []string{filepath.Dir(given)}}, "cat "+given); err != nil || got != "told" {
		t.Errorf("reading a file of a given folder = %q, %v, want its contents", got, err)
	}
	for _, path := range []string{other, "/etc/passwd", "/proc/self/environ", fmt.Sprintf("/proc/%d/environ", os.Getpid())} {
		if got, err := shell(t, sandbox.Command{ReadOnly: []string{given}}, "cat "+path); err == nil || got != "" {
			t.Errorf("reading %s = %q, %v, want an error (Landlock is at version %d)", path, got, err, sandbox.Landlock())
		}
	}
}

func TestRunWritesOnlyInItsFolder(t *testing.T) {
	given, dir := secret(t), t.TempDir()
	if _, err := shell(t, sandbox.Command{Dir: dir}, "echo made > here"); err != nil {
		t.Errorf("writing in the work folder: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "here")); string(b) != "made\n" {
		t.Errorf("the work folder holds %q, %v", b, err)
	}
	for _, script := range []string{"echo x > " + given, "rm " + given, "echo x > /tmp/weir-sandbox-test", "ln " + given + " mine"} {
		if _, err := shell(t, sandbox.Command{ReadOnly: []string{given}}, script); err == nil {
			t.Errorf("%s: want an error (Landlock is at version %d)", script, sandbox.Landlock())
		}
	}
}

func TestRunHasNoNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if _, err := shell(t, sandbox.Command{}, "exec 3<>/dev/tcp/"+host+"/"+port); err == nil || !strings.Contains(err.Error(), "Permission denied") {
		t.Errorf("connecting: %v, want permission denied (Landlock is at version %d)", err, sandbox.Landlock())
	}
}

func TestRunHasACleanEnvironment(t *testing.T) {
	t.Setenv("WEIR_SECRET", "told")
	dir := t.TempDir()
	got, err := shell(t, sandbox.Command{Dir: dir}, "pwd; env; ulimit -c")
	if err != nil || strings.Contains(got, "told") || !strings.HasPrefix(got, dir+"\n") || !strings.Contains(got, "HOME="+dir) || !strings.HasSuffix(got, "\n0\n") {
		t.Errorf("the tool sees %q, %v", got, err)
	}
}

func TestRunLimits(t *testing.T) {
	f := func(name string, limits sandbox.Limits, script, want string, signal syscall.Signal) {
		t.Run(name, func(t *testing.T) {
			_, err := shell(t, sandbox.Command{Limits: limits}, script)
			var exit *sandbox.ExitError
			if !errors.As(err, &exit) || exit.Signal != signal || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q by signal %d", script, err, want, signal)
			}
		})
	}
	f("memory", sandbox.Limits{Memory: 256 << 20}, "exec dd if=/dev/urandom of=/dev/null bs=1G count=1", "memory exhausted", 0)
	f("file size", sandbox.Limits{FileSize: 1 << 20}, "exec head -c 9000000 /dev/urandom > big", "wrote more than it may", syscall.SIGXFSZ)
	f("processor time", sandbox.Limits{CPU: time.Second}, "while :; do :; done", "used up its processor time", syscall.SIGXCPU)
	f("open files", sandbox.Limits{}, "ulimit -n 10000", "ulimit", 0)
	_, err := shell(t, sandbox.Command{Limits: sandbox.Limits{Wall: 100 * time.Millisecond}}, "exec sleep 1000")
	if weir.KindOf(err) != weir.Timeout {
		t.Errorf("a tool that outlives its wall time: %v, want kind timeout", err)
	}
}

// feed hands lines to a test as they are printed.
type feed chan string

func (f feed) Write(b []byte) (int, error) {
	f <- string(b)
	return len(b), nil
}

func TestRunKillsTheWholeGroup(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	said := make(feed, 4)
	done := make(chan error, 1)
	go func() {
		done <- sandbox.Run(ctx, sandbox.Command{Path: "bash", Args: []string{"-c", "sleep 1000 & echo $!; wait"}, Dir: t.TempDir(), Stdout: said})
	}()
	grandchild := watch(t, <-said)
	why := errors.New("the lease is lost")
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("Run() = %v, want the cause of its context's end", err)
	}
	gone(t, grandchild)
}

// TestRunDiesWithItsParent kills -9 a process that runs a tool.
func TestRunDiesWithItsParent(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), parentEnv+"="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the tool did not start: %v", err)
	}
	tool := watch(t, line)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	gone(t, tool)
}

// watch opens a process by the number in text.
func watch(t *testing.T, text string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("want a process id: %v", err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("open process %d: %v", pid, err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// gone waits for a process to end.
func gone(t *testing.T, fd int) {
	t.Helper()
	polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(polled, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("the process is alive after 10 s: %v", err)
		}
		return
	}
}

func TestRunTellsHowItEnded(t *testing.T) {
	seen := 0
	_, err := shell(t, sandbox.Command{OnStderrLine: func(line string) bool { seen++; return strings.HasPrefix(line, "noise") }},
		`i=0; while [ $i -lt 3000 ]; do echo "line $i" >&2; i=$((i+1)); done; echo noise >&2; exit 3`)
	var exit *sandbox.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || err.Error() != "bash: exit status 3: line 2999" {
		t.Fatalf("Run() = %v, want exit status 3 and the last line", err)
	}
	if n := len(exit.Stderr); n > 16<<10 || n < 15<<10 || strings.Contains(exit.Stderr, "line 100\n") || seen != 3001 {
		t.Errorf("%d bytes of stderr were kept and %d lines seen, want 16 KB and 3001", n, seen)
	}
	if _, err := shell(t, sandbox.Command{}, "kill -9 $$"); !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL || exit.Code != -1 {
		t.Errorf("Run() of a killed tool = %v", err)
	}
	if err := sandbox.Run(t.Context(), sandbox.Command{Path: "weir-no-such-tool", Dir: t.TempDir()}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("Run() of no tool = %v, want not found", err)
	}
	if err := sandbox.Run(t.Context(), sandbox.Command{Path: "true", Dir: "relative"}); err == nil {
		t.Error("Run() in a relative folder: want an error")
	}
	if err := sandbox.Run(t.Context(), sandbox.Command{Path: "true", Dir: t.TempDir(), ReadOnly: []string{"/no/such/file"}}); err == nil {
		t.Error("Run() with a file that is not there: want an error")
	}
}

// full takes nothing.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

func TestRunStopsWhenNobodyListens(t *testing.T) {
	why := errors.New("the disk is full")
	err := sandbox.Run(t.Context(), sandbox.Command{Path: "yes", Dir: t.TempDir(), Stdout: full{why}})
	if !errors.Is(err, why) {
		t.Errorf("Run() = %v, want the writer's error", err)
	}
}
