package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	weir "github.com/weirstream/weir"
)

// drain bounds how long output is read after the tool is gone.
const drain = 5 * time.Second

// errWall is the cause of a context that Limits.Wall ended.
var errWall = errors.New("wall time is over")

// Run runs c to its end. When ctx ends the whole process group is killed and the error wraps ctx's cause. A tool that
// exits with a status or is stopped by a limit is an [*ExitError]; one that outlives Limits.Wall is of kind Timeout. Run
// holds an operating system thread while the tool runs, because the kernel ties the tool's life to that thread.
func Run(ctx context.Context, c Command) error {
	tool, err := exec.LookPath(c.Path)
	if err != nil {
		return fmt.Errorf("find the tool: %w", err)
	}
	// Landlock grants by file, so the tool's own place counts, not that of a link to it.
	if tool, err = filepath.EvalSymlinks(tool); err != nil {
		return fmt.Errorf("find the tool: %w", err)
	}
	if tool, err = filepath.Abs(tool); err != nil {
		return fmt.Errorf("find the tool: %w", err)
	}
	if !filepath.IsAbs(c.Dir) {
		return weir.Errorf(weir.Internal, "work folder %q is not absolute", c.Dir)
	}
	spec, err := json.Marshal(orderFor(c, tool))
	if err != nil {
		return fmt.Errorf("write the order: %w", err)
	}
	if c.Limits.Wall > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, c.Limits.Wall, errWall)
		defer stop()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stderr := &lines{see: c.OnStderrLine}
	cmd := command(ctx, c, spec, stderr)
	var out *taker
	if c.Stdout != nil {
		out = &taker{w: c.Stdout}
		cmd.Stdout = out
	}
	err = cmd.Run()
	stderr.close()
	if out != nil && out.err != nil && ctx.Err() == nil {
		return fmt.Errorf("take the output of %s: %w", filepath.Base(tool), out.err)
	}
	return c.explain(ctx, filepath.Base(tool), err, stderr)
}

// taker keeps the error of the caller's writer, which says more than the tool's complaint about its closed output.
type taker struct {
	w   io.Writer
	err error
}

func (t *taker) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	t.err = err
	return n, err
}

func command(ctx context.Context, c Command, spec []byte, stderr *lines) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{string(spec)}, c.Args...)...)
	cmd.Args[0] = childName
	cmd.Env = []string{"GOMAXPROCS=1"} // the child is this program; the tool gets order.environ
	cmd.Dir = "/"
	cmd.Stderr = stderr
	cmd.WaitDelay = drain
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// explain turns what os/exec says into this package's errors.
func (c Command) explain(ctx context.Context, tool string, err error, stderr *lines) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errWall):
		return weir.Errorf(weir.Timeout, "%s was not done after %s", tool, c.Limits.Wall)
	case ctx.Err() != nil:
		return fmt.Errorf("run %s: %w", tool, context.Cause(ctx))
	case !errors.As(err, &exit):
		return fmt.Errorf("run %s: %w", tool, err)
	}
	e := &ExitError{Tool: tool, Code: exit.ExitCode(), Stderr: stderr.tail()}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal()
	}
	return e
}
