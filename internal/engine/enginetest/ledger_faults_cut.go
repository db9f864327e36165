package enginetest

import (
	"context"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
)

// change is one call that changes something, ready to be made, and what is to be seen after it.
type change struct {
	call  func(context.Context) error
	check func() (seen string, ok bool)
}

// storeFaultCutAnywhere: the connection breaks at every answer of every call in turn, that to COMMIT included, where nobody knows
// if it was done. The call succeeds nevertheless, and its effect is there once.
func storeFaultCutAnywhere(f *storeFaultTest) {
	for _, c := range []struct {
		name string
		make func(id string) change
	}{
		{"Create", f.changeCreate},
		{"Claim", f.changeClaim},
		{"Heartbeat", f.changeHeartbeat},
		{"Planned", f.changePlanned},
		{"Record", func(id string) change { return f.changeRecord(id, false) }},
		{"RecordFinal", func(id string) change { return f.changeRecord(id, true) }},
		{"Release", f.changeRelease},
		{"Fail", func(id string) change { return f.changeFail(id, false) }},
		{"FailFinal", func(id string) change { return f.changeFail(id, true) }},
		{"Assembled", func(id string) change { return f.changeAssembled(id, false) }},
		{"AssembledDone", func(id string) change { return f.changeAssembled(id, true) }},
		{"Cancel", f.changeCancel},
		{"Replan", f.changeReplan},
		{"IngestCreate", f.changeIngestCreate},
		{"IngestUpdate", f.changeIngestUpdate},
		{"CatalogSaveFirst", func(id string) change { return f.changeSave(id, 0) }},
		{"CatalogSave", func(id string) change { return f.changeSave(id, 1) }},
	} {
		f.cutAnywhere(c.name, c.make)
	}
}

// cutAnywhere makes the change again and again, and cuts it at later and later bytes, until it is done before the cut.
func (f *storeFaultTest) cutAnywhere(name string, make func(id string) change) {
	f.Helper()
	const step = 16 // bytes, less than any answer has
	cuts := 0
	for n := int64(1); ; n += step {
		id := fmt.Sprintf("%s-%d", lower(name), n)
		ch := make(id)
		f.proxy.CutAfter(n)
		err := ch.call(f.Context())
		cut := f.proxy.Cut()
		f.proxy.Heal()
		if err != nil {
			f.Fatalf("%s cut after %d bytes = %v (%s)", name, n, err, weir.KindOf(err))
		}
		if seen, ok := ch.check(); !ok {
			f.Fatalf("%s cut after %d bytes left %s", name, n, seen)
		}
		f.ok("Cancel", f.s.Jobs.Cancel(f.Context(), id, f.now()))
		if !cut {
			break
		}
		cuts++
	}
	if cuts < 3 {
		f.Errorf("%s was cut at %d places only", name, cuts)
	}
}

func lower(name string) string {
	b := []byte(name)
	for i := range b {
		b[i] |= 0x20
	}
	return string(b)
}

// task is what is to be seen of the newest task of the id's job.
func (f *storeFaultTest) task(id string, ok func(weir.Job, weir.Task) bool) (string, bool) {
	job, tasks := f.job(id)
	t := tasks[len(tasks)-1]
	return fmt.Sprintf("job %+v with task %+v", job, t), ok(job, t)
}

func (f *storeFaultTest) changeCreate(id string) change {
	return change{func(ctx context.Context) error { return f.s.Jobs.Create(ctx, f.newJob(id)) }, func() (string, bool) {
		_, tasks := f.job(id)
		return fmt.Sprint(len(tasks), " tasks"), len(tasks) == 1
	}}
}

func (f *storeFaultTest) changeClaim(id string) change {
	f.planned(id, 3)
	var c weir.Claim
	return change{func(ctx context.Context) (err error) { c, err = f.s.Claims.Claim(ctx, f.request()); return err }, func() (string, bool) {
		_, tasks := f.job(id)
		leased := 0
		for _, t := range tasks {
			if t.State == weir.TaskLeased {
				leased++
			}
		}
		return fmt.Sprintf("claim of %+v and tasks %+v", c.Task, tasks), leased == 1 && c.Job.Asset == id && tasks[1] == c.Task && c.Task.Attempt == 1
	}}
}

func (f *storeFaultTest) changeHeartbeat(id string) change {
	c := f.working(id)
	return change{func(ctx context.Context) error { return f.s.Claims.Heartbeat(ctx, c, 7, f.now().Add(time.Hour)) }, func() (string, bool) {
		return f.task(id, func(_ weir.Job, t weir.Task) bool { return t.Progress == 7 && t.Lease.Equal(f.now().Add(time.Hour)) })
	}}
}

