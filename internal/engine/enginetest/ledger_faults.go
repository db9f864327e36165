package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/transcode"
)

// FaultyStores are the empty stores of one database, reached through a proxy.
type FaultyStores struct {
	LedgerEngine // whose Facts look past the proxy
	Ingest       ingest.Store
	Catalog      catalog.Store
}

// StoreFaults holds stores on a server to what they promise while the network and the server fail: calls are bounded, and
// their errors are Unavailable or Timeout; what succeeded is stored, once; a connection that breaks, at whatever byte of a
// call, is no error while the server is there. address is the server's host:port, name the one that [Control] knows it by. open
// returns stores whose connections go to address, and whose calls give up after some seconds if their ctx has no deadline.
func StoreFaults(t *testing.T, address, name string, open func(t *testing.T, address string, now func() time.Time) FaultyStores) {
	for _, c := range []struct {
		name string
		test func(*storeFaultTest)
	}{
		{"Reset", storeFaultReset},
		{"CutAnywhere", storeFaultCutAnywhere},
		{"ResetsUnderLoad", storeFaultResetsUnderLoad},
		{"Slow", storeFaultSlow},
		{"Hang", storeFaultHang},
		{"Refused", storeFaultRefused},
		{"Paused", storeFaultPaused},
		{"KilledUnderLoad", storeFaultKilledUnderLoad},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &storeFaultTest{T: t, proxy: NewProxy(t, address), name: name}
			f.clock.Store(noon.UnixMicro())
			f.s = open(t, f.proxy.Addr(), f.now)
			c.test(f)
		})
	}
}

// storeFaultTest is one test: its stores, what is between them and their server, and its clock.
type storeFaultTest struct {
	*testing.T
	s     FaultyStores
	proxy *Proxy
	name  string
	clock atomic.Int64 // microseconds
}

func (f *storeFaultTest) now() time.Time { return time.UnixMicro(f.clock.Load()).UTC() }

func (f *storeFaultTest) later(d time.Duration) { f.clock.Add(d.Microseconds()) }

func (f *storeFaultTest) ok(what string, err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%s = %v (%s)", what, err, weir.KindOf(err))
	}
}

func (f *storeFaultTest) newJob(asset string) weir.Job {
	return weir.Job{ID: "job-" + asset, Organisation: "org", Asset: asset, Created: f.now(), Master: weir.Master{ID: "master-" + asset}}
}

func (f *storeFaultTest) request() transcode.ClaimRequest {
	return transcode.ClaimRequest{Worker: "w", Tools: []string{"tool"}, Now: f.now(), Until: f.now().Add(time.Minute)}
}

func (f *storeFaultTest) fact(subject string, revision int64) weir.Fact {
	return fact(f.T, subject, revision)
}

// facts counts those in the outbox that tell of the subject.
func (f *storeFaultTest) facts(subject string) (n int) {
	for _, fact := range f.s.Facts() {
		if fact.Subject == subject {
			n++
		}
	}
	return n
}

// planned makes a running job with n tasks.
func (f *storeFaultTest) planned(asset string, n int) {
	f.Helper()
	f.ok("Create", f.s.Jobs.Create(f.Context(), f.newJob(asset)))
	c, err := f.s.Claims.Claim(f.Context(), f.request())
	f.ok("Claim", err)
	var tasks []weir.Task
	for i := range n {
		tasks = append(tasks, weir.Task{N: i + 1, Kind: weir.TaskVideo, Order: i, Tool: "tool"})
	}
	f.ok("Planned", f.s.Claims.Planned(f.Context(), c, []byte("plan"), tasks))
}

func (f *storeFaultTest) working(asset string) weir.Claim {
	f.Helper()
	f.planned(asset, 1)
	c, err := f.s.Claims.Claim(f.Context(), f.request())
	f.ok("Claim", err)
	return c
}

func (f *storeFaultTest) job(asset string) (weir.Job, []weir.Task) {
	f.Helper()
	job, tasks, err := f.s.Jobs.Job(f.Context(), asset)
	f.ok("Job", err)
	return job, tasks
}

