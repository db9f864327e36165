package enginetest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// random is n bytes that do not compress, the same every time.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// unusual are texts that a store keeps as they are.
func unusual() []string {
	return []string{"", " ", "'; DROP TABLE job; --", `"\`, "100% _x_ $1 ?1 @a :a", "Ünïcödé 文字 🎬 \u202e", "a\nb\tc\r\x1b\x7f", "\ufeffe\u0301",
		strings.Repeat("ß", 20_000)}
}

// unstorable are texts that a store keeps as they are or refuses as Invalid, but neither cuts nor mends.
func unstorable() []string { return []string{"a\x00b", "\x00", "a\xffb", "\xc3"} }

func ledgerLarge(l *ledgerTest) {
	plan, body := random(6<<20), random(1<<20)
	l.create("a1")
	var tasks []weir.Task
	for n := range 3000 {
		tasks = append(tasks, weir.Task{N: n + 1, Kind: weir.TaskVideo, Order: n})
	}
	l.ok("Planned", l.engine.Claims.Planned(l.Context(), l.claim(l.request()), plan, tasks))
	c := l.claim(l.request())
	if !bytes.Equal(c.Job.Plan, plan) || len(l.tasks("a1")) != 3001 {
		l.Errorf("a plan of %d bytes with 3000 tasks came as %d bytes with %d", len(plan), len(c.Job.Plan), len(l.tasks("a1"))-1)
	}
	l.ok("Record", l.engine.Claims.Record(l.Context(), c, weir.Record{Body: body}, false))
	l.later(2 * time.Minute)
	again := l.claim(l.request())
	if len(again.Records) != 1 || !bytes.Equal(again.Records[0].Body, body) {
		l.Errorf("a record of %d bytes came as %d records", len(body), len(again.Records))
	}
	l.ok("Record", l.engine.Claims.Record(l.Context(), again, weir.Record{Seq: 1}, true)) // of nothing
	records, err := l.engine.Jobs.Records(l.Context(), "job-a1")
	if err != nil || len(records) != 2 || !bytes.Equal(records[0].Body, body) || len(records[1].Body) != 0 {
		l.Errorf("Records = %d, %v, want the large one and one of nothing", len(records), err)
	}
}

func ledgerTexts(l *ledgerTest) {
	longest := strings.Repeat("z", 64)
	job := l.newJob(longest)
	job.ID, job.Organisation, job.Master.ID = longest, longest, longest
	job.Master.Name = strings.Join(unusual(), "")
	l.ok("Create", l.engine.Jobs.Create(l.Context(), job))
	for i, text := range append(unusual(), unstorable()...) {
		r := l.request()
		r.Worker, r.Tools = text, []string{text}
		c, err := l.engine.Claims.Claim(l.Context(), r)
		if i >= len(unusual()) && weir.KindOf(err) == weir.Invalid {
			continue
		}
		if err != nil || c.Task.Worker != text || c.Job.Master.Name != job.Master.Name {
			l.Errorf("Claim by worker %q = %+v of job %+v, %v", text, c.Task, c.Job, err)
		}
		l.ok("Release", l.engine.Claims.Release(l.Context(), c))
	}
	tasks := []weir.Task{}
	for i, text := range unusual() {
		tasks = append(tasks, weir.Task{N: i + 1, Kind: weir.TaskVideo, Tool: text})
	}
	l.ok("Planned", l.engine.Claims.Planned(l.Context(), l.claim(l.request()), nil, tasks))
	for i, text := range unusual() {
		r := l.request()
		r.Tools = []string{text, text} // twice is once
		if c := l.claim(r); c.Task.N != i+1 || c.Task.Tool != text {
			l.Errorf("Claim with tool %q = %+v", text, c.Task)
		}
	}
	if _, err := l.engine.Jobs.Replan(l.Context(), unusual()[:8], l.now, l.now); err != nil {
		l.Errorf("Replan with unusual tools = %v", err)
	}
}

// ledgerReasons: whatever a tool said, the attempt ends.
func ledgerReasons(l *ledgerTest) {
	for i, text := range append(unusual()[1:], unstorable()...) {
		asset := string(rune('a' + i))
		l.create(asset)
		l.ok("Fail", l.engine.Claims.Fail(l.Context(), l.claim(l.request()), text+"!", true, 1))
		if job := l.job(asset); job.State != weir.JobFailed {
			l.Errorf("job that failed with reason %q = %+v", text, job)
		}
	}
}

// ledgerEnded: a ctx that has ended is an error of its own kind, and nothing has happened.
func ledgerEnded(l *ledgerTest) {
	l.planned("a1", 0, 1)
	c := l.claim(l.request())
	before := l.tasks("a1")
	cancelled, cancel := context.WithCancel(l.Context())
	cancel()
	late, cancelLate := context.WithDeadline(l.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for _, e := range []struct {
		ctx  context.Context
		want weir.Kind
	}{{cancelled, weir.Unavailable}, {late, weir.Timeout}} {
		for name, call := range l.calls(c) {
			l.kind(name, call(e.ctx), e.want)
		}
	}
	l.same("tasks", l.tasks("a1"), before)
	if job := l.job("a1"); job.State != weir.JobRunning || len(l.engine.Facts()) != 0 {
		l.Errorf("job = %+v with facts %v", job, l.engine.Facts())
	}
}

// calls are a call of every method, which would succeed.
func (l *ledgerTest) calls(c weir.Claim) map[string]func(context.Context) error {
	claims, jobs, failed := l.engine.Claims, l.engine.Jobs, l.engine.Failed
	return map[string]func(context.Context) error{
		"Claim":       func(ctx context.Context) error { _, err := claims.Claim(ctx, l.request()); return err },
		"Heartbeat":   func(ctx context.Context) error { return claims.Heartbeat(ctx, c, 1, l.now.Add(time.Hour)) },
		"Record":      func(ctx context.Context) error { return claims.Record(ctx, c, weir.Record{Body: []byte("r")}, true) },
		"Release":     func(ctx context.Context) error { return claims.Release(ctx, c) },
		"Fail":        func(ctx context.Context) error { return claims.Fail(ctx, c, "r", true, 1) },
		"Create":      func(ctx context.Context) error { return jobs.Create(ctx, l.newJob("other")) },
		"Job":         func(ctx context.Context) error { _, _, err := jobs.Job(ctx, c.Job.Asset); return err },
		"Records":     func(ctx context.Context) error { _, err := jobs.Records(ctx, c.Job.ID); return err },
		"Unassembled": func(ctx context.Context) error { _, err := jobs.Unassembled(ctx, 1); return err },
		"Assembled":   func(ctx context.Context) error { return jobs.Assembled(ctx, c.Job, 0, false, l.fact("a1", 1)) },
		"Cancel":      func(ctx context.Context) error { return jobs.Cancel(ctx, c.Job.Asset, l.now) },
		"Claimable":   func(ctx context.Context) error { _, err := jobs.Claimable(ctx, l.now); return err },
		"Replan":      func(ctx context.Context) error { _, err := jobs.Replan(ctx, nil, l.now, l.now); return err },
		"Failed":      func(ctx context.Context) error { _, err := failed.Failed(ctx, l.now, 1); return err },
		"Collected":   func(ctx context.Context) error { return failed.Collected(ctx, c.Job.ID) },
	}
}

// ledgerCancelledAnywhere: a ctx that ends at any moment of a call leaves it done or not done, never in between.
func ledgerCancelledAnywhere(l *ledgerTest) {
	const attempts = 60
	orders := make([]int, attempts)
	l.planned("a1", orders...)
	for i := range attempts {
		c := l.claim(l.request())
		ctx, cancel := context.WithTimeout(l.Context(), time.Duration(i)*100*time.Microsecond)
		err := l.engine.Claims.Record(ctx, c, weir.Record{Body: []byte("r")}, true)
		cancel()
		state := l.tasks("a1")[c.Task.N].State
		records, readErr := l.engine.Jobs.Records(l.Context(), c.Job.ID)
		l.ok("Records", readErr)
		stored := 0
		for _, r := range records {
			if r.Task == c.Task.N {
				stored++
			}
		}
		if done := state == weir.TaskDone; stored != 0 && !done || done && stored != 1 || err == nil && !done {
			l.Fatalf("Record with %v to go = %v, then task %d is %s with %d records", time.Duration(i)*100*time.Microsecond, err, c.Task.N, state, stored)
		}
		if kind := weir.KindOf(err); err != nil && kind != weir.Timeout {
			l.Errorf("Record with a short deadline = %v (%s), want Timeout", err, kind)
		}
	}
}
