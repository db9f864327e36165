package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	weir "github.com/weirstream/weir"
)

// Meter reads the kernel's account of the CPU time of a server on this machine: a process with all its descendants, or a
// systemd unit. The zero value measures nothing.
type Meter struct {
	PID  int
	Unit string // such as nginx.service
}

// On says whether there is a server to measure.
func (m Meter) On() bool { return m.PID > 0 || m.Unit != "" }

var unitName = regexp.MustCompile(`^[A-Za-z0-9@_.-]{1,200}$`)

// Read is the CPU time the server took so far, user and system. Errors are Invalid: there is no such process or unit.
func (m Meter) Read() (time.Duration, error) {
	switch {
	case m.Unit != "":
		if !unitName.MatchString(m.Unit) {
			return 0, weir.Errorf(weir.Invalid, "%q is not a systemd unit", m.Unit)
		}
		b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/system.slice", m.Unit, "cpu.stat"))
		if err != nil {
			return 0, weir.Errorf(weir.Invalid, "read the CPU time of %s: %w", m.Unit, err)
		}
		for line := range strings.Lines(string(b)) {
			if us, ok := strings.CutPrefix(strings.TrimSpace(line), "usage_usec "); ok {
				n, err := strconv.ParseInt(us, 10, 64)
				return time.Duration(n) * time.Microsecond, err
			}
		}
		return 0, weir.Errorf(weir.Invalid, "%s has no CPU account", m.Unit)
	case m.PID > 0:
		return tree(m.PID)
	}
	return 0, nil
}

// process is what /proc/PID/stat says of one (proc_pid_stat(5)).
type process struct {
	pid, parent int
	cpu         time.Duration // its own, and of children it has waited for
}

func parseStat(b []byte) (p process, err error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')') // the name between may hold anything
	if open < 1 || end < open {
		return p, weir.Errorf(weir.Invalid, "this is not a process's stat")
	}
	if p.pid, err = strconv.Atoi(strings.TrimSpace(string(b[:open]))); err != nil {
		return p, fmt.Errorf("read stat: %w", err)
	}
	f := strings.Fields(string(b[end+1:])) // f[0] is the third field of the manual
	if len(f) < 15 {
		return p, weir.Errorf(weir.Invalid, "this is not a process's stat")
	}
	if p.parent, err = strconv.Atoi(f[1]); err != nil {
		return p, fmt.Errorf("read stat: %w", err)
	}
	for _, ticks := range f[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(ticks, 10, 64)
		if err != nil {
			return p, fmt.Errorf("read stat: %w", err)
		}
		p.cpu += time.Duration(n) * time.Second / 100 // USER_HZ is 100 on every Linux this runs on
	}
	return p, nil
}

// tree sums a process and its descendants: nginx's workers and Varnish's child are children of what was started.
func tree(pid int) (time.Duration, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	all := map[int]process{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		if p, err := parseStat(b); err == nil {
			all[p.pid] = p
		}
	}
	if _, ok := all[pid]; !ok {
		return 0, weir.Errorf(weir.Invalid, "there is no process %d on this machine", pid)
	}
	var sum time.Duration
	for _, p := range all {
		for at, depth := p, 0; depth < 64; depth++ {
			if at.pid == pid {
				sum += p.cpu
				break
			}
			up, ok := all[at.parent]
			if !ok {
				break
			}
			at = up
		}
	}
	return sum, nil
}

// ownCPU is the time this process took.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
