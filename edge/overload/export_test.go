package overload

import "time"

// Percentile is percentile.
func Percentile(counts []uint64, bounds []float64, share float64) time.Duration {
	return percentile(counts, bounds, share)
}
