package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
)

// benchCmd is the load tester: package bench with a command line.
type benchCmd struct {
	Players benchPlayers `cmd:"" help:"Virtual viewers: real playlists, bit rates by throughput and buffer, seeks, Zipf titles. Reports startup, stalls, bit rate."`
	Hot     benchHot     `cmd:"" help:"Cached objects over connections that stay open: the hit path."`
	Herd    benchHerd    `cmd:"" help:"Everyone asks for one cold URL at the same moment. Bodies are checked; the origin should be read once."`
	Flash   benchFlash   `cmd:"" help:"A crowd that arrives at --rate wants each new segment. Bodies are checked."`
	Churn   benchChurn   `cmd:"" help:"A new connection for every request."`
	Slow    benchSlow    `cmd:"" help:"Readers of a few bytes a second; counts who is cut off."`
	Tokens  benchTokens  `cmd:"" help:"Many different tickets: URLs of a list, or a template with {n}."`
	Faults  benchFaults  `cmd:"" help:"A cache before an origin that breaks (weir bench origin --faults): no body may be wrong or silently short."`
	Replay  benchReplay  `cmd:"" help:"A trace of films or of live channels against a cache before weir bench origin: its byte hit ratio, and that of an LRU."`
	Origin  benchOrigin  `cmd:"" help:"The origin to put behind the caches under test: known bodies, delays, faults, counted reads."`
	Compare benchCompare `cmd:"" help:"Result files side by side: a table of ratios, and a page with charts."`
}

// benchFlags are what all scenarios share.
type benchFlags struct {
	URLs        []string      `arg:"" name:"url" help:"What to ask for. {n} is replaced by 0, 1, 2 ... below --count, {fresh} by a word no run had before."`
	For         time.Duration `help:"How long; at most 1h." default:"10s" placeholder:"DURATION"`
	Connections int           `help:"At most so many at once." default:"8" short:"c" placeholder:"N"`
	Rate        float64       `help:"Open loop: so many starts a second, whatever the server does; latency counts from there. 0: each connection asks when it was answered." default:"0" placeholder:"N"`
	Evenly      bool          `help:"Starts are evenly spaced, not a Poisson process."`
	Client      string        `help:"What is done with bodies: copy reads them, discard has the kernel drop them, check compares every byte." default:"copy" enum:"copy,discard,check" placeholder:"HOW"`
	Warm        int           `help:"Ask so often for every URL before the run." default:"0" placeholder:"N"`
	Count       int           `help:"How many URLs {n} stands for." default:"1" placeholder:"N"`
	Seed        uint64        `help:"Of everything that is drawn." default:"1" placeholder:"N"`

	ServerPID  int    `help:"The server's process on this machine: its CPU time and its children's are reported." placeholder:"PID" name:"server-pid"`
	ServerUnit string `help:"The same by systemd unit: nginx.service." placeholder:"UNIT"`

	IOwn   []string `help:"A host that is not this machine and that you may load. Without, only loopback addresses are." name:"i-own" placeholder:"HOST"`
	Name   string   `help:"What this server is called in reports; the URL's host if not given." placeholder:"NAME"`
	Out    string   `help:"Write the result as JSON." placeholder:"FILE" type:"path"`
	Report string   `help:"Write the result as a page with charts." placeholder:"FILE" type:"path"`
	JSON   bool     `help:"Print the result as JSON instead of text; no progress." name:"json"`
}

// run runs a scenario and writes what was asked for. The error is Conflict if the server failed what the scenario
// demands, so that scripts can tell it from a run that did not happen.
func (f benchFlags) run(e env, s bench.Scenario, targets []bench.Target) error {
	o := bench.Options{Name: f.Name, For: f.For, Connections: f.Connections, Rate: f.Rate, Constant: f.Evenly, Client: bench.Client(f.Client),
		Seed: f.Seed, Warm: f.Warm, Meter: bench.Meter{PID: f.ServerPID, Unit: f.ServerUnit}}
	if !f.JSON {
		o.Progress = e.errOut
	}
	if o.Name == "" && len(targets) > 0 {
		o.Name = targets[0].URL.Host
	}
	r, err := bench.Do(e.ctx, s, o, targets)
	if err != nil {
		return err
	}
	if f.Out != "" {
		if err := r.WriteFile(f.Out); err != nil {
			return err
		}
	}
	if err := writePage(f.Report, r); err != nil {
		return err
	}
	if f.JSON {
		err = r.Write(e.out)
	} else {
		bench.Summary(e.out, r)
	}
	if err == nil && !r.Passed() {
		return weir.Errorf(weir.Conflict, "%s failed what %s demands", r.Name, r.Scenario)
	}
	return err
}

// simple runs a scenario that has nothing to say about its targets.
func (f benchFlags) simple(e env, s bench.Scenario) error {
	_, targets, err := f.targets(e.ctx, f.URLs)
	if err != nil {
		return err
	}
	return f.run(e, s, targets)
}

func (f benchFlags) targets(ctx context.Context, urls []string) (*bench.Hosts, []bench.Target, error) {
	hosts := &bench.Hosts{Owned: f.IOwn}
	all, err := bench.Expand(urls, f.Count, strconv.FormatInt(time.Now().UnixNano(), 36))
	if err != nil {
		return nil, nil, err
	}
	var targets []bench.Target
	for _, raw := range all {
		t, err := hosts.Target(ctx, raw)
		if err != nil {
			return nil, nil, err
		}
		targets = append(targets, t)
	}
	return hosts, targets, nil
}

