package transcode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/sandbox"
)

// Worker claims tasks of the ledger and does them, Slots side by side. It runs no task that it does not hold: a lost
// lease or fence ends the attempt, and what it made without a record is garbage. Fields are set before Run.
type Worker struct {
	ID      string // of this process, unique among workers
	Claims  Claims
	Blobs   weir.Blobs
	Masters *Masters
	Runner  func(context.Context, sandbox.Command) error // of ffmpeg and ffprobe: [sandbox.Run]
	Tool    string                                       // what the runner has: [ffmpeg.Version]
	Policy  Policy                                       // of the plans it makes
	Dir     string                                       // absolute; scratch, of this worker alone: emptied at the start, and of each attempt when it ends

	Slots       int           // tasks at once; 0 is the number of CPUs
	Lease       time.Duration // how long a claim lasts without a heartbeat, which comes three times as often; 0 is 30 s
	Poll        time.Duration // how often it looks for work unwoken; 0 is 5 s
	MaxAttempts int           // of a task before its job fails; 0 is 3. Twice as many may be lost with their worker

	Wake     <-chan struct{}       // a value says that there may be work; nil is never
	Planned  func(context.Context) // called after the ledger took a plan with its tasks; nil does nothing
	Recorded func()                // called after the ledger took a record; nil does nothing
	Now      func() time.Time
	At       func(point string) // named kill points; nil does nothing
	Log      *slog.Logger
}

// settleTimeout bounds what is said to the ledger whether or not ctx ended.
const settleTimeout = 5 * time.Second

// Run works until ctx ends, then stops its attempts, gives their tasks back unharmed and returns nil. An error is that of
// preparing its scratch folder; troubles with the ledger are logged and outlived.
func (w *Worker) Run(ctx context.Context) error {
	if err := os.RemoveAll(w.Dir); err != nil {
		return fmt.Errorf("empty the scratch folder: %w", err)
	}
	if err := os.MkdirAll(w.Dir, 0o700); err != nil {
		return fmt.Errorf("make the scratch folder: %w", err)
	}
	defer os.RemoveAll(w.Dir)
	var attempts sync.WaitGroup
	defer attempts.Wait()
	slots := make(chan struct{}, orDefault(w.Slots, runtime.NumCPU()))
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		c, ok := w.next(ctx)
		if !ok {
			return nil
		}
		attempts.Go(func() {
			defer func() { <-slots }()
			w.work(ctx, c)
		})
	}
}

// next waits for a claim; false says that ctx ended.
func (w *Worker) next(ctx context.Context) (weir.Claim, bool) {
	poll := time.NewTicker(orDefault(w.Poll, 5*time.Second))
	defer poll.Stop()
	for ctx.Err() == nil {
		c, err := w.claim(ctx)
		if err == nil {
			return c, true
		}
		if weir.KindOf(err) != weir.NotFound {
			w.Log.Error("claim a task", "error", err)
		}
		select {
		case <-w.Wake:
		case <-poll.C:
		case <-ctx.Done():
		}
	}
	return weir.Claim{}, false
}

// claim asks the ledger, even if ctx ends meanwhile: what it grants must be known to be given back.
func (w *Worker) claim(ctx context.Context) (weir.Claim, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	now := w.Now().UTC()
	return w.Claims.Claim(ctx, ClaimRequest{Worker: w.ID, Tools: []string{w.Tool}, Masters: w.Masters.IDs(), Now: now,
		Until: now.Add(w.lease())})
}

func (w *Worker) maxAttempts() int { return orDefault(w.MaxAttempts, 3) }

func (w *Worker) lease() time.Duration { return orDefault(w.Lease, 30*time.Second) }

// work makes one attempt at a claimed task, from its heartbeats to its end in the ledger.
func (w *Worker) work(ctx context.Context, c weir.Claim) {
	log := w.Log.With("asset", c.Job.Asset, "task", c.Task.N, "kind", c.Task.Kind, "attempt", c.Task.Attempt)
	reach(w.At, "worker.claimed")
	held, lose := context.WithCancelCause(ctx)
	a := &attempt{Worker: w, claim: c, log: log,
		dir: filepath.Join(w.Dir, fmt.Sprintf("%s-%d-%d", c.Job.ID, c.Task.N, c.Task.Fence))}
	var beats sync.WaitGroup
	beats.Go(func() { a.beat(held, lose) })
	err := a.try(held)
	switch {
	case err != nil && context.Cause(held) != nil:
		err = context.Cause(held) // what followed from it says less
	case err != nil && noRoom(err):
		err = &weir.Error{Kind: weir.Full, Detail: "the server's disk is full", Err: err}
	}
	w.settle(held, a, err)
	lose(nil)
	beats.Wait()
}

// settle tells the ledger how an attempt ended, unless its records did. Heartbeats go on meanwhile.
func (w *Worker) settle(held context.Context, a *attempt, err error) {
	if err == nil {
		return
	}
	if errors.Is(err, errLost) {
		a.log.Warn("task lost", "error", err)
		return
	}
	final := weir.KindOf(err) == weir.Unprocessable
	if errors.Is(err, errOutage) {
		w.rest(held)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(held), settleTimeout)
	defer cancel()
	var told error
	switch {
	case held.Err() != nil:
		told = w.Claims.Release(ctx, a.claim)
	case errors.Is(err, errOutage):
		a.log.Warn("attempt put off", "error", err)
		told = w.Claims.Release(ctx, a.claim)
	default:
		a.log.Error("attempt failed", "error", err, "final", final)
		told = w.Claims.Fail(ctx, a.claim, reasonFor(err, a.claim.Task.Kind), final, w.maxAttempts())
	}
	if told != nil { // the record was taken after all, or the lease will run out
		a.log.Warn("attempt not ended", "error", told)
	}
}

// rest keeps a slot and its task while an engine is away, so that they are not tried as fast as they fail.
func (w *Worker) rest(held context.Context) {
	timer := time.NewTimer(orDefault(w.Poll, 5*time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-held.Done():
	}
}

// reasonFor is what people read of a failed job.
func reasonFor(err error, kind weir.TaskKind) string {
	switch weir.KindOf(err) {
	case weir.Unprocessable, weir.TooLarge, weir.Full:
		return weir.Detail(err)
	}
	switch kind {
	case weir.TaskPlan:
		return "the file could not be examined"
	case weir.TaskAudio:
		return "the sound could not be encoded"
	default:
		return "the picture could not be encoded"
	}
}

func orDefault[T int | time.Duration](v, zero T) T {
	if v <= 0 {
		return zero
	}
	return v
}
