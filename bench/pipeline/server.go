package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a weir under measurement.
type server struct {
	cmd                 *exec.Cmd
	Listen, Edge, Admin string
}

// start runs `bin serve` on data with free loopback ports and waits until it is ready.
func start(ctx context.Context, bin, data string, flags ...string) (*server, error) {
	args := append([]string{"serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--edge-listen", "127.0.0.1:0",
		"--admin-listen", "127.0.0.1:0", "--log-level", "warn"}, flags...)
	s := &server{cmd: exec.CommandContext(ctx, bin, args...)}
	s.cmd.Stderr = os.Stderr
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 30 * time.Second
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", bin, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read the ready line: %w", err)
	}
	if err := json.Unmarshal([]byte(line), s); err != nil {
		return nil, fmt.Errorf("ready line %q: %w", line, err)
	}
	return s, nil
}

// stop ends the server gracefully.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return s.cmd.Wait()
}

// cpu is the CPU time of the server so far: its own, and that of children it has waited for.
func (s *server) cpu() (own, children time.Duration, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read CPU time: %w", err)
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return time.Duration(n) * time.Second / 100 // USER_HZ is 100 on every Linux this runs on
	}
	return ticks(11) + ticks(12), ticks(13) + ticks(14), nil // utime, stime, cutime, cstime: proc(5)
}

// ingested is what `weir ingest --json` prints.
type ingested struct {
	Asset, HLS, DASH, Watch string
	Playable                float64 `json:"playable_seconds"`
	Complete                float64 `json:"complete_seconds"`
}

func (s *server) ingest(ctx context.Context, bin, file string) (ingested, error) {
	cmd := exec.CommandContext(ctx, bin, "ingest", file, "--server", s.Listen, "--json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return ingested{}, fmt.Errorf("weir ingest %s: %w", file, err)
	}
	var got ingested
	if err := json.Unmarshal(out, &got); err != nil {
		return ingested{}, fmt.Errorf("weir ingest printed %q: %w", out, err)
	}
	return got, nil
}