func (f *storeFaultTest) changePlanned(id string) change {
	f.ok("Create", f.s.Jobs.Create(f.Context(), f.newJob(id)))
	c, err := f.s.Claims.Claim(f.Context(), f.request())
	f.ok("Claim", err)
	return change{func(ctx context.Context) error {
		return f.s.Claims.Planned(ctx, c, []byte("plan"), []weir.Task{{N: 1}, {N: 2}})
	},
		func() (string, bool) {
			job, tasks := f.job(id)
			return fmt.Sprintf("job %+v with tasks %+v", job, tasks), string(job.Plan) == "plan" && job.State == weir.JobRunning && len(tasks) == 3
		}}
}

func (f *storeFaultTest) changeRecord(id string, final bool) change {
	c := f.working(id)
	return change{func(ctx context.Context) error {
		return f.s.Claims.Record(ctx, c, weir.Record{Body: []byte(id)}, final)
	},
		func() (string, bool) {
			records, err := f.s.Jobs.Records(f.Context(), c.Job.ID)
			f.ok("Records", err)
			f.counted(c.Job, 1)
			return f.task(id, func(_ weir.Job, t weir.Task) bool {
				return len(records) == 1 && string(records[0].Body) == id && (t.State == weir.TaskDone) == final
			})
		}}
}

func (f *storeFaultTest) changeRelease(id string) change {
	c := f.working(id)
	return change{func(ctx context.Context) error { return f.s.Claims.Release(ctx, c) }, func() (string, bool) {
		return f.task(id, func(_ weir.Job, t weir.Task) bool { return t.State == weir.TaskReady && t.Attempt == 0 })
	}}
}

func (f *storeFaultTest) changeFail(id string, final bool) change {
	c := f.working(id)
	return change{func(ctx context.Context) error { return f.s.Claims.Fail(ctx, c, "it broke", final, 3) }, func() (string, bool) {
		facts := f.facts(id)
		return f.task(id, func(j weir.Job, t weir.Task) bool {
			if final {
				return j.State == weir.JobFailed && t.State == weir.TaskFailed && facts == 1
			}
			return j.State == weir.JobRunning && t.State == weir.TaskReady && t.Attempt == 1 && facts == 0
		})
	}}
}

func (f *storeFaultTest) changeAssembled(id string, done bool) change {
	c := f.working(id)
	f.ok("Record", f.s.Claims.Record(f.Context(), c, weir.Record{Body: []byte("r")}, true))
	f.later(time.Second)
	return change{func(ctx context.Context) error { return f.s.Jobs.Assembled(ctx, c.Job, 1, done, f.fact(id, 1)) }, func() (string, bool) {
		facts := f.facts(id)
		return f.task(id, func(j weir.Job, _ weir.Task) bool { return (j.State == weir.JobDone) == done && facts == 1 })
	}}
}

func (f *storeFaultTest) changeCancel(id string) change {
	f.working(id)
	return change{func(ctx context.Context) error { return f.s.Jobs.Cancel(ctx, id, f.now()) }, func() (string, bool) {
		return f.task(id, func(j weir.Job, _ weir.Task) bool { return j.State == weir.JobCancelled })
	}}
}

func (f *storeFaultTest) changeReplan(id string) change {
	f.planned(id, 2)
	f.later(time.Second)
	n := 0
	return change{func(ctx context.Context) (err error) {
		n, err = f.s.Jobs.Replan(ctx, []string{"new"}, f.now(), f.now())
		return err
	}, func() (string, bool) {
		seen, ok := f.task(id, func(j weir.Job, t weir.Task) bool { return j.Revision == 2 && j.State == weir.JobPending && t.N == 0 })
		return fmt.Sprint(n, " planned anew, ", seen), ok && n == 1
	}}
}

func (f *storeFaultTest) changeIngestCreate(id string) change {
	return change{func(ctx context.Context) error { return f.s.Ingest.Create(ctx, asset(id)) }, func() (string, bool) {
		r, err := f.s.Ingest.Load(f.Context(), id)
		return fmt.Sprintf("%+v, %v", r, err), err == nil && r.Revision == 1
	}}
}

func (f *storeFaultTest) changeIngestUpdate(id string) change {
	r := mustCreate(f.T, f.s.Ingest, id)
	r.Asset.Title = "new"
	return change{func(ctx context.Context) error { return f.s.Ingest.Update(ctx, r, f.fact(id, 2)) }, func() (string, bool) {
		got, err := f.s.Ingest.Load(f.Context(), id)
		return fmt.Sprintf("%+v, %v, %d facts", got, err, f.facts(id)), err == nil && got.Revision == 2 && got.Asset.Title == "new" && f.facts(id) == 1
	}}
}

func (f *storeFaultTest) changeSave(id string, version int64) change {
	v := title("acme", id)
	for ; v.Version < version; v.Version++ {
		mustSave(f.T, f.s.Catalog, v)
	}
	return change{func(ctx context.Context) error { return f.s.Catalog.Save(ctx, v, f.fact(id, version+1)) }, func() (string, bool) {
		got, err := f.s.Catalog.Load(f.Context(), "acme", id)
		return fmt.Sprintf("%+v, %v, %d facts", got, err, f.facts(id)), err == nil && got.Version == version+1 && f.facts(id) == 1
	}}
}
