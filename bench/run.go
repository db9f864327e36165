package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"golang.org/x/sys/unix"
)

// The bounds of every run.
const (
	MaxTime        = time.Hour
	MaxConnections = 20_000
	maxWarm        = 1000
	maxPatience    = 30 * time.Second
)

// Options are what all scenarios share.
type Options struct {
	Name        string
	For         time.Duration // how long requests are started
	Connections int           // at most at once
	Rate        float64       // an open loop of so many starts a second; 0 is a closed loop: each connection asks again when it was answered
	Constant    bool          // the open loop's gaps are equal, not those of a Poisson process
	Client      Client
	Seed        uint64
	Warm        int // how often every target is asked for before anything is measured
	Meter       Meter
	Progress    io.Writer     // nil prints nothing
	Patience    time.Duration // for each answer, and for what is due when the run ends; 0 is 30 s, which is the most
}

// Run is one run of a scenario, as the scenario sees it.
type Run struct {
	Options
	*Recorder
	began  time.Time
	given  <-chan struct{} // closed when the caller gives the run up
	checks []Verdict
	notes  []string
	set    map[string]string

	mu       sync.Mutex // guards what follows
	ref      map[string]*reference
	refBytes int64 // of their bodies
}

// Scenario is a kind of load. It starts nothing after ctx is done, waits for all that it started, and demands what it has
// to demand of the server with Demand. An error means that nothing was measured.
type Scenario interface {
	// Name is the word on the command line.
	Name() string
	// Load runs until ctx is done or there is nothing left to do.
	Load(ctx context.Context, r *Run, targets []Target) error
}

// Demand notes something the server had to do, and whether it did.
func (r *Run) Demand(ok bool, what, format string, args ...any) {
	r.checks = append(r.checks, Verdict{What: what, Got: fmt.Sprintf(format, args...), OK: ok})
}

// Note adds a line to the result.
func (r *Run) Note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// Setting notes a setting of the scenario.
func (r *Run) Setting(name string, value any) { r.set[name] = fmt.Sprint(value) }

// check refuses runs that are not bounded. Errors are Invalid.
func (o Options) check(targets []Target) error {
	switch {
	case o.For <= 0 || o.For > MaxTime:
		return weir.Errorf(weir.Invalid, "a run takes up to %v", MaxTime)
	case o.Connections < 1 || o.Connections > MaxConnections:
		return weir.Errorf(weir.Invalid, "1 to %d connections", MaxConnections)
	case o.Rate < 0 || o.Rate > 1e6:
		return weir.Errorf(weir.Invalid, "a rate is 0 to 1000000 a second")
	case o.Warm < 0 || o.Warm > maxWarm:
		return weir.Errorf(weir.Invalid, "every URL is asked for up to %d times before a run", maxWarm)
	case o.Patience < 0 || o.Patience > maxPatience:
		return weir.Errorf(weir.Invalid, "an answer is waited for up to %v", maxPatience)
	case len(targets) == 0:
		return weir.Errorf(weir.Invalid, "there is no URL to ask for")
	}
	return nil
}

// Do runs a scenario and returns what it measured. When ctx ends early, what was measured until then is the result.
func Do(ctx context.Context, s Scenario, o Options, targets []Target) (Result, error) {
	if err := o.check(targets); err != nil {
		return Result{}, err
	}
	if o.Patience == 0 {
		o.Patience = maxPatience
	}
	if err := o.warm(ctx, targets); err != nil {
		return Result{}, err
	}
	server, err := o.Meter.Read()
	if err != nil {
		return Result{}, err
	}
	r := &Run{Options: o, began: time.Now(), given: ctx.Done(), set: map[string]string{}, ref: map[string]*reference{}}
	r.Recorder = newRecorder(r.began)
	r.Setting("connections", o.Connections)
	r.Setting("client", o.Client)
	r.Setting("rate", rateWords(o))
	client := ownCPU()
	loading, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	watched := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(stop, client, server)
	}()
	err = s.Load(loading, r, targets)
	close(stop)
	<-watched
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", s.Name(), err)
	}
	res := Result{Schema: Schema, Name: o.Name, Scenario: s.Name(), Started: r.began.UTC().Truncate(time.Second), Seconds: time.Since(r.began).Seconds(),
		Settings: r.set, Machine: machine(), Checks: r.checks, Notes: r.notes}
	for _, t := range targets[:min(len(targets), 20)] {
		res.Targets = append(res.Targets, Redact(t.URL.String()))
	}
	r.into(&res)
	for _, second := range res.Timeline {
		res.CPU.Client += second.ClientCPU
		res.CPU.Server += second.ServerCPU
	}
	return res, nil
}

// warm brings the targets into the cache. An answer that is not right ends the run before it begins: what it would measure is
// not what was meant. Errors are Unavailable.
func (o Options) warm(ctx context.Context, targets []Target) error {
	ctx, cancel := context.WithTimeout(ctx, MaxTime)
	defer cancel()
	a := asker{run: &Run{Options: Options{Client: Copy, Patience: o.Patience}, Recorder: newRecorder(time.Now())}}
	defer a.close()
	for range o.Warm {
		for _, t := range targets {
			if err := ctx.Err(); err != nil {
				return weir.Errorf(weir.Unavailable, "ask for every URL before the run: %w", err)
			}
			if _, err := a.get(ctx, t, nil); err != nil {
				return weir.Errorf(weir.Unavailable, "ask for %s before the run: %w", Redact(t.URL.String()), err)
			}
		}
	}
	return nil
}

func rateWords(o Options) string {
	switch {
	case o.Rate == 0:
		return "closed loop"
	case o.Constant:
		return fmt.Sprintf("%g/s, evenly", o.Rate)
	}
	return fmt.Sprintf("%g/s, Poisson", o.Rate)
}

// watch ends a second of the timeline every second, until stop.
func (r *Run) watch(stop <-chan struct{}, client, server time.Duration) {
	p := newProgress(r.Progress)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	end := func() Second {
		c := ownCPU()
		s, err := r.Meter.Read()
		if err != nil {
			s = server // it ended; the requests tell
		}
		second := r.tick(time.Now(), c-client, s-server)
		client, server = c, s
		return second
	}
	for {
		select {
		case <-tick.C:
			p.second(end(), r.For)
		case <-stop:
			end()
			p.end()
			return
		}
	}
}

// wait sleeps until the offset from the run's start; false means that ctx ended first.
func (r *Run) wait(ctx context.Context, at time.Duration) bool {
	d := time.Until(r.began.Add(at))
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func machine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			m.CPU = strings.Trim(line, " \t:")
		}
	}
	return m
}
