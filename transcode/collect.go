package transcode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// DeletedAssets is what the collector asks of whoever owns assets.
type DeletedAssets interface {
	// Deleted lists up to limit assets that were deleted before then and are not collected yet, oldest first.
	Deleted(ctx context.Context, before time.Time, limit int) ([]weir.Asset, error)
	// Collected notes that nothing of the asset but its heads is left.
	Collected(ctx context.Context, asset string) error
}

// FailedJobs is the collector's side of the job ledger.
type FailedJobs interface {
	// Failed lists up to limit jobs, without their plans, that failed before then and are not collected yet, oldest first.
	Failed(ctx context.Context, before time.Time, limit int) ([]weir.Job, error)
	// Collected notes that nothing of what the job made but its heads is left. It does nothing to other jobs.
	Collected(ctx context.Context, job string) error
}

// Collector removes the objects of deleted assets and failed jobs once the grace time has passed since their end: every
// object of the asset except its heads, which stay as tombstones, and of deleted ones the master. It does not look for
// the objects of lost attempts on assets that live: those are few, unreachable, and go with their asset.
type Collector struct {
	Assets DeletedAssets // nil has none
	Jobs   FailedJobs    // nil has none
	Blobs  weir.Blobs
	Grace  time.Duration // from the end; 0 is 24 h. More than a lease, or a late worker may leave an object behind
	Now    func() time.Time
	At     func(point string) // named kill points; nil does nothing
	Log    *slog.Logger
}

const collectBatch = 100

// Collect removes what is due and returns how many assets it was. An asset that fails is logged and left for the next
// time; the error is that of listing.
func (c *Collector) Collect(ctx context.Context) (int, error) {
	grace := c.Grace
	if grace == 0 {
		grace = 24 * time.Hour
	}
	before := c.Now().Add(-grace)
	deleted, err := c.deleted(ctx, before)
	failed, failedErr := c.failed(ctx, before)
	return deleted + failed, errors.Join(err, failedErr, ctx.Err())
}

func (c *Collector) deleted(ctx context.Context, before time.Time) (n int, err error) {
	if c.Assets == nil {
		return 0, nil
	}
	assets, err := c.Assets.Deleted(ctx, before, collectBatch)
	if err != nil {
		return 0, fmt.Errorf("list deleted assets: %w", err)
	}
	for _, a := range assets {
		n += c.logged(a.ID, c.collect(ctx, weir.Job{Organisation: a.Organisation, Asset: a.ID}, a.Master.ID, func() error { return c.Assets.Collected(ctx, a.ID) }))
	}
	return n, nil
}

func (c *Collector) failed(ctx context.Context, before time.Time) (n int, err error) {
	if c.Jobs == nil {
		return 0, nil
	}
	jobs, err := c.Jobs.Failed(ctx, before, collectBatch)
	if err != nil {
		return 0, fmt.Errorf("list failed jobs: %w", err)
	}
	for _, j := range jobs {
		n += c.logged(j.Asset, c.collect(ctx, j, "", func() error { return c.Jobs.Collected(ctx, j.ID) }))
	}
	return n, nil
}

// logged counts one asset, or logs why not.
func (c *Collector) logged(asset string, err error) int {
	if err != nil {
		c.Log.Error("collect asset", "asset", asset, "error", err)
		return 0
	}
	return 1
}

// collect removes what a job made of an asset, and the master if one is named, then notes it.
func (c *Collector) collect(ctx context.Context, job weir.Job, master string, note func() error) error {
	// The tombstone comes first, whatever became of the fact of the asset's end: no head may name what is removed.
	if err := Bury(ctx, c.Blobs, job.Organisation, job.Asset, job.Revision); err != nil {
		return err
	}
	reach(c.At, "collect.buried")
	if err := removeAll(ctx, c.Blobs, weir.AssetPrefix(job.Organisation, job.Asset)); err != nil {
		return err
	}
	if master != "" {
		if err := c.Blobs.Delete(ctx, weir.MasterKey(master)); err != nil {
			return fmt.Errorf("delete master: %w", err)
		}
	}
	reach(c.At, "collect.before-collected")
	return note()
}

// removeAll deletes what is under an asset's prefix except its heads.
func removeAll(ctx context.Context, blobs weir.Blobs, prefix string) error {
	after := ""
	for {
		list, err := blobs.List(ctx, prefix, after, 1000)
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, o := range list {
			after = o.Key
			if strings.HasPrefix(o.Key, prefix+"heads/") {
				continue
			}
			if err := blobs.Delete(ctx, o.Key); err != nil {
				return fmt.Errorf("delete object: %w", err)
			}
		}
	}
}

// reach calls at, if there is one, with the name of a kill point.
func reach(at func(string), point string) {
	if at != nil {
		at(point)
	}
}