// away checks that calls fail with one of the kinds, and do not succeed later.
func (f *storeFaultTest) away(ctx context.Context, kinds ...weir.Kind) {
	f.Helper()
	check := func(what string, err error) {
		f.Helper()
		for _, k := range kinds {
			if err != nil && weir.KindOf(err) == k {
				return
			}
		}
		f.Errorf("%s while the server is away = %v (%s), want %v", what, err, weir.KindOf(err), kinds)
	}
	var all sync.WaitGroup
	for what, call := range map[string]func() error{
		"Create": func() error { return f.s.Jobs.Create(ctx, f.newJob("away")) },
		"Job":    func() error { _, _, err := f.s.Jobs.Job(ctx, "a1"); return err },
		"Claim":  func() error { _, err := f.s.Claims.Claim(ctx, f.request()); return err },
		"Save":   func() error { return f.s.Catalog.Save(ctx, title("acme", "away"), f.fact("away", 1)) },
		"Load":   func() error { _, err := f.s.Ingest.Load(ctx, "a1"); return err },
	} {
		all.Go(func() { check(what, call()) })
	}
	all.Wait()
}

// back checks that everything works and that nothing of away was done.
func (f *storeFaultTest) back() {
	f.Helper()
	f.proxy.Heal()
	if _, _, err := f.s.Jobs.Job(f.Context(), "away"); weir.KindOf(err) != weir.NotFound {
		f.Errorf("Job of what was refused = %v, want NotFound", err)
	}
	if _, err := f.s.Catalog.Load(f.Context(), "acme", "away"); weir.KindOf(err) != weir.NotFound || f.facts("away") != 0 {
		f.Errorf("Load of what was refused = %v, with %d facts, want NotFound", err, f.facts("away"))
	}
	c := f.working("back")
	f.ok("Record", f.s.Claims.Record(f.Context(), c, weir.Record{Body: []byte("r")}, true))
}

// storeFaultReset: connections that broke while they rested are not noticed.
func storeFaultReset(f *storeFaultTest) {
	c := f.working("a1")
	f.proxy.Reset()
	f.ok("Record", f.s.Claims.Record(f.Context(), c, weir.Record{Body: []byte("r")}, true))
	f.proxy.Reset()
	f.job("a1")
	f.proxy.Reset()
	f.ok("Save", f.s.Catalog.Save(f.Context(), title("acme", "t1"), f.fact("t1", 1)))
	f.proxy.Reset()
	if _, err := f.s.Catalog.List(f.Context(), "acme", "", 1); err != nil || f.facts("t1") != 1 {
		f.Errorf("List = %v, with %d facts", err, f.facts("t1"))
	}
}

// load makes jobs, and has workers do them until all is done, whatever happens; between runs after each claim. It checks that
// every task was done once.
func (f *storeFaultTest) load(jobs, tasks, workers int, between func(claims int)) {
	f.Helper()
	for j := range jobs {
		f.planned(fmt.Sprint("a", j), tasks)
	}
	var claims, done atomic.Int32
	atOnce(workers, func(int) {
		for f.Context().Err() == nil && int(done.Load()) < jobs*tasks {
			c, err := f.s.Claims.Claim(f.Context(), f.request())
			switch {
			case err == nil:
				between(int(claims.Add(1)))
				done.Add(f.record(c))
			case weir.KindOf(err) == weir.NotFound:
				f.later(2 * time.Minute) // what was claimed without anybody hearing of it
				done.Store(f.done(jobs))
			case !passing(err):
				f.Errorf("Claim = %v (%s)", err, weir.KindOf(err))
				return
			}
		}
	})
	for j := range jobs {
		asset := fmt.Sprint("a", j)
		job, all := f.job(asset)
		records, err := f.s.Jobs.Records(f.Context(), job.ID)
		if err != nil || len(records) != tasks || len(all) != tasks+1 {
			f.Errorf("job of %s has %d records and %d tasks, %v; want %d records", asset, len(records), len(all), err, tasks)
		}
		f.counted(job, tasks)
	}
}

// record stores the claim's record as a worker does that insists, and says if it is known to be stored.
func (f *storeFaultTest) record(c weir.Claim) int32 {
	for f.Context().Err() == nil {
		err := f.s.Claims.Record(f.Context(), c, weir.Record{Body: []byte("r")}, true)
		if err == nil {
			return 1
		}
		if weir.KindOf(err) == weir.Conflict { // it was late, or an earlier try was stored
			return 0
		}
		if !passing(err) {
			f.Errorf("Record = %v (%s)", err, weir.KindOf(err))
			return 0
		}
	}
	return 0
}

