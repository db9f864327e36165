package edge

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirstream/weir/edge/cache/disk"
	"github.com/weirstream/weir/edge/cache/shared"
)

// metrics are those of the tiers that there are.
func (t *tiers) metrics() (all []prometheus.Collector) {
	if d := t.disk; d != nil {
		of := func(pick func(disk.Stats) int64) func() int64 { return func() int64 { return pick(d.Stats()) } }
		all = append(all,
			gauge("weir_edge_disk_bytes", "Bytes on disk of bodies that can be read.", of(func(s disk.Stats) int64 { return s.Bytes })),
			gauge("weir_edge_disk_entries", "Bodies on disk that can be read.", of(func(s disk.Stats) int64 { return s.Entries })),
			count("weir_edge_disk_hits_total", "Fills that the disk gave the whole body for.", of(func(s disk.Stats) int64 { return s.Hits })),
			count("weir_edge_disk_misses_total", "Fills that it did not.", of(func(s disk.Stats) int64 { return s.Misses })),
			count("weir_edge_disk_stored_total", "Bodies written.", of(func(s disk.Stats) int64 { return s.Stored })),
			count("weir_edge_disk_dropped_total", "Bodies that were not written, though wanted: the writer was behind, or the disk off.", of(func(s disk.Stats) int64 { return s.Dropped })),
			count("weir_edge_disk_damaged_total", "Bodies given up since a checksum was wrong.", of(func(s disk.Stats) int64 { return s.Damaged })),
			count("weir_edge_disk_busy_total", "Misses since the disk had too much to do.", of(func(s disk.Stats) int64 { return s.Busy })),
			count("weir_edge_disk_reclaimed_total", "Regions removed for room.", of(func(s disk.Stats) int64 { return s.Reclaimed })),
			gauge("weir_edge_disk_on", "Whether the disk tier reads and writes: 0 or 1.", of(func(s disk.Stats) int64 {
				if s.State == "on" {
					return 1
				}
				return 0
			})))
	}
	if t.shared != nil {
		of := func(pick func(shared.Stats) int64) func() int64 {
			return func() int64 { return pick(t.shared.Stats()) }
		}
		all = append(all,
			count("weir_edge_shared_segment_hits_total", "Fills that the shared cache gave the whole body for.", of(func(s shared.Stats) int64 { return s.Hits })),
			count("weir_edge_shared_segment_misses_total", "Fills that it did not.", of(func(s shared.Stats) int64 { return s.Misses })),
			count("weir_edge_shared_segment_stored_total", "Bodies and absences written to the shared cache.", of(func(s shared.Stats) int64 { return s.Stored })),
			count("weir_edge_shared_segment_dropped_total", "Those not written, though wanted: the queue was full, or the cache away.", of(func(s shared.Stats) int64 { return s.Dropped })),
			count("weir_edge_shared_segment_damaged_total", "Bodies that were not what they should be.", of(func(s shared.Stats) int64 { return s.Damaged })))
	}
	return all
}
