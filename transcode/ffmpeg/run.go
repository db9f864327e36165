package ffmpeg

import (
	"context"
	"errors"
	"io"
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

// Run runs ffmpeg. A failure of the tool itself is a [*sandbox.ExitError]; a run without progress wraps ErrStalled and
// is of kind Timeout.
func Run(ctx context.Context, run Runner, j Job) error {
	stall := j.Stall
	if stall <= 0 {
		stall = defaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(ErrStalled) })
	defer watch.Stop()
	alive := func() { watch.Reset(stall) }
	var parser progressParser
	var last Progress
	c := sandbox.Command{Path: "ffmpeg", Args: j.Args, Dir: j.Dir, ReadOnly: []string{j.Input}, Limits: j.Limits}
	if j.Stdout != nil {
		c.Stdout = &pulse{w: j.Stdout, beat: alive}
	}
	c.OnStderrLine = func(line string) bool {
		p, complete, mine := parser.line(line)
		if complete {
			if p != last {
				alive()
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
	return err
}

// pulse counts a write that was taken as progress.
type pulse struct {
	w    io.Writer
	beat func()
}

func (p *pulse) Write(b []byte) (int, error) {
	p.beat()
	n, err := p.w.Write(b)
	p.beat()
	return n, err
}
