package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// spareDescriptors is how many a server in want of them has left for clients and files.
const spareDescriptors = 24

// shortOfDescriptors serves in this process, which must be one of its own, until standard input ends. It tells the paths of a
// segment in memory and of one that is not.
func shortOfDescriptors(t *testing.T) {
	s := start(t, 20_000, func(e *edge.Server) {
		e.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	s.list(weir.Complete, 6)
	s.wantStatus(200, videoID+"/1.m4s")
	fmt.Println(s.addr, s.url(videoID+"/1.m4s"), s.url(videoID+"/2.m4s"))
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	limit := uint64(len(open) + spareDescriptors)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("limited")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// asking is a connection that is kept.
type asking struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) asking {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return asking{c, bufio.NewReader(c)}
}

func (a asking) get(t *testing.T, path string) (status int, body []byte) {
	t.Helper()
	if _, err := fmt.Fprintf(a, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(a.r, nil)
	if err != nil {
		t.Fatalf("GET %.80s: %v", path, err)
	}
	body, err = io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("GET %.80s: %v", path, err)
	}
	return res.StatusCode, body
}

// TestDescriptorsRunOut has the kernel refuse descriptors to a real process: who is connected is served from memory, accept
// goes on once others leave, and the log does not grow with each try.
func TestDescriptorsRunOut(t *testing.T) {
	if os.Getenv("WEIR_TEST_CHILD") == t.Name() {
		shortOfDescriptors(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "WEIR_TEST_CHILD="+t.Name())
	stdin, _ := child.StdinPipe() // these fail only when called twice
	stdout, _ := child.StdoutPipe()
	stderr, _ := child.StderrPipe()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var addr, inMemory, onDisk, limited string
	if _, err := fmt.Fscan(stdout, &addr, &inMemory, &onDisk, &limited); err != nil || limited != "limited" {
		t.Fatalf("the child says %q, %v", limited, err)
	}
	warned, rest := make(chan struct{}), make(chan string, 1)
	go func() {
		var log strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if strings.Contains(lines.Text(), "connections cannot be accepted") && !strings.Contains(log.String(), "accepted") {
				close(warned)
			}
			log.WriteString(lines.Text() + "\n")
		}
		rest <- log.String()
	}()
	began := time.Now()
	first := dial(t, addr)
	status, want := first.get(t, inMemory)
	if status != 200 || len(want) != 20_001 {
		t.Fatalf("GET = %d with %d bytes", status, len(want))
	}
	var idle []asking
	for range 2 * spareDescriptors { // the kernel connects those that are not accepted, too
		idle = append(idle, dial(t, addr))
	}
	select {
	case <-warned:
	case <-ctx.Done():
		t.Fatal("descriptors did not run out")
	}
	if status, body := first.get(t, inMemory); status != 200 || !bytes.Equal(body, want) {
		t.Errorf("GET from memory without descriptors = %d", status)
	}
	if status, _ := first.get(t, onDisk); status != 503 {
		t.Errorf("GET of a file without descriptors = %d, want 503", status)
	}
	lines := int(time.Since(began)/time.Second) + 2
	for _, c := range idle {
		_ = c.Close()
	}
	again := dial(t, addr)
	if status, body := again.get(t, inMemory); status != 200 || !bytes.Equal(body, want) {
		t.Errorf("GET on a new connection after others left = %d", status)
	}
	for end := time.Now().Add(20 * time.Second); ; { // until the server has closed the last of its ends
		if status, body := again.get(t, onDisk); status == 200 && len(body) == 20_002 {
			break
		} else if status != 503 || time.Now().After(end) {
			t.Fatalf("GET of a file after others left = %d", status)
		}
	}
	_ = stdin.Close()
	log := <-rest
	if err := child.Wait(); err != nil {
		t.Errorf("the child: %v\n%s", err, log)
	}
	if n := strings.Count(log, "connections cannot be accepted"); n < 1 || n > lines {
		t.Errorf("want of descriptors is told %d times in %d s:\n%s", n, lines, log)
	}
}