func writePage(name string, results ...bench.Result) (err error) {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("write report: %w", closeErr)
		}
	}()
	return bench.Report(file, results...)
}

type benchHot struct {
	benchFlags
}

// Run loads the hit path.
func (c benchHot) Run(e env) error { return c.simple(e, bench.Hot{}) }

type benchChurn struct {
	benchFlags
}

// Run connects again and again.
func (c benchChurn) Run(e env) error { return c.simple(e, bench.Churn{}) }

type benchFlash struct {
	benchFlags
}

// Run sends a crowd.
func (c benchFlash) Run(e env) error { return c.simple(e, bench.Flash{}) }

type benchFaults struct {
	benchFlags
}

// Run asks a cache whose origin breaks.
func (c benchFaults) Run(e env) error { return c.simple(e, bench.BrokenOrigin{}) }

type benchHerd struct {
	benchFlags
	Origin string `help:"A weir bench origin that says how often it was read." placeholder:"URL"`
}

// Run sends herds.
func (c benchHerd) Run(e env) error {
	origin, err := originURL(c.Origin)
	if err != nil {
		return err
	}
	return c.simple(e, bench.Herd{Origin: origin})
}

// originURL reads --origin; nil is none.
func originURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, nil
	}
	u, err := url.Parse(raw)
	if err != nil || !isWebURL(raw) {
		return nil, weir.Errorf(weir.Invalid, "--origin %q is not a URL", raw)
	}
	return u, nil
}

type benchReplay struct {
	benchFlags
	Origin   string   `help:"The weir bench origin behind the cache." required:"" placeholder:"URL"`
	Trace    string   `help:"What is asked for: films, clips, live, few, tail or mixed." default:"films" placeholder:"NAME"`
	Requests int      `help:"How many." default:"50000" placeholder:"N"`
	Scale    int64    `help:"Segments are so many times the trace's, which are 4 to 48 KB." default:"4" placeholder:"N"`
	Cache    byteSize `help:"The size of the cache, for the LRU that it is compared with." default:"96MiB" placeholder:"SIZE"`
}

// Run replays.
func (c benchReplay) Run(e env) error {
	origin, err := originURL(c.Origin)
	if err != nil {
		return err
	}
	return c.simple(e, bench.Replay{Origin: origin, Trace: c.Trace, Requests: c.Requests, Scale: c.Scale, Cache: int64(c.Cache)})
}

type benchSlow struct {
	benchFlags
	BytesPerSecond int `help:"How fast each reads." default:"1000" placeholder:"N"`
}

// Run reads slowly.
func (c benchSlow) Run(e env) error { return c.simple(e, bench.Slow{BytesPerSecond: c.BytesPerSecond}) }

type benchTokens struct {
	benchFlags
	List string `help:"A file of URLs, one a line, besides those of the command line; - is standard input." placeholder:"FILE"`
}

// Run asks with many tickets.
func (c benchTokens) Run(e env) error {
	urls := c.URLs
	if c.List != "" {
		more, err := readList(c.List)
		if err != nil {
			return err
		}
		urls = append(urls, more...)
	}
	_, targets, err := c.targets(e.ctx, urls)
	if err != nil {
		return err
	}
	return c.run(e, bench.Tokens{}, targets)
}

// readList reads lines, at most 256 MB of them.
func readList(name string) ([]string, error) {
	in := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, weir.Errorf(weir.Invalid, "--list: %w", err)
		}
		defer f.Close()
		in = f
	}
	var urls []string
	lines := bufio.NewScanner(io.LimitReader(in, 256<<20))
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			urls = append(urls, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, weir.Errorf(weir.Invalid, "--list: %w", err)
	}
	return urls, nil
}

type benchPlayers struct {
	benchFlags
	Zipf    float64       `help:"How unequal titles are asked for: the exponent; 0 is all alike." default:"0.8" placeholder:"N"`
	Watch   time.Duration `help:"Mean time a viewer watches; 0s is to the end." default:"0s" placeholder:"DURATION"`
	Seeks   float64       `help:"Mean seeks a minute." default:"0.2" placeholder:"N"`
	Abandon time.Duration `help:"A viewer who waits that long leaves." default:"15s" placeholder:"DURATION"`
}

// Run lets viewers in.
func (c benchPlayers) Run(e env) error {
	hosts, targets, err := c.targets(e.ctx, c.URLs)
	if err != nil {
		return err
	}
	return c.run(e, bench.Players{Hosts: hosts, Zipf: c.Zipf, Watch: c.Watch, Seeks: c.Seeks, Abandon: c.Abandon}, targets)
}

type benchCompare struct {
	Files  []string `arg:"" name:"file" help:"Results that --out wrote; the first is what the others are compared with." type:"existingfile"`
	Report string   `help:"Write a page with charts." placeholder:"FILE" type:"path"`
}

// Run prints ratios.
func (c benchCompare) Run(e env) error {
	var results []bench.Result
	for _, name := range c.Files {
		r, err := bench.ReadFile(name)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	if err := bench.Compare(e.out, results...); err != nil {
		return err
	}
	return writePage(c.Report, results...)
}
