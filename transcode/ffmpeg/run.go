package ffmpeg

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/sandbox"
)

// Runner runs a tool. In production it is [sandbox.Run].
type Runner func(context.Context, sandbox.Command) error

// Job is one run of ffmpeg.
type Job struct {
	Args       []string
	Dir        string // work folder, absolute; outputs named in Args are in it
	Input      string // the one file it may read
	Stdout     io.Writer
	OnProgress func(Progress) // called twice a second, from one goroutine; nil is fine
	Stall      time.Duration  // it is stopped when it makes no progress for so long; 0 is 2 minutes
	Limits     sandbox.Limits
}

const defaultStall = 2 * time.Minute

// ErrStalled is the cause of a run that was stopped because it made no progress.
var ErrStalled = errors.New("ffmpeg made no progress")

// Run runs ffmpeg. A failure of the tool itself is a [*sandbox.ExitError], Unprocessable where it is known to be the
// master's; a run without progress wraps ErrStalled and is of kind Timeout.
func Run(ctx context.Context, run Runner, j Job) error {
	stall := j.Stall
	if stall <= 0 {
		stall = defaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := newWatchdog(stall, func() { cancel(ErrStalled) })
	defer dog.stop()
	var parser progressParser
	var last Progress
	c := sandbox.Command{Path: "ffmpeg", Args: j.Args, Dir: j.Dir, ReadOnly: []string{j.Input}, Limits: j.Limits}
	if j.Stdout != nil {
		c.Stdout = &guarded{w: j.Stdout, dog: dog}
	}
	c.OnStderrLine = func(line string) bool {
		p, complete, mine := parser.line(line)
		if complete {
			if p != last {
				dog.feed()
			}
			last = p
			if j.OnProgress != nil {
				j.OnProgress(p)
			}
		}
		return mine
	}
	err := run(ctx, c)
	if err != nil && errors.Is(context.Cause(ctx), ErrStalled) {
		return weir.Errorf(weir.Timeout, "%w for %s", ErrStalled, stall)
	}
	var exit *sandbox.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stderr, soundChanges) {
		return &weir.Error{Kind: weir.Unprocessable, Detail: "its sound changes its channels or its rate in the middle, which cannot be encoded", Err: err}
	}
	return err
}

// soundChanges is what ffmpeg says when it stops at sound of another form. Pictures may change: they are scaled.
const soundChanges = "Changing audio frame properties on the fly is not supported"

// watchdog calls bark once, when it was not fed for a while. The zero value is not ready.
type watchdog struct {
	after time.Duration

	mu    sync.Mutex // guards the rest
	timer *time.Timer
	held  bool // somebody else keeps the tool waiting
}

func newWatchdog(after time.Duration, bark func()) *watchdog {
	d := &watchdog{after: after}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(after, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.held {
			bark()
		}
	})
	return d
}

// feed starts the clock afresh.
func (d *watchdog) feed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer.Reset(d.after)
}

func (d *watchdog) stop() { d.timer.Stop() }

// hold stops the clock, or lets it run, afresh.
func (d *watchdog) hold(held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = held
	d.timer.Reset(d.after)
}

// guarded is output whose reader may take its time: that is no stall of the tool, and output is progress.
type guarded struct {
	w   io.Writer
	dog *watchdog
}

func (g *guarded) Write(b []byte) (int, error) {
	g.dog.hold(true)
	defer g.dog.hold(false)
	return g.w.Write(b)
}
