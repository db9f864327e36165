package overload

import (
	"math"
	"runtime/metrics"
	"slices"
	"time"
)

// latencies is the runtime's histogram of how long goroutines were ready and did not run, since the program started.
const latencies = "/sched/latencies:seconds"

// Scheduler tells how long goroutines have waited for a processor since it was asked last. The zero value is ready; it is
// used by one goroutine.
type Scheduler struct {
	sample [1]metrics.Sample
	before []uint64
}

// Wait is the 99th percentile since the last call; 0 the first time, and where nothing ran. It is what a busy machine or a
// small CPU quota costs every request, whoever uses the processors up.
func (s *Scheduler) Wait() time.Duration {
	s.sample[0].Name = latencies
	metrics.Read(s.sample[:])
	if s.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := s.sample[0].Value.Float64Histogram()
	first := len(s.before) != len(h.Counts)
	if first {
		s.before = make([]uint64, len(h.Counts))
	}
	grown := make([]uint64, len(h.Counts))
	for i, n := range h.Counts {
		grown[i] = n - s.before[i]
	}
	copy(s.before, h.Counts)
	if first {
		return 0
	}
	return percentile(grown, h.Buckets, 0.99)
}

// percentile is the upper bound of the bucket that the share of counts reaches, or its lower one if it has no end.
func percentile(counts []uint64, bounds []float64, share float64) time.Duration {
	total := uint64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	left := uint64(math.Ceil(share * float64(total)))
	for i, n := range counts {
		if n >= left {
			bound := bounds[i+1]
			if math.IsInf(bound, 1) {
				bound = bounds[i]
			}
			return time.Duration(bound * float64(time.Second))
		}
		left -= n
	}
	return 0
}

// lasting is how many looks in a row something must be seen in.
const lasting = 5

// Lasting tells a pressure that lasts from a moment's: a pause of the whole machine, or one collection of garbage, is over
// before anything could be done about it. The zero value is ready; it is used by one goroutine.
type Lasting struct {
	seen [lasting]time.Duration
	n    int
}

// Least takes one more look and returns the least of the last five.
func (l *Lasting) Least(d time.Duration) time.Duration {
	l.seen[l.n%lasting] = d
	l.n++
	return slices.Min(l.seen[:])
}
