package transcode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/probe"
	"github.com/weirstream/weir/transcode/sandbox"
)

// plan probes the master and stores the plan with its tasks.
func (a *attempt) plan(ctx context.Context, master string) error {
	facts, err := probe.Probe(ctx, a.Runner, master, a.dir)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	p, err := MakePlan(a.claim.Job.Master.SHA256, facts, a.Policy, a.Tool)
	if err != nil {
		return err
	}
	reach(a.At, "worker.before-planned")
	if err := a.Claims.Planned(ctx, a.claim, p.Encode(), p.LedgerTasks(a.claim.Job.ID)); err != nil {
		return lost(fmt.Errorf("store the plan: %w", err))
	}
	reach(a.At, "worker.planned")
	a.log.Info("planned", "plan", p.String())
	if a.Planned != nil {
		a.Planned(ctx)
	}
	return nil
}

// still takes the poster. A picture that cannot be taken is no reason to fail an asset: the record then names none.
func (a *attempt) still(ctx context.Context, master string, plan Plan, spec Spec) error {
	picture, still, err := a.takeStill(ctx, master, plan, spec)
	if err != nil {
		if ctx.Err() != nil || noRoom(err) {
			return err
		}
		a.log.Warn("no poster", "error", err)
		return a.record(ctx, 0, Result{}, true)
	}
	if err := a.putBytes(ctx, still.Key, picture); err != nil {
		return err
	}
	reach(a.At, "worker.still-put")
	return a.record(ctx, 0, Result{Still: &still}, true)
}

func (a *attempt) takeStill(ctx context.Context, master string, plan Plan, spec Spec) (picture []byte, s weir.Still, err error) {
	const file = "still.jpg"
	args, width, height := plan.StillArgs(master, spec, file)
	err = ffmpeg.Run(ctx, a.Runner, ffmpeg.Job{Args: args, Dir: a.dir, Input: master, Limits: limits(60, 0)})
	if err != nil {
		return nil, s, fmt.Errorf("take a still: %w", err)
	}
	picture, err = os.ReadFile(filepath.Join(a.dir, file))
	if err != nil {
		return nil, s, fmt.Errorf("read the still: %w", err)
	}
	key := weir.StillKey(a.claim.Job.Organisation, a.claim.Job.Asset, hexSHA256(picture))
	return picture, weir.Still{Key: key, Length: int64(len(picture)), Width: width, Height: height}, nil
}

// stream runs ffmpeg and gives pack what it writes on stdout, while it does.
func (a *attempt) stream(ctx context.Context, j ffmpeg.Job, pack func(io.Reader) error) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := pack(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // what follows the last packet
		}
		r.CloseWithError(err) // ends the tool, too
		packed <- err
	}()
	j.Stdout = w
	err := ffmpeg.Run(ctx, a.Runner, j)
	w.CloseWithError(err)
	if perr := <-packed; perr != nil {
		return perr // which is err, if that was first
	}
	return err
}

// limits bound a run of ffmpeg over so many seconds of the master that writes files of up to so many bits a second. They
// are far above what an honest file needs.
func limits(seconds float64, rate int) sandbox.Limits {
	work := 10*time.Minute + time.Duration(300*seconds*float64(time.Second))
	return sandbox.Limits{CPU: work, Wall: 4 * work, FileSize: 64<<20 + int64(seconds*float64(rate)/8*4)}
}

// noRoom says whether err is for want of disk space.
func noRoom(err error) bool {
	var exit *sandbox.ExitError
	return errors.Is(err, syscall.ENOSPC) || errors.As(err, &exit) && strings.Contains(exit.Stderr, "No space left on device")
}
