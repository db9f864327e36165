package systemtest

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// viewer is a Chromium that plays a title in a loop: players/web/test/browser/viewer.ts.
type viewer struct {
	t     testing.TB
	stdin io.Closer
	ended chan struct{}
	log   *lockedBuffer

	mu    sync.Mutex // guards what follows
	lines []seen
	news  chan struct{} // closed and replaced with every line
}

// seen is one line of what the viewer says.
type seen struct {
	Type     string  `json:"type"` // time, waiting, playing, looped, fault
	At       int64   `json:"at"`   // milliseconds
	Position float64 `json:"position"`
	Detail   string  `json:"detail"`
}

// watch starts a viewer and waits until it plays. It ends with the test.
func watch(t testing.TB, url, asset string) *viewer {
	t.Helper()
	v := &viewer{t: t, ended: make(chan struct{}), log: &lockedBuffer{}, news: make(chan struct{})}
	cmd := exec.Command("node", "test/run.mjs", "viewer")
	cmd.Dir = "../../../players/web"
	cmd.Env = append(os.Environ(), "WEIR_URL="+url, "WEIR_ASSET="+asset, "WEIR_BUFFER=8")
	cmd.Stderr = v.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v.stdin = stdin
	go func() {
		defer close(v.ended)
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			v.heard(scanner.Bytes())
		}
		_ = cmd.Wait()
	}()
	t.Cleanup(v.close)
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, s := range v.lines[max(0, len(v.lines)-40):] {
			t.Logf("viewer %s %s %.2f %s", time.UnixMilli(s.At).UTC().Format("15:04:05.000"), s.Type, s.Position, s.Detail)
		}
	})
	v.await(60*time.Second, "start of playback", func(s seen) bool { return s.Type == "time" })
	return v
}

func (v *viewer) heard(line []byte) {
	var s seen
	if json.Unmarshal(line, &s) != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lines = append(v.lines, s)
	close(v.news)
	v.news = make(chan struct{})
}

func (v *viewer) close() {
	_ = v.stdin.Close()
	select {
	case <-v.ended:
	case <-time.After(20 * time.Second):
		v.t.Errorf("the viewer did not end\n%s", v.log)
	}
}

// now is how many lines there are: what comes later is after this moment.
func (v *viewer) now() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.lines)
}

// await waits for a line that comes after this moment.
func (v *viewer) await(within time.Duration, what string, is func(seen) bool) {
	v.t.Helper()
	v.awaitFrom(v.now(), within, what, is)
}

// awaitFrom waits for a line after the first from ones.
func (v *viewer) awaitFrom(from int, within time.Duration, what string, is func(seen) bool) {
	v.t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		v.mu.Lock()
		lines, news := v.lines[from:], v.news
		v.mu.Unlock()
		for _, s := range lines {
			if is(s) {
				return
			}
			if s.Type == "fault" {
				v.t.Fatalf("waiting for %s, the player shows: %s", what, s.Detail)
			}
		}
		from += len(lines)
		select {
		case <-news:
		case <-v.ended:
			v.t.Fatalf("the viewer ended while waiting for %s\n%s", what, v.log)
		case <-deadline.C:
			v.t.Fatalf("no %s within %v\n%s", what, within, v.log)
		}
	}
}

// plays waits until so many seconds of film were watched from this moment on. For none of them may it take longer than
// within: playback goes on that soon after whatever happened.
func (v *viewer) plays(film float64, within time.Duration) {
	v.t.Helper()
	last, watched := -1.0, 0.0
	for watched < film {
		start := watched
		v.awaitFrom(v.now(), within, "playback that goes on", func(s seen) bool {
			if s.Type != "time" {
				return false
			}
			if last >= 0 && s.Position > last && s.Position-last < 2 {
				watched += s.Position - last
			}
			last = s.Position
			return watched > start
		})
	}
}

// longWaits counts the waits over limit that began after line from. A wait ends when the position moves on.
func (v *viewer) longWaits(from int, limit time.Duration) (n int, longest time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var began *seen
	for _, s := range v.lines[from:] {
		switch {
		case s.Type == "waiting" && began == nil:
			began = &s
		case began != nil && (s.Type == "time" && s.Position != began.Position || s.Type == "playing"):
			d := time.Duration(s.At-began.At) * time.Millisecond
			longest = max(longest, d)
			if d > limit {
				n++
			}
			began = nil
		}
	}
	return n, longest
}
