package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/client"
)

// ingestCmd uploads a master and stays until it is complete.
type ingestCmd struct {
	File   string      `arg:"" help:"The master: mp4, mov, mkv, webm, ts, mxf, avi, wav, flac ..." type:"existingfile"`
	Title  string      `help:"Name of the title; the file's name if not given." placeholder:"TEXT"`
	Client clientFlags `embed:""`
}

// ingestResult is what --json prints.
type ingestResult struct {
	Asset    string  `json:"asset"`
	HLS      string  `json:"hls"`
	DASH     string  `json:"dash"`
	Watch    string  `json:"watch"`
	Playable float64 `json:"playable_seconds"` // from the upload's end to the first listed segments
	Complete float64 `json:"complete_seconds"` // from the upload's end to the last
}

// Run uploads, follows the job and prints where the asset plays. A refused master is exit code 2 with its reason.
func (c ingestCmd) Run(e env) error {
	api, err := c.Client.open()
	if err != nil {
		return err
	}
	title := c.Title
	if title == "" {
		base := filepath.Base(c.File)
		title = strings.TrimSuffix(base, filepath.Ext(base))
	}
	p := newProgress(e.errOut, !c.Client.JSON)
	asset, err := api.Upload(e.ctx, c.File, title, p.upload)
	if err != nil {
		p.end()
		return fmt.Errorf("upload %s: %w", c.File, err)
	}
	uploaded := time.Now()
	var playable time.Time
	status, err := api.Watch(e.ctx, asset, func(s client.Status) {
		if (s.Playable || s.Final()) && playable.IsZero() {
			playable = time.Now()
		}
		p.status(s)
	})
	p.end()
	if err != nil {
		return fmt.Errorf("follow %s: %w", asset, err)
	}
	switch {
	case status.State == "complete":
	case status.State == "failed" && status.TotalSegments == 0: // before there was a plan: it is the file's fault
		return refusedError{status.Reason}
	default:
		return fmt.Errorf("the asset is %s: %s", status.State, status.Reason)
	}
	play, err := api.Playback(e.ctx, asset)
	if err != nil {
		return fmt.Errorf("ask for a ticket: %w", err)
	}
	r := ingestResult{Asset: asset, HLS: play.HLS, DASH: play.DASH, Watch: strings.TrimSuffix(c.Client.Server, "/") + "/watch/" + asset,
		Playable: playable.Sub(uploaded).Seconds(), Complete: time.Since(uploaded).Seconds()}
	if c.Client.JSON {
		return json.NewEncoder(e.out).Encode(r)
	}
	fmt.Fprintf(e.out, "asset  %s\nhls    %s\ndash   %s\nwatch  %s\n", r.Asset, r.HLS, r.DASH, r.Watch)
	return nil
}

// progress draws bars on a terminal and prints a line now and then elsewhere.
type progress struct {
	w        io.Writer
	on, tty  bool
	lines    int // drawn last time, to draw over
	lastLine time.Time
}

func newProgress(w io.Writer, on bool) *progress {
	p := &progress{w: w, on: on}
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

// draw replaces what was drawn before on a terminal; elsewhere it prints every five seconds.
func (p *progress) draw(lines []string) {
	if !p.on {
		return
	}
	if !p.tty {
		if time.Since(p.lastLine) >= 5*time.Second {
			p.lastLine = time.Now()
			fmt.Fprintln(p.w, strings.Join(lines, "  "))
		}
		return
	}
	if p.lines > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA", p.lines)
	}
	for _, l := range lines {
		fmt.Fprintf(p.w, "\x1b[2K%s\n", l)
	}
	p.lines = len(lines)
}

// end leaves the last drawing where it is.
func (p *progress) end() { p.lines = 0 }