// done counts the tasks that are done.
func (f *storeFaultTest) done(jobs int) (n int32) {
	for j := range jobs {
		_, tasks, err := f.s.Jobs.Job(f.Context(), fmt.Sprint("a", j))
		if err != nil {
			return 0 // it is asked again
		}
		for _, t := range tasks[1:] {
			if t.State == weir.TaskDone {
				n++
			}
		}
	}
	return n
}

// counted: the job counts as many records as it has: it is unassembled until all are.
func (f *storeFaultTest) counted(job weir.Job, records int) {
	f.Helper()
	f.assembled(job, records-1, true)
	f.assembled(job, records, false)
}

func (f *storeFaultTest) assembled(job weir.Job, n int, want bool) {
	f.Helper()
	f.ok("Assembled", f.s.Jobs.Assembled(f.Context(), job, n, false))
	jobs, err := f.s.Jobs.Unassembled(f.Context(), 1000)
	f.ok("Unassembled", err)
	got := false
	for _, j := range jobs {
		got = got || j.ID == job.ID
	}
	if got != want {
		f.Errorf("job %s after Assembled(%d) is unassembled: %t, want %t", job.ID, n, got, want)
	}
}

// passing is what a caller tries again after.
func passing(err error) bool {
	kind := weir.KindOf(err)
	return err != nil && (kind == weir.Unavailable || kind == weir.Timeout) && !errors.Is(err, context.Canceled)
}

func storeFaultResetsUnderLoad(f *storeFaultTest) {
	f.load(3, 20, 6, func(claims int) {
		if claims%4 == 0 {
			f.proxy.Reset()
		}
	})
}

// storeFaultSlow: a slow network makes slow calls and no errors.
func storeFaultSlow(f *storeFaultTest) {
	f.proxy.Delay(20 * time.Millisecond)
	c := f.working("a1")
	f.ok("Record", f.s.Claims.Record(f.Context(), c, weir.Record{Body: random(200_000)}, true))
	f.ok("Save", f.s.Catalog.Save(f.Context(), title("acme", "t1"), f.fact("t1", 1)))
}

// storeFaultHang: a server that does not answer is waited for no longer than the caller allows, or by default.
func storeFaultHang(f *storeFaultTest) {
	f.working("a1")
	f.proxy.Silence(true)
	ctx, cancel := context.WithTimeout(f.Context(), 200*time.Millisecond)
	defer cancel()
	f.away(ctx, weir.Timeout)
	f.away(f.Context(), weir.Timeout, weir.Unavailable)
	cancelled, cancel := context.WithCancel(f.Context())
	ended := make(chan error)
	go func() { ended <- f.s.Jobs.Cancel(cancelled, "none", f.now()) }()
	cancel()
	if err := <-ended; weir.KindOf(err) != weir.Unavailable {
		f.Errorf("Cancel that was cancelled = %v (%s), want Unavailable", err, weir.KindOf(err))
	}
	f.proxy.Reset() // what the server heard late is not to be done
	f.back()
}

func storeFaultRefused(f *storeFaultTest) {
	f.working("a1")
	f.proxy.Refuse(true)
	f.proxy.Reset()
	f.away(f.Context(), weir.Unavailable)
	f.back()
}

// storeFaultPaused: a server that stops for a while is late, not away.
func storeFaultPaused(f *storeFaultTest) {
	c := f.working("a1")
	Control(f, "pause", f.name)
	resume := func() { Control(f, "resume", f.name) }
	defer resume()
	short, cancel := context.WithTimeout(f.Context(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := f.s.Jobs.Job(short, "a1"); weir.KindOf(err) != weir.Timeout {
		f.Errorf("Job while the server is paused = %v (%s), want Timeout", err, weir.KindOf(err))
	}
	long, cancel := context.WithTimeout(f.Context(), time.Minute)
	defer cancel()
	started, ended := make(chan struct{}), make(chan error, 2)
	go func() {
		close(started)
		ended <- f.s.Claims.Record(long, c, weir.Record{Body: []byte("r")}, true)
	}()
	<-started
	resume()
	f.ok("Record over the pause", <-ended)
	if _, tasks := f.job("a1"); tasks[1].State != weir.TaskDone {
		f.Errorf("task after the pause = %+v", tasks[1])
	}
}

// storeFaultKilledUnderLoad: a server that is killed and started again loses nothing that it was told, and nothing doubles.
func storeFaultKilledUnderLoad(f *storeFaultTest) {
	f.load(2, 40, 4, func(claims int) {
		if claims == 20 {
			Control(f, "kill", f.name)
			Control(f, "up", f.name)
		}
	})
}
