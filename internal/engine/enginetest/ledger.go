package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// LedgerEngine is an empty job ledger under test.
type LedgerEngine struct {
	Claims transcode.Claims
	Jobs   transcode.Jobs
	Failed transcode.FailedJobs
	Facts  func() []weir.Fact // what is in the outbox, oldest first; nothing takes it out
}

// Ledger holds an engine to [transcode.Claims], [transcode.Jobs] and [transcode.FailedJobs]. open returns a ledger of its own for each test, which
// takes the time of changes from now. Leases run out because tests say what time it is, so none has to wait.
func Ledger(t *testing.T, open func(t *testing.T, now func() time.Time) LedgerEngine) {
	for _, c := range []struct {
		name string
		test func(*ledgerTest)
	}{
		{"Create", ledgerCreate},
		{"CreateTwice", ledgerCreateTwice},
		{"Planned", ledgerPlanned},
		{"ClaimOrder", ledgerClaimOrder},
		{"ClaimTools", ledgerClaimTools},
		{"Heartbeat", ledgerHeartbeat},
		{"StolenLease", ledgerStolenLease},
		{"Records", ledgerRecords},
		{"Release", ledgerRelease},
		{"FailAndRetry", ledgerFailAndRetry},
		{"FailFinally", ledgerFailFinally},
		{"Failed", ledgerFailed},
		{"Cancel", ledgerCancel},
		{"Assembled", ledgerAssembled},
		{"AssembledFacts", ledgerAssembledFacts},
		{"Claimable", ledgerClaimable},
		{"ReplanWhen", ledgerReplanWhen},
		{"ReplanLeavesNothing", ledgerReplanLeavesNothing},
		{"ReplanCounts", ledgerReplanCounts},
		{"ExactlyOnce", ledgerExactlyOnce},
		{"Large", ledgerLarge},
		{"Texts", ledgerTexts},
		{"Reasons", ledgerReasons},
		{"EndedContext", ledgerEnded},
		{"CancelledAnywhere", ledgerCancelledAnywhere},
		{"CreateRace", ledgerCreateRace},
		{"ClaimRace", ledgerClaimRace},
		{"ThiefRace", ledgerThiefRace},
		{"EndRace", ledgerEndRace},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &ledgerTest{T: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
			l.engine = open(t, func() time.Time { return l.now })
			c.test(l)
		})
	}
}

// ledgerTest is one test: its ledger and its clock.
type ledgerTest struct {
	*testing.T
	engine LedgerEngine
	now    time.Time
}

func (l *ledgerTest) later(d time.Duration) { l.now = l.now.Add(d) }

func (l *ledgerTest) newJob(asset string) weir.Job {
	master := weir.Master{ID: "master-" + asset, Organisation: "org", Name: "ä.mkv", Size: 5, SHA256: "ab", Created: l.now}
	return weir.Job{ID: "job-" + asset, Organisation: "org", Asset: asset, Master: master, Created: l.now}
}

func (l *ledgerTest) create(asset string) {
	l.Helper()
	l.ok("Create", l.engine.Jobs.Create(l.Context(), l.newJob(asset)))
}

// request is one by worker w, for a minute.
func (l *ledgerTest) request() transcode.ClaimRequest {
	return transcode.ClaimRequest{Worker: "w", Now: l.now, Until: l.now.Add(time.Minute)}
}

func (l *ledgerTest) claim(r transcode.ClaimRequest) weir.Claim {
	l.Helper()
	c, err := l.engine.Claims.Claim(l.Context(), r)
	if err != nil {
		l.Fatalf("Claim = %v", err)
	}
	return c
}

// planned makes a running job whose tasks 1, 2 ... are wanted in these orders. No older job may be without its plan.
func (l *ledgerTest) planned(asset string, orders ...int) {
	l.Helper()
	l.create(asset)
	var tasks []weir.Task
	for i, order := range orders {
		tasks = append(tasks, weir.Task{N: i + 1, Kind: weir.TaskVideo, Order: order})
	}
	r := l.request()
	r.Masters = []string{"master-" + asset}
	l.ok("Planned", l.engine.Claims.Planned(l.Context(), l.claim(r), []byte("plan"), tasks))
}

// working makes a running job with one task and claims that.
func (l *ledgerTest) working(asset string) weir.Claim {
	l.Helper()
	l.planned(asset, 0)
	return l.claim(l.request())
}

func (l *ledgerTest) job(asset string) weir.Job {
	l.Helper()
	job, _, err := l.engine.Jobs.Job(l.Context(), asset)
	l.ok("Job", err)
	return job
}

func (l *ledgerTest) tasks(asset string) []weir.Task {
	l.Helper()
	_, tasks, err := l.engine.Jobs.Job(l.Context(), asset)
	l.ok("Job", err)
	return tasks
}

// refused: a claim that no longer stands may write nothing.
func (l *ledgerTest) refused(c weir.Claim) {
	l.Helper()
	ctx, e := context.WithoutCancel(l.Context()), l.engine.Claims
	l.kind("Heartbeat", e.Heartbeat(ctx, c, 1, l.now.Add(time.Hour)), weir.Conflict)
	l.kind("Record", e.Record(ctx, c, weir.Record{Seq: len(c.Records), Body: []byte("x")}, true), weir.Conflict)
	l.kind("Release", e.Release(ctx, c), weir.Conflict)
	l.kind("Fail", e.Fail(ctx, c, "x", true, 1), weir.Conflict)
}

func (l *ledgerTest) ok(what string, err error) {
	l.Helper()
	if err != nil {
		l.Fatalf("%s = %v", what, err)
	}
}

func (l *ledgerTest) kind(what string, err error, want weir.Kind) {
	l.Helper()
	if err == nil || weir.KindOf(err) != want {
		l.Errorf("%s = %v (%s), want %s", what, err, weir.KindOf(err), want)
	}
}

func (l *ledgerTest) same(what string, got, want any) {
	l.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		l.Errorf("%s is not as wanted (-want +got):\n%s", what, diff)
	}
}
