package bench

import (
	"context"
	"io"
	"time"
)

// ParseStat is parseStat, whose result is not exported.
func ParseStat(b []byte) (pid, parent int, cpu float64, err error) {
	p, err := parseStat(b)
	return p.pid, p.parent, p.cpu.Seconds(), err
}

// Update reads a media playlist again.
func (p *Presentation) Update(t Target, r *Rendition, b []byte) error { return p.update(r, t.URL, b) }

// Asker is one connection that asks again and again.
func Asker(t Target, c Client) (ask func() (int64, error), end func()) {
	a := &asker{run: &Run{Options: Options{Client: c}, Recorder: newRecorder(time.Now())}}
	return func() (int64, error) {
		ans, err := a.ask(context.Background(), t, time.Now(), nil)
		return ans.bytes, err
	}, a.close
}

// Progress draws n seconds of a run.
func Progress(w io.Writer, n int) {
	p := newProgress(w)
	for i := range n {
		p.second(Second{At: float64(i + 1)}, time.Minute)
	}
	p.end()
}
