package transcode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// errLost ends an attempt whose task is somebody else's now, or nobody's.
var errLost = errors.New("the task is no longer held")

// errOutage marks what an engine that is away kept from being done: no fault of the task's, so no failed attempt.
var errOutage = errors.New("an engine is away")

// outage marks an error of the objects or the ledger, if that is what it tells of.
func outage(err error) error {
	switch weir.KindOf(err) {
	case weir.Unavailable, weir.Timeout:
		return fmt.Errorf("%w: %w", errOutage, err)
	}
	return err
}

// putTimeout bounds storing one object.
const putTimeout = 10 * time.Minute

// attempt is one try at one task.
type attempt struct {
	*Worker
	claim    weir.Claim
	log      *slog.Logger
	dir      string       // scratch of this attempt alone
	progress atomic.Int64 // in the task's units
}

// try does the task, unless it was claimed so often that it must be what ends its workers.
func (a *attempt) try(ctx context.Context) error {
	if most := 2 * a.maxAttempts(); a.claim.Task.Attempt > most {
		return weir.Errorf(weir.Internal, "%d attempts before this one never ended", most)
	}
	return a.do(ctx)
}

// do does the task, with a scratch folder of its own.
func (a *attempt) do(ctx context.Context) error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return fmt.Errorf("make the scratch folder: %w", err)
	}
	defer os.RemoveAll(a.dir)
	master, done, err := a.Masters.Path(ctx, a.claim.Job.Master)
	if err != nil {
		return fmt.Errorf("hold the master: %w", outage(err))
	}
	defer done()
	if a.claim.Task.Kind == weir.TaskPlan {
		return a.plan(ctx, master)
	}
	plan, err := ParsePlan(a.claim.Job.Plan)
	if err != nil {
		return err
	}
	if a.claim.Task.N < 1 || a.claim.Task.N > len(plan.Tasks) {
		return weir.Errorf(weir.Internal, "task %d is not in the plan", a.claim.Task.N)
	}
	spec := plan.Tasks[a.claim.Task.N-1]
	switch spec.Kind {
	case weir.TaskVideo:
		return a.video(ctx, master, plan, spec)
	case weir.TaskAudio:
		return a.audio(ctx, master, plan, spec)
	case weir.TaskStill:
		return a.still(ctx, master, plan, spec)
	}
	return weir.Errorf(weir.Internal, "task kind %q is unknown", spec.Kind)
}

// beat extends the lease three times as often as needed until ctx ends. It loses the task when the ledger says so, or
// when the lease ran out without the ledger having been reached.
func (a *attempt) beat(ctx context.Context, lose context.CancelCauseFunc) {
	tick := time.NewTicker(a.lease() / 3)
	defer tick.Stop()
	until := a.claim.Task.Lease
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		next := a.Now().UTC().Add(a.lease())
		err := a.Claims.Heartbeat(ctx, a.claim, a.progress.Load(), next)
		switch {
		case err == nil:
			until = next
		case weir.KindOf(err) == weir.Conflict || a.Now().After(until):
			lose(fmt.Errorf("%w: %w", errLost, err))
			return
		case ctx.Err() == nil:
			a.log.Warn("heartbeat", "error", err)
		}
	}
}

// record makes objects count. After it, they do.
func (a *attempt) record(ctx context.Context, seq int, r Result, final bool) error {
	body, err := r.Encode()
	if err != nil {
		return err
	}
	reach(a.At, "worker.before-record")
	rec := weir.Record{Job: a.claim.Job.ID, Task: a.claim.Task.N, Seq: seq, Body: body}
	if err := a.Claims.Record(ctx, a.claim, rec, final); err != nil {
		return lost(fmt.Errorf("record: %w", err))
	}
	reach(a.At, "worker.after-record")
	if a.Recorded != nil {
		a.Recorded()
	}
	return nil
}

// lost marks a refusal of the ledger as the loss of the task, and its absence as an outage.
func lost(err error) error {
	if weir.KindOf(err) == weir.Conflict {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return outage(err)
}

// put stores an object whose name holds its contents' hash: one that is there already is the same.
func (a *attempt) put(ctx context.Context, key string, r io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	_, err := a.Blobs.Put(ctx, key, r, weir.PutOptions{CreateOnly: true})
	if err != nil && weir.KindOf(err) != weir.Precondition {
		return fmt.Errorf("put %s: %w", key, outage(err))
	}
	return nil
}

func (a *attempt) putBytes(ctx context.Context, key string, b []byte) error {
	return a.put(ctx, key, bytes.NewReader(b))
}

func (a *attempt) putFile(ctx context.Context, key, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open chunk: %w", err)
	}
	defer f.Close()
	return a.put(ctx, key, f)
}
