package sandbox

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// Command is one run of a tool.
type Command struct {
	Path     string   // of the tool: absolute, or a name looked up in PATH
	Args     []string // without the tool's own name
	Dir      string   // the work folder: the only place the tool may write, and its current folder
	ReadOnly []string // files and folders it may read, besides the system's

	Stdout       io.Writer              // nil throws it away; an error of it ends the tool
	OnStderrLine func(line string) bool // sees every line of stderr; true keeps the line out of an [ExitError]

	Limits Limits
}

// Limits bound what one run may use. The zero value of a field takes the default named beside it.
type Limits struct {
	Memory   int64         // bytes of address space; 4 GiB
	CPU      time.Duration // of all threads together, in whole seconds; no bound
	FileSize int64         // bytes of each file it writes; 16 GiB
	Wall     time.Duration // from start to end; no bound but ctx
}

// Defaults of Limits.
const (
	defaultMemory   = 4 << 30
	defaultFileSize = 16 << 30
	openFiles       = 256
)

// ExitError is how a tool ended that did not succeed.
type ExitError struct {
	Tool   string
	Code   int            // its exit status, or -1 after a signal
	Signal syscall.Signal // 0 if it exited
	Stderr string         // the last lines it said, at most 16 KB
}

// Error is one line: the tool, how it ended, and the last thing it said.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Code)
	switch e.Signal {
	case 0:
	case syscall.SIGXCPU:
		how = "stopped: it used up its processor time"
	case syscall.SIGXFSZ:
		how = "stopped: it wrote more than it may"
	default:
		how = "stopped by signal " + e.Signal.String()
	}
	if last := lastLine(e.Stderr); last != "" {
		how += ": " + last
	}
	return e.Tool + ": " + how
}

// lastLine is the last line with letters in it.
func lastLine(s string) string {
	lines := strings.Split(s, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			return line
		}
	}
	return ""
}

// order is what Run tells the child, as JSON in its first argument.
type order struct {
	Parent   int      `json:"parent"` // process id
	Tool     string   `json:"tool"`   // absolute
	Dir      string   `json:"dir"`
	ReadOnly []string `json:"read_only"`
	Memory   uint64   `json:"memory"`
	CPU      uint64   `json:"cpu"` // seconds; 0 is no bound
	FileSize uint64   `json:"file_size"`
}

// environ is all that the tool sees of the environment.
func (o order) environ() []string {
	return []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + o.Dir, "TMPDIR=" + o.Dir}
}

func orderFor(c Command, tool string) order {
	o := order{Parent: os.Getpid(), Tool: tool, Dir: c.Dir, ReadOnly: c.ReadOnly, Memory: defaultMemory, FileSize: defaultFileSize}
	if c.Limits.Memory > 0 {
		o.Memory = uint64(c.Limits.Memory)
	}
	if c.Limits.FileSize > 0 {
		o.FileSize = uint64(c.Limits.FileSize)
	}
	if c.Limits.CPU > 0 {
		o.CPU = uint64(max(1, (c.Limits.CPU+time.Second-1)/time.Second))
	}
	return o
}
