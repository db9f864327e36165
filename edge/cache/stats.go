//go:build linux

package cache

// Stats is a snapshot of the counters. The object hit ratio is Hits (and Collapsed) by all three; the byte hit ratio is the
// same of the bytes, each counted as the whole body.
type Stats struct {
	Hits, Misses, Collapsed, Refused    int64 // since New; a miss started a fill, a collapsed call waited for one
	HitBytes, MissBytes, CollapsedBytes int64
	Evictions, Moved, Panics            int64 // Moved is bytes copied so that pages come free

	Bytes      int64 // all that counts against the budget: the sum of the next four
	EntryBytes int64 // of whole entries, Overhead included
	Filling    int64 // of fills in flight
	Loose      int64 // evicted, forgotten or failed, but somebody still reads or fills them
	Dead       int64 // of pages that wait for their last survivor, and what is left of pages begun
	Index      int64 // Overhead, ghosts included, of the first three
	LiveBytes  int64 // of EntryBytes and Filling, what has Options.Live
	Entries    int64
	Ghosts     int64 // keys remembered after their eviction
	HugePages  bool
}

// Stats reads the counters; those of requests are not of one instant with the rest.
func (m *Memory) Stats() Stats {
	s := Stats{Evictions: m.events.evictions.Load(), Moved: m.events.moved.Load(), Panics: m.events.panics.Load(), HugePages: m.reserve > 0}
	for i := range m.shards {
		shard := &m.shards[i]
		shard.mu.Lock()
		c := shard.counts
		shard.mu.Unlock()
		s.Hits += c.hits
		s.Misses += c.misses
		s.Collapsed += c.collapsed
		s.Refused += c.refused
		s.HitBytes += c.hitBytes
		s.MissBytes += c.missBytes
		s.CollapsedBytes += c.collapsedBytes
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.arena == nil {
		return s
	}
	for i := range m.classes {
		c := &m.classes[i]
		s.EntryBytes += c.queues.bytes()
		s.Filling += c.filling
		s.Entries += int64(c.queues.len())
		s.Ghosts += int64(len(c.queues.ghosts))
	}
	s.Loose, s.LiveBytes = m.loose, m.classes[1].bytes()
	s.Index, s.Dead = m.objects*Overhead, m.arena.Charged()-m.arena.Used()
	s.Bytes = m.total()
	return s
}
