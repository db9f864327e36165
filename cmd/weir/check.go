package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirstream/weir/edge/cache/arena"
)

// checkCmd says what this machine lacks.
type checkCmd struct {
	Data string `help:"The data folder that serve will use." default:"./data" placeholder:"DIR" type:"path"`
}

// finding is one thing looked at.
type finding struct {
	what    string
	problem string // "" is fine
	advice  string
	fatal   bool
}

// Run prints every finding; it fails if something that serve needs is missing.
func (c checkCmd) Run(e env) error {
	ctx, cancel := context.WithTimeout(e.ctx, 30*time.Second)
	defer cancel()
	findings := []finding{
		checkTool(ctx, "ffmpeg", "-encoders", "libx264", "aac"),
		checkTool(ctx, "ffmpeg", "-filters", "fps", "tpad", "trim", "scale", "aresample", "apad", "bwdif"),
		checkTool(ctx, "ffprobe", "-version"),
		checkLandlock(),
		checkHugePages(),
		checkData(c.Data),
	}
	missing := 0
	for _, f := range findings {
		mark := "ok     "
		switch {
		case f.problem != "" && f.fatal:
			mark = "missing"
			missing++
		case f.problem != "":
			mark = "note   "
		}
		fmt.Fprintf(e.out, "%s  %s\n", mark, f.what)
		if f.problem != "" {
			fmt.Fprintf(e.out, "         %s\n         %s\n", f.problem, f.advice)
		}
	}
	fmt.Fprintf(e.out, "%d cores; as many encoders run side by side unless --slots says otherwise.\n", runtime.NumCPU())
	if missing > 0 {
		return errors.New("this machine lacks something that serve needs; see above")
	}
	fmt.Fprintln(e.out, "Nothing that serve needs is missing.")
	return nil
}

// checkTool runs a tool with one listing flag and looks for words in what it prints.
func checkTool(ctx context.Context, name, flag string, words ...string) finding {
	f := finding{what: name, fatal: true, advice: "Install it: apt-get install ffmpeg"}
	if len(words) > 0 {
		f.what += " with " + strings.Join(words, ", ")
	}
	out, err := exec.CommandContext(ctx, name, "-hide_banner", flag).Output()
	if err != nil {
		f.problem = fmt.Sprintf("%s does not run: %v", name, err)
		return f
	}
	var absent []string
	for _, w := range words {
		if !strings.Contains(string(out), " "+w+" ") {
			absent = append(absent, w)
		}
	}
	if len(absent) > 0 {
		f.problem = "this " + name + " was built without " + strings.Join(absent, ", ")
	}
	return f
}

// checkLandlock asks the kernel for its Landlock version: without it ffmpeg runs with resource limits only.
func checkLandlock() finding {
	f := finding{what: "Landlock, which keeps ffmpeg from every file but the one it reads"}
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < 1 {
		f.problem = "this kernel has no Landlock (Linux 5.13 and later, lsm=landlock)"
		f.advice = "Weir runs without it; do not take masters from strangers then."
	}
	return f
}

// checkHugePages asks the kernel whether the memory for cached segments gets huge pages.
func checkHugePages() finding {
	state, advice := arena.HugePages()
	f := finding{what: "huge pages for cached segments"}
	if advice != "" {
		f.problem, f.advice = state, advice
	}
	return f
}

// checkData looks for the nearest folder that exists and asks whether it can be written.
func checkData(dir string) finding {
	f := finding{what: "the data folder " + dir, fatal: true, advice: "Choose another folder with --data."}
	at := dir
	info, err := os.Stat(at)
	for (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)) && at != filepath.Dir(at) {
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	if err != nil || !info.IsDir() {
		f.problem = fmt.Sprintf("%s is not a folder", at)
		return f
	}
	if err := unix.Access(at, unix.W_OK); err != nil {
		f.problem = fmt.Sprintf("%s cannot be written: %v", at, err)
		return f
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err == nil && st.Bavail*uint64(st.Bsize) < 10<<30 {
		f.fatal, f.problem = false, fmt.Sprintf("only %d MiB are free", st.Bavail*uint64(st.Bsize)>>20)
		f.advice = "An asset needs about as much as its master, twice while it is uploaded."
	}
	return f
}
