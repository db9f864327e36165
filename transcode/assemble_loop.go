package transcode

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	weir "github.com/weirstream/weir"
)

// Assembler lists in heads what the ledger has records of. Any number may run: a head is replaced by If-Match only, and
// what a slower one would take back is never written. Not safe for concurrent use itself.
type Assembler struct {
	Jobs  Jobs
	Blobs weir.Blobs
	Now   func() time.Time
	At    func(point string) // named kill points; nil does nothing
	Log   *slog.Logger

	announced map[jobRevision]bool // whose playable fact this process sent; it may go out twice, never not at all
}

// jobRevision is one revision that a job makes.
type jobRevision struct {
	job    string
	number int
}

const assembleBatch = 100

// Assemble brings the heads of all jobs with new records up to date. A job that fails is logged and left for the next
// time; the error is that of listing.
func (a *Assembler) Assemble(ctx context.Context) error {
	jobs, err := a.Jobs.Unassembled(ctx, assembleBatch)
	if err != nil {
		return fmt.Errorf("list unassembled jobs: %w", err)
	}
	for _, job := range jobs {
		if err := a.assemble(ctx, job); err != nil && ctx.Err() == nil {
			a.Log.Error("assemble", "asset", job.Asset, "job", job.ID, "error", err)
		}
	}
	return ctx.Err()
}

func (a *Assembler) assemble(ctx context.Context, job weir.Job) error {
	records, err := a.Jobs.Records(ctx, job.ID)
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	plan, err := ParsePlan(job.Plan)
	if err != nil {
		return err
	}
	var made Assembly
	key := weir.HeadKey(job.Organisation, job.Asset, job.Revision)
	wrote, err := editHead(ctx, a.Blobs, key, func(stored []byte) (*weir.Head, error) {
		made, err = a.decide(ctx, plan, job, records, stored)
		if err != nil || !made.Changed {
			return nil, err
		}
		reach(a.At, "assemble.before-head")
		return &made.Head, nil
	})
	if err != nil {
		return err
	}
	if wrote {
		reach(a.At, "assemble.after-head")
		a.Log.Info("head written", "asset", job.Asset, "revision", job.Revision, "state", made.Head.State, "segments", made.Head.Segments)
	}
	if err := a.replace(ctx, job, made); err != nil {
		return err
	}
	return a.tell(ctx, job, len(records), made)
}

// replace buries the revisions of earlier plans as soon as the job's own can be played instead. Those that have no head
// get a tombstone, too, so that an assembler that still knows the earlier plan cannot publish.
func (a *Assembler) replace(ctx context.Context, job weir.Job, made Assembly) error {
	if !made.Playable || a.announced[jobRevision{job.ID, job.Revision}] {
		return nil
	}
	for r := FirstRevision; r < job.Revision; r++ {
		if err := bury(ctx, a.Blobs, job.Organisation, job.Asset, r); err != nil {
			return err
		}
	}
	return nil
}

func (a *Assembler) decide(ctx context.Context, plan Plan, job weir.Job, records []weir.Record, stored []byte) (Assembly, error) {
	var prev *weir.Head
	if stored != nil {
		h, err := weir.ParseHead(stored)
		if err != nil {
			return Assembly{}, err
		}
		prev = &h
	}
	page := func(key string) (weir.Page, error) { return readPage(ctx, a.Blobs, key) }
	return Assemble(plan, job, records, page, prev, a.Now())
}

// tell notes in the ledger how far the head is, with the facts that follow from it. A fact's revision is the number of
// records there were when it was made, those of earlier plans included, and one more for the last.
func (a *Assembler) tell(ctx context.Context, job weir.Job, records int, made Assembly) error {
	var facts []weir.Fact
	add := func(kind string, revision int) error {
		h := made.Head
		h.Tracks = nil
		for _, t := range made.Head.Tracks {
			t.Pages = nil
			h.Tracks = append(h.Tracks, t)
		}
		f, err := weir.NewFact(a.Now(), kind, "transcode", job.Organisation, job.Asset, int64(revision), h)
		facts = append(facts, f)
		return err
	}
	if made.Playable && !a.announced[jobRevision{job.ID, job.Revision}] {
		if err := add(weir.FactAssetPlayable, job.Superseded+records); err != nil {
			return err
		}
	}
	if made.Complete {
		if err := add(weir.FactAssetComplete, job.Superseded+records+1); err != nil {
			return err
		}
	}
	reach(a.At, "assemble.before-told")
	if err := a.Jobs.Assembled(ctx, job, records, made.Complete, facts...); err != nil {
		return fmt.Errorf("note what is assembled: %w", err)
	}
	reach(a.At, "assemble.after-told")
	a.note(jobRevision{job.ID, job.Revision}, made)
	return nil
}

func (a *Assembler) note(r jobRevision, made Assembly) {
	switch {
	case made.Complete:
		delete(a.announced, r)
	case made.Playable:
		if a.announced == nil || len(a.announced) > 10*assembleBatch { // those of jobs that failed stay in it
			a.announced = map[jobRevision]bool{}
		}
		a.announced[r] = true
	}
}
