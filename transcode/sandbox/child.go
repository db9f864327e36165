package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// childName is argv[0] of a process that Run started.
const childName = "weir-sandbox"

// refusedStatus is the exit status of a child that could not confine itself. The tool has not run then.
const refusedStatus = 125

// Child does nothing, except in a process that Run started: there it gives up every right the tool does not need and
// becomes the tool. It does not return then.
func Child() {
	if len(os.Args) < 2 || os.Args[0] != childName {
		return
	}
	err := become(os.Args[1], os.Args[2:])
	fmt.Fprintln(os.Stderr, "sandbox:", err)
	os.Exit(refusedStatus)
}

// Landlock is the version of the kernel's Landlock interface: 0 where there is none and tools can read what this process
// can; from 4 on the network is closed to them, too.
func Landlock() int {
	v, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return v
}

func become(spec string, args []string) error {
	runtime.LockOSThread() // what follows belongs to the thread that calls exec
	var o order
	if err := json.Unmarshal([]byte(spec), &o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	if err := dieWith(o.Parent); err != nil {
		return err
	}
	if err := os.Chdir(o.Dir); err != nil {
		return fmt.Errorf("enter the work folder: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := landlock.V7.BestEffort().Restrict(o.rules()...); err != nil {
		return fmt.Errorf("restrict: %w", err)
	}
	argv := append([]string{filepath.Base(o.Tool)}, args...)
	env := o.environ()
	if err := o.limit(); err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", o.Tool, syscall.Exec(o.Tool, argv, env))
}

// dieWith has the kernel kill this thread, and with it the tool, when the parent dies, kill -9 included.
func dieWith(parent int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the parent death signal: %w", err)
	}
	if os.Getppid() != parent {
		return fmt.Errorf("process %d is gone", parent)
	}
	return nil
}

func (o order) rules() []landlock.Rule {
	rules := []landlock.Rule{
		landlock.RODirs("/usr", "/lib", "/lib64", "/bin", "/etc/fonts", "/etc/alternatives", "/sys/devices/system/cpu").IgnoreIfMissing(),
		landlock.RODirs(filepath.Dir(o.Tool)),
		landlock.ROFiles("/etc/ld.so.cache", "/dev/urandom", "/proc/cpuinfo").IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
		landlock.RWDirs(o.Dir),
	}
	for _, path := range o.ReadOnly {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			rules = append(rules, landlock.RODirs(path))
		} else {
			rules = append(rules, landlock.ROFiles(path))
		}
	}
	return rules
}

// limit comes last: this program itself may need more address space than the tool gets.
func (o order) limit() error {
	limits := []struct {
		name       string
		resource   int
		soft, hard uint64
	}{
		{"core", unix.RLIMIT_CORE, 0, 0},
		{"open files", unix.RLIMIT_NOFILE, openFiles, openFiles},
		{"file size", unix.RLIMIT_FSIZE, o.FileSize, o.FileSize},
		{"processor time", unix.RLIMIT_CPU, o.CPU, o.CPU + 1},
		{"memory", unix.RLIMIT_AS, o.Memory, o.Memory},
	}
	for _, l := range limits {
		if l.resource == unix.RLIMIT_CPU && o.CPU == 0 {
			continue
		}
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: l.soft, Max: l.hard}); err != nil {
			return fmt.Errorf("limit %s: %w", l.name, err)
		}
	}
	return nil
}
