package transcode

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/sandbox"
)

// Consumer groups of the bus.
const (
	groupPlanner = "transcode"
	groupWorkers = "transcode-workers"
)

// How often the loops look without being woken.
const (
	sweepEvery    = time.Second
	announceAgain = 10 // sweeps after which tasks nobody took are announced again
)

const (
	announceWithin = 2 * time.Second
	wakeKeys       = 8 // on 6 of the 12 partitions that a topic has by default: each of up to 4 workers has one
)

// Service is the transcode role of one process: planner, worker, assembler, sweeper and collector over one ledger.
// Fields are set before Run. Any number of processes may run it over the same ledger, objects and bus.
type Service struct {
	ID          string // of this process, unique among workers
	Claims      Claims
	Jobs        Jobs
	Blobs       weir.Blobs
	Bus         weir.Bus
	Deleted     DeletedAssets                                // nil collects none
	Failed      FailedJobs                                   // nil collects none
	Runner      func(context.Context, sandbox.Command) error // of ffmpeg and ffprobe: [sandbox.Run]
	Tool        string                                       // what the runner has: [ffmpeg.Version]
	Policy      Policy
	Dir         string        // absolute; of this process alone: scratch and copies of masters, emptied at the start
	MasterBytes int64         // see Masters.Bytes
	Slots       int           // see Worker.Slots
	Lease       time.Duration // see Worker.Lease
	Grace       time.Duration // see Collector.Grace
	Patience    time.Duration // how long a job may wait for a tool that no worker has before it is planned anew; 0 is 10 min
	Now         func() time.Time
	At          func(point string) // named kill points; nil does nothing
	Log         *slog.Logger
}

// Run does the role's work until ctx ends, gives back what its worker holds and returns nil, or returns the first error
// that keeps a part from running at all.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	work, listed := make(chan struct{}, 1), make(chan struct{}, 1)
	announce := func(ctx context.Context) {
		poke(work)
		s.announce(ctx)
	}
	planner := &Planner{Jobs: s.Jobs, Blobs: s.Blobs, Wake: announce, Now: s.Now, At: s.At, Log: s.Log}
	assembler := &Assembler{Jobs: s.Jobs, Blobs: s.Blobs, Now: s.Now, At: s.At, Log: s.Log}
	worker := s.worker(work, announce, func() { poke(listed) })
	run := func(name string, f func() error) {
		g.Go(func() error {
			if err := f(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	run("planner", func() error { return s.Bus.Consume(ctx, weir.TopicFacts, groupPlanner, planner.Handle) })
	run("wake-ups", func() error {
		return s.Bus.Consume(ctx, weir.TopicWake, groupWorkers, func(context.Context, weir.Message) error { poke(work); return nil })
	})
	run("worker", func() error { return worker.Run(ctx) })
	run("assembler", func() error { return s.every(ctx, "assemble", sweepEvery, listed, assembler.Assemble) })
	run("sweeper", func() error { return s.every(ctx, "sweep", sweepEvery, nil, s.sweeper(announce)) })
	run("replanner", func() error { return s.every(ctx, "replan", often(s.Patience), nil, s.replanner(announce)) })
	collector := &Collector{Assets: s.Deleted, Jobs: s.Failed, Blobs: s.Blobs, Grace: s.Grace, Now: s.Now, At: s.At, Log: s.Log}
	collect := func(ctx context.Context) error { _, err := collector.Collect(ctx); return err }
	run("collector", func() error { return s.every(ctx, "collect", often(s.Grace), nil, collect) })
	return g.Wait()
}

func (s *Service) worker(wake <-chan struct{}, planned func(context.Context), recorded func()) *Worker {
	return &Worker{ID: s.ID, Claims: s.Claims, Blobs: s.Blobs, Runner: s.Runner, Tool: s.Tool, Policy: s.Policy, Slots: s.Slots, Lease: s.Lease,
		Masters: &Masters{Blobs: s.Blobs, Dir: filepath.Join(s.Dir, "masters"), Bytes: s.MasterBytes},
		Dir:     filepath.Join(s.Dir, "scratch"),
		Wake:    wake, Planned: planned, Recorded: recorded, Now: s.Now, At: s.At, Log: s.Log}
}

// often is how often to look what has waited so long: often enough for a short time, and once a minute for a long one.
func often(wait time.Duration) time.Duration {
	if wait == 0 {
		return time.Minute
	}
	return min(max(wait/4, time.Second), time.Minute)
}

// every does f now, after each tick and when woken, until ctx ends. Its errors are logged: the next time may go better.
func (s *Service) every(ctx context.Context, name string, interval time.Duration, wake <-chan struct{}, f func(context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("transcode loop", "loop", name, "error", err)
		}
		select {
		case <-tick.C:
		case <-wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweeper announces tasks nobody took: when there are more than the last time, and every so often while there are any.
func (s *Service) sweeper(announce func(context.Context)) func(context.Context) error {
	last, quiet := 0, 0
	return func(ctx context.Context) error {
		n, err := s.Jobs.Claimable(ctx, s.Now().UTC())
		if err != nil {
			return err
		}
		quiet++
		if n > last || n > 0 && quiet >= announceAgain {
			announce(ctx)
			quiet = 0
		}
		last = n
		return nil
	}
}

// replanner says which tool is here, and has jobs planned anew that wait for one that is nowhere.
func (s *Service) replanner(announce func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		now := s.Now().UTC()
		n, err := s.Jobs.Replan(ctx, []string{s.Tool}, now, now.Add(-orDefault(s.Patience, 10*time.Minute)))
		if err != nil {
			return err
		}
		if n > 0 {
			s.Log.Warn("jobs are planned anew, for no worker has their tool", "jobs", n, "tool", s.Tool)
			announce(ctx)
		}
		return nil
	}
}

// announce tells workers of other processes. A partition's messages go to one of them, so it says it under several keys. A
// lost message costs them time only, which is why one that cannot be sent soon does not hold up what there is to do here.
func (s *Service) announce(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, announceWithin)
	defer cancel()
	wakes := make([]weir.Message, wakeKeys)
	for i := range wakes {
		wakes[i] = weir.Message{Topic: weir.TopicWake, Key: strconv.Itoa(i), Time: s.Now().UTC()}
	}
	if err := s.Bus.Publish(bounded, wakes...); err != nil && ctx.Err() == nil {
		s.Log.Warn("announce tasks", "error", err)
	}
}

// poke leaves a value in a channel of one, if there is none.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
