package transcode

import (
	"context"
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

// Collector removes the objects of deleted assets once the grace time has passed since their deletion: every object of
// the asset except its heads, which stay as tombstones, and the master. It does not look for the objects of lost
// attempts on assets that live: those are few, unreachable, and go with their asset.
type Collector struct {
	Assets DeletedAssets
	Blobs  weir.Blobs
	Grace  time.Duration // from Asset.Deleted; 0 is 24 h. More than a lease, or a late worker may leave an object behind
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
	assets, err := c.Assets.Deleted(ctx, c.Now().Add(-grace), collectBatch)
	if err != nil {
		return 0, fmt.Errorf("list deleted assets: %w", err)
	}
	n := 0
	for _, a := range assets {
		if err := c.collect(ctx, a); err != nil {
			c.Log.Error("collect deleted asset", "asset", a.ID, "error", err)
			continue
		}
		n++
	}
	return n, ctx.Err()
}

func (c *Collector) collect(ctx context.Context, a weir.Asset) error {
	// The tombstone comes first, whatever became of the fact of the deletion: no head may name what is removed.
	if err := Bury(ctx, c.Blobs, a.Organisation, a.ID); err != nil {
		return err
	}
	reach(c.At, "collect.buried")
	if err := removeAll(ctx, c.Blobs, weir.AssetPrefix(a.Organisation, a.ID)); err != nil {
		return err
	}
	if a.Master.ID != "" {
		if err := c.Blobs.Delete(ctx, weir.MasterKey(a.Master.ID)); err != nil {
			return fmt.Errorf("delete master: %w", err)
		}
	}
	reach(c.At, "collect.before-collected")
	return c.Assets.Collected(ctx, a.ID)
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
