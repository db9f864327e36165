package bench

import (
	"iter"
	"math/rand/v2"

	weir "github.com/weirstream/weir"
)

// Wanted is a request of a trace. Sizes are a 64th of real ones, so that hours of traffic fit a test.
type Wanted struct {
	ID, Size int64 // of a segment; what is live and what is not may have equal numbers
	Live     bool
}

// films is sessions of titles by Zipf's law, at once: each asks for one segment after the other of one rung, and most leave
// early.
type films struct {
	titles, segments, sessions int
	skew                       float64 // Zipf's exponent
	stay                       float64 // how likely a viewer takes another segment
	rungs                      int
	seed                       uint64
}

func (v films) requests(n int) iter.Seq[Wanted] {
	return func(yield func(Wanted) bool) {
		rng := rand.New(rand.NewPCG(v.seed, 1))
		zipf := NewZipf(v.titles, v.skew)
		type session struct{ title, rung, next, end int }
		start := func() session {
			title := zipf.Pick(rng.Float64())
			length := v.segments/2 + int(traceHash(int64(title), 1)%uint64(v.segments))
			end := 1 + int(rng.ExpFloat64()/(1-v.stay))
			if rng.IntN(5) == 0 { // to the end
				end = length
			}
			return session{title, rng.IntN(v.rungs), 0, min(end, length)}
		}
		live := make([]session, v.sessions)
		for i := range live {
			live[i] = start()
			live[i].next = rng.IntN(live[i].end) // in the middle of it
		}
		for range n {
			s := &live[rng.IntN(len(live))]
			id := (int64(s.title)*16+int64(s.rung))*100000 + int64(s.next)
			size := int64(4<<10)<<s.rung + int64(traceHash(id, 2)%(4<<10<<s.rung))
			if !yield(Wanted{ID: id, Size: size}) {
				return
			}
			if s.next++; s.next >= s.end {
				*s = start()
			}
		}
	}
}

// channels is live: each tick brings a segment of each channel and rung. Most viewers are at the edge; some go back: to the
// start of the programme that runs, to a moment that many talk about, or anywhere, and watch from there.
type channels struct {
	channels, rungs, viewers int
	skew                     float64
	dvr                      int     // segments that may be sought back
	programme                int     // segments of one; each has three moments
	back                     float64 // how many viewers go back
	anywhere                 float64 // how many of these go anywhere
	seed                     uint64
}

func (c channels) requests(n int) iter.Seq[Wanted] {
	return func(yield func(Wanted) bool) {
		rng := rand.New(rand.NewPCG(c.seed, 2))
		zipf := NewZipf(c.channels, c.skew)
		type viewer struct{ channel, rung, behind, left int }
		start := func(tick int) viewer {
			v := viewer{channel: zipf.Pick(rng.Float64()), rung: rng.IntN(c.rungs), behind: rng.IntN(3), left: 10 + int(rng.ExpFloat64()*60)}
			if rng.Float64() >= c.back {
				return v
			}
			v.left = 3 + int(rng.ExpFloat64()*20)
			if rng.Float64() < c.anywhere {
				v.behind = 3 + rng.IntN(c.dvr)
				return v
			}
			begin := tick / c.programme * c.programme
			moment := rng.IntN(4) // the first is the start
			at := begin + moment*int(traceHash(int64(begin+v.channel), 5)%uint64(c.programme/4))
			if at > tick-3 {
				at = begin
			}
			v.behind = max(tick-at, 3)
			return v
		}
		viewers := make([]viewer, c.viewers)
		for i := range viewers {
			viewers[i] = start(c.dvr + 10)
		}
		for tick := c.dvr + 10; ; tick++ {
			for _, i := range rng.Perm(len(viewers)) {
				v := &viewers[i]
				id := int64(tick-v.behind)*1000 + int64(v.channel)*10 + int64(v.rung)
				if n--; n < 0 || !yield(Wanted{ID: id, Size: int64(8<<10)<<v.rung + int64(traceHash(id, 3)%(8<<10))}) {
					return
				}
				if v.left--; v.left < 0 {
					*v = start(tick)
				}
			}
		}
	}
}

// mixed is two traces in turn; what is of the second is live.
func mixed(a, b iter.Seq[Wanted]) iter.Seq[Wanted] {
	return func(yield func(Wanted) bool) {
		next, stop := iter.Pull(b)
		defer stop()
		for r := range a {
			s, ok := next()
			if s.Live = true; !yield(r) || !ok || !yield(s) {
				return
			}
		}
	}
}

// traceHash draws for a segment what is the same whenever it is asked for.
func traceHash(id, n int64) uint64 {
	h := uint64(id)*0x9e3779b97f4a7c15 ^ uint64(n)*0xbf58476d1ce4e5b9
	h ^= h >> 31
	return h * 0x94d049bb133111eb
}

// The traces that caches are compared with.
var (
	manyFilms = films{titles: 2000, segments: 100, sessions: 300, skew: 0.9, stay: 0.97, rungs: 3, seed: 1}
	manyClips = films{titles: 5000, segments: 10, sessions: 100, skew: 0.8, stay: 0.7, rungs: 2, seed: 2}
	manyTV    = channels{channels: 20, rungs: 3, viewers: 400, skew: 1, dvr: 900, programme: 450, back: 0.3, anywhere: 0.5, seed: 3}
	fewTV     = channels{channels: 5, rungs: 3, viewers: 200, skew: 1, dvr: 900, programme: 450, back: 0.3, anywhere: 1, seed: 4}
	tailTV    = channels{channels: 5, rungs: 3, viewers: 400, skew: 1, dvr: 900, programme: 450, back: 0.7, anywhere: 1, seed: 5}
)

// Trace is n requests of the trace of a name: films, clips, live (20 channels), few (5 channels), tail (5 channels, most viewers
// seek), or mixed (films and few in turn). The error is Invalid: there is none of that name.
func Trace(name string, n int) (iter.Seq[Wanted], error) {
	switch name {
	case "films":
		return manyFilms.requests(n), nil
	case "clips":
		return manyClips.requests(n), nil
	case "live":
		return alive(manyTV.requests(n)), nil
	case "few":
		return alive(fewTV.requests(n)), nil
	case "tail":
		return alive(tailTV.requests(n)), nil
	case "mixed":
		return mixed(manyFilms.requests(n/2), fewTV.requests(n/2)), nil
	}
	return nil, weir.Errorf(weir.Invalid, "%q is no trace: films, clips, live, few, tail or mixed", name)
}

func alive(a iter.Seq[Wanted]) iter.Seq[Wanted] {
	return func(yield func(Wanted) bool) {
		for r := range a {
			if r.Live = true; !yield(r) {
				return
			}
		}
	}
}
