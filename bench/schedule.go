package bench

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Schedule is when requests are meant to start, as offsets from the run's start. It does not wait for answers: an open
// loop. It is safe for concurrent use.
type Schedule struct {
	rate    float64 // a second
	poisson bool
	until   time.Duration

	mu   sync.Mutex // guards what follows
	r    *rand.Rand
	last float64 // seconds
	n    int
}

// NewSchedule has rate arrivals a second until the given offset, evenly spaced or, like independent viewers, with
// exponential gaps (a Poisson process). Equal seeds give equal schedules.
func NewSchedule(rate float64, poisson bool, until time.Duration, seed uint64) *Schedule {
	return &Schedule{rate: rate, poisson: poisson, until: until, r: rand.New(rand.NewPCG(seed, 0x7765697273))}
}

// Next is the next arrival and its number from 0; false is the end.
func (s *Schedule) Next() (at time.Duration, n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.poisson:
		s.last += s.r.ExpFloat64() / s.rate
	default:
		s.last = float64(s.n) / s.rate
	}
	at = time.Duration(s.last * float64(time.Second))
	if at >= s.until {
		return 0, 0, false
	}
	s.n++
	return at, s.n - 1, true
}

// Zipf picks indexes below n such that the k-th most popular is asked for in proportion to 1/k^s: titles of a catalogue.
type Zipf struct{ cumulative []float64 }

// NewZipf prepares n > 0 choices; s = 0 makes all alike.
func NewZipf(n int, s float64) Zipf {
	z := Zipf{cumulative: make([]float64, n)}
	sum := 0.0
	for k := range n {
		sum += math.Pow(float64(k+1), -s)
		z.cumulative[k] = sum
	}
	return z
}

// Pick is the choice for u, uniform in [0, 1).
func (z Zipf) Pick(u float64) int {
	u *= z.cumulative[len(z.cumulative)-1]
	lo, hi := 0, len(z.cumulative)-1
	for lo < hi {
		mid := (lo + hi) / 2
		if z.cumulative[mid] > u {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
