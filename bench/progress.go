package bench

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress tells how a run goes: one line that is drawn anew on a terminal, a line every five seconds elsewhere.
type progress struct {
	w     io.Writer
	tty   bool
	n     int
	since Second
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			p.tty = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return p
}

func (p *progress) second(s Second, of time.Duration) {
	if p.w == nil {
		return
	}
	p.n++
	p.since.Requests += s.Requests
	p.since.Bytes += s.Bytes
	p.since.Errors += s.Errors
	seconds := 1.0
	if !p.tty {
		if p.n%5 != 0 {
			return
		}
		seconds = 5
	}
	line := fmt.Sprintf("%4.0f s of %v  %9.0f requests/s  %7.2f Gbps  p50 %8.2f ms  p99 %8.2f ms  %d errors", s.At, of,
		float64(p.since.Requests)/seconds, float64(p.since.Bytes)*8/1e9/seconds, s.P50, s.P99, p.since.Errors)
	if p.tty {
		fmt.Fprint(p.w, "\r\x1b[K"+line)
	} else {
		fmt.Fprintln(p.w, line)
	}
	p.since = Second{}
}

func (p *progress) end() {
	if p.w != nil && p.tty && p.n > 0 {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
