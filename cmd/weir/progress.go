package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/client"
)

// quietFor is how long nothing is printed after a line where there is no terminal.
const quietFor = 5 * time.Second

// progress draws bars on a terminal and prints a line now and then elsewhere.
type progress struct {
	w        io.Writer
	on, tty  bool
	now      func() time.Time
	lines    int // drawn last time, to draw over
	lastLine time.Time
}

func newProgress(w io.Writer, on bool, now func() time.Time) *progress {
	p := &progress{w: w, on: on, now: now}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			p.tty = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return p
}

func (p *progress) upload(sent, total int64) {
	p.draw([]string{bar("upload", sent, total)})
}

func (p *progress) status(s client.Status) {
	lines := []string{fmt.Sprintf("%-10s %s", s.State, playableWords(s))}
	for _, r := range s.Renditions {
		lines = append(lines, bar(r.Name, r.Done, r.Total))
	}
	p.draw(lines)
}

func playableWords(s client.Status) string {
	switch {
	case s.State == "complete":
		return "every segment is there"
	case s.Playable:
		return fmt.Sprintf("playable: %d of %d segments", s.Segments, s.TotalSegments)
	}
	return ""
}

// bar is one line: name, forty cells, per cent.
func bar(name string, done, total int64) string {
	const cells = 40
	filled, percent := 0, 0.0
	if total > 0 {
		done = min(done, total)
		filled, percent = int(cells*done/total), 100*float64(done)/float64(total)
	}
	return fmt.Sprintf("%-10s [%s%s] %5.1f %%", name, strings.Repeat("#", filled), strings.Repeat(".", cells-filled), percent)
}

// draw replaces what was drawn before on a terminal; elsewhere it prints a line, and then none for a while.
func (p *progress) draw(lines []string) {
	if !p.on {
		return
	}
	if !p.tty {
		if p.now().Sub(p.lastLine) >= quietFor {
			p.lastLine = p.now()
			fmt.Fprintln(p.w, strings.Join(lines, "  "))
		}
		return
	}
	if p.lines > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.lines) // up to the first line, and clear from there on
	}
	fmt.Fprintln(p.w, strings.Join(lines, "\n"))
	p.lines = len(lines)
}
