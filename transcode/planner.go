package transcode

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// Planner turns facts about assets into jobs and their ends: a stored master gets its job, a deleted asset loses it, and
// of one whose job failed nothing stays reachable. Every step may be done again, because facts are delivered at least
// once.
type Planner struct {
	Jobs  Jobs
	Blobs weir.Blobs
	Wake  func(context.Context) // called when there is a new task; nil does nothing
	Now   func() time.Time
	At    func(point string) // named kill points; nil does nothing
	Log   *slog.Logger
}

// Handle applies one message of [weir.TopicFacts]. A message that is no fact, or one without an asset, is logged and
// skipped: repeating it would not help. Other errors are worth a retry.
func (p *Planner) Handle(ctx context.Context, m weir.Message) error {
	var f weir.Fact
	if err := json.Unmarshal(m.Value, &f); err != nil {
		p.Log.Error("message is not a fact", "key", m.Key, "offset", m.Offset, "error", err)
		return nil
	}
	switch f.Type {
	case weir.FactAssetFailed:
		return p.fail(ctx, f.Subject)
	case weir.FactMasterReady, weir.FactAssetDeleted:
	default:
		return nil
	}
	var a weir.Asset
	if err := json.Unmarshal(f.Data, &a); err != nil || !weir.ValidID(a.ID) || !weir.ValidID(a.Organisation) {
		p.Log.Error("fact has no asset", "type", f.Type, "subject", f.Subject, "error", err)
		return nil
	}
	if f.Type == weir.FactAssetDeleted {
		return p.drop(ctx, a)
	}
	return p.create(ctx, a)
}

func (p *Planner) create(ctx context.Context, a weir.Asset) error {
	now := p.Now().UTC()
	reach(p.At, "planner.before-create")
	err := p.Jobs.Create(ctx, weir.Job{ID: weir.NewID(now), Organisation: a.Organisation, Asset: a.ID, Master: a.Master,
		State: weir.JobPending, Created: now, Updated: now})
	if err != nil {
		return fmt.Errorf("create job of asset %s: %w", a.ID, err)
	}
	reach(p.At, "planner.after-create")
	if err := p.dropIfDeleted(ctx, a); err != nil {
		return err
	}
	if p.Wake != nil {
		p.Wake(ctx)
	}
	return nil
}

// dropIfDeleted cancels a job that was made after its asset was deleted: the fact of a master may be set aside and come
// again after that of the deletion, which left a tombstone. A later revision's job says nothing: the first one's head is
// buried when the next plays.
func (p *Planner) dropIfDeleted(ctx context.Context, a weir.Asset) error {
	job, _, err := p.Jobs.Job(ctx, a.ID)
	if err != nil {
		return fmt.Errorf("read new job: %w", err)
	}
	if job.Revision > FirstRevision {
		return nil
	}
	stored, _, err := readAll(ctx, p.Blobs, weir.HeadKey(a.Organisation, a.ID, FirstRevision), weir.MaxHeadBytes)
	if weir.KindOf(err) == weir.NotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	if h, err := weir.ParseHead(stored); err != nil || h.State != weir.Deleted {
		return nil
	}
	return p.cancel(ctx, a.ID)
}

func (p *Planner) cancel(ctx context.Context, asset string) error {
	if err := p.Jobs.Cancel(ctx, asset, p.Now().UTC()); err != nil {
		return fmt.Errorf("cancel job of asset %s: %w", asset, err)
	}
	return nil
}

func (p *Planner) drop(ctx context.Context, a weir.Asset) error {
	reach(p.At, "planner.before-cancel")
	if err := p.cancel(ctx, a.ID); err != nil {
		return err
	}
	reach(p.At, "planner.after-cancel")
	job, _, err := p.Jobs.Job(ctx, a.ID)
	if err != nil && weir.KindOf(err) != weir.NotFound {
		return fmt.Errorf("read cancelled job: %w", err)
	}
	if err := Bury(ctx, p.Blobs, a.Organisation, a.ID, job.Revision); err != nil {
		return err
	}
	reach(p.At, "planner.after-bury")
	return p.cancel(ctx, a.ID) // another planner may have made the job just before there was a tombstone to see
}

// fail buries what a failed job had listed already. The ledger has the last word on whether it failed.
func (p *Planner) fail(ctx context.Context, asset string) error {
	job, _, err := p.Jobs.Job(ctx, asset)
	if weir.KindOf(err) == weir.NotFound || err == nil && job.State != weir.JobFailed {
		p.Log.Warn("the asset's job did not fail", "asset", asset)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read failed job: %w", err)
	}
	reach(p.At, "planner.before-bury")
	if err := Bury(ctx, p.Blobs, job.Organisation, asset, job.Revision); err != nil {
		return err
	}
	reach(p.At, "planner.after-bury")
	return nil
}

// Bury makes every head of an asset a tombstone, which is never overwritten, and puts one in the place of the first
// revision and those up to newest that have no head, so that a late assembler cannot publish. It returns when no head
// lists anything.
func Bury(ctx context.Context, blobs weir.Blobs, organisation, asset string, newest int) error {
	first := weir.HeadKey(organisation, asset, FirstRevision)
	list, err := blobs.List(ctx, path.Dir(first)+"/", "", 1000)
	if err != nil {
		return fmt.Errorf("list heads of asset %s: %w", asset, err)
	}
	newest = max(newest, FirstRevision)
	var revisions []int
	for r := FirstRevision; r <= newest; r++ {
		revisions = append(revisions, r)
	}
	for _, o := range list {
		if r, err := strconv.Atoi(strings.TrimSuffix(path.Base(o.Key), ".json")); err == nil && r > newest {
			revisions = append(revisions, r)
		}
	}
	for _, r := range revisions {
		if err := bury(ctx, blobs, organisation, asset, r); err != nil {
			return err
		}
	}
	return nil
}

func bury(ctx context.Context, blobs weir.Blobs, organisation, asset string, revision int) error {
	_, err := editHead(ctx, blobs, weir.HeadKey(organisation, asset, revision), func(stored []byte) (*weir.Head, error) {
		return tombstone(organisation, asset, revision, stored), nil
	})
	if err != nil {
		return fmt.Errorf("bury revision %d of asset %s: %w", revision, asset, err)
	}
	return nil
}

// tombstone is the deleted head that takes the place of the stored one, or nil if that is one. A damaged head is buried
// like any other.
func tombstone(organisation, asset string, revision int, stored []byte) *weir.Head {
	prev, err := weir.ParseHead(stored)
	if err == nil && prev.State == weir.Deleted {
		return nil
	}
	return &weir.Head{Version: weir.HeadVersion, Organisation: organisation, Asset: asset, Revision: revision,
		State: weir.Deleted, FirstSegment: 1, Periods: []weir.Period{}, Tracks: []weir.Track{}}
}
