package main

import (
	"context"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/cache/disk"
	"github.com/weirstream/weir/edge/cache/shared"
	"github.com/weirstream/weir/internal/engine"
)

// Bounds of the tiers behind an edge's memory.
const (
	minDiskBytes  = 256 << 20
	maxShareBytes = 4 << 20
)

// checkTiers refuses sizes of no use. Errors are of kind Invalid.
func (f edgeFlags) checkTiers() error {
	if f.DiskCache != "" && f.DiskBytes < minDiskBytes {
		return weir.Errorf(weir.Invalid, "--disk-cache-bytes is 256MiB at least")
	}
	if f.ShareBytes > maxShareBytes {
		return weir.Errorf(weir.Invalid, "--share-segments is 4MiB at most")
	}
	return nil
}

// tiers opens what is behind the edge's memory: a folder on disk, and segments in the cache that edges share. close ends the disk's,
// after Serve. The roles run beside it.
func (p *process) tiers(s *edge.Server) (roles []role, closeDisk func(), err error) {
	f := p.cmd.Edge
	s.Fresh = func() bool { return p.edgeLog.Fresh(time.Now()) }
	closeDisk = func() {}
	if s.Generic != nil {
		return nil, closeDisk, nil
	}
	if !engine.Embedded(p.cmd.Engines.Cache) && f.ShareBytes > 0 {
		s.Segments = &shared.Tier{Cache: p.engines.Cache, MaxBytes: int64(f.ShareBytes), Stale: edge.Purged(p.rulings)}
		roles = append(roles, role{"shared segments", func(ctx context.Context) error { return s.Segments.Run(ctx) }})
	}
	if f.DiskCache != "" {
		s.Disk, err = disk.Open(disk.Config{Dir: f.DiskCache, Bytes: int64(f.DiskBytes), Stale: edge.Purged(p.rulings), Log: p.log})
		if err != nil {
			return nil, nil, fmt.Errorf("--disk-cache: %w", err)
		}
		closeDisk = s.Disk.Close
	}
	return roles, closeDisk, nil
}
