package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

// Players are virtual viewers: each opens a title, reads its real manifest and loads segments as a player would, by
// throughput and buffer, until it is through, the viewer has enough, or the viewer waited too long. Titles are drawn by
// Zipf. Arrivals are an open loop; with a rate of 0 all seats are taken at once and taken again when they become free.
type Players struct {
	Hosts   *Hosts
	Zipf    float64       // the exponent; 0 is all titles alike
	Watch   time.Duration // mean time a viewer watches, exponential; 0 is to the end
	Seeks   float64       // mean seeks a minute of watching
	Abandon time.Duration // a viewer who waits that long for the start, or for one stall, leaves
}

// Name is players.
func (Players) Name() string { return "players" }

// hosts makes Hosts safe for many players.
type hosts struct {
	mu sync.Mutex // guards h
	h  *Hosts
}

func (h *hosts) target(ctx context.Context, raw string) (Target, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.h.Target(ctx, raw)
}

// Load runs players until the time is up.
func (p Players) Load(ctx context.Context, r *Run, targets []Target) error {
	if p.Abandon <= 0 || p.Watch < 0 || p.Seeks < 0 || p.Zipf < 0 || p.Zipf > 5 {
		return weir.Errorf(weir.Invalid, "viewers watch, seek and wait for positive times; Zipf's exponent is 0 to 5")
	}
	r.Setting("titles", len(targets))
	r.Setting("zipf", p.Zipf)
	r.Setting("watch", p.Watch)
	r.Setting("seeks a minute", p.Seeks)
	zipf := NewZipf(len(targets), p.Zipf)
	shared := &hosts{h: p.Hosts}
	var schedule *Schedule
	if r.Rate > 0 {
		schedule = NewSchedule(r.Rate, !r.Constant, r.For, r.Seed)
	}
	workers(r.Connections, func(seat int) {
		for n := 0; ctx.Err() == nil; n++ {
			number := n*r.Connections + seat
			intended := time.Now()
			if schedule != nil {
				at, k, ok := schedule.Next()
				if !ok || !r.wait(ctx, at) {
					return
				}
				number, intended = k, r.began.Add(at)
			}
			v := &viewer{players: p, run: r, hosts: shared, asker: asker{run: r}, at: intended, r: rand.New(rand.NewPCG(r.Seed, uint64(number)))}
			v.watch(ctx, targets[zipf.Pick(v.r.Float64())])
			if !v.Started && schedule == nil {
				pause(ctx, time.Second) // whoever could not see anything does not hammer
			}
		}
	})
	r.demandPlay()
	return nil
}

func (r *Run) demandPlay() {
	r.Recorder.mu.Lock()
	defer r.Recorder.mu.Unlock()
	if r.qoe == nil {
		r.Demand(false, "players play", "no player came to an end")
		return
	}
	q := r.qoe.result()
	wrong := int64(0)
	for _, n := range r.errors {
		wrong += n
	}
	r.Demand(wrong == 0, "no request fails", "%d failed", wrong)
	r.Demand(q.NeverPlayed == 0, "every player starts", "%d of %d did not", q.NeverPlayed, q.Players)
	r.Demand(q.Rebuffer < 0.01, "less than 1 % of the time is waited in the middle", "%.2f %%", q.Rebuffer*100)
}
