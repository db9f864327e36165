package edge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/overload"
)

// pressureTick is how often the edge looks at what it has to do.
const pressureTick = 100 * time.Millisecond

// errShed refuses a miss of an edge that has too much to do. What problemOf does not say of it, tellShed does.
var errShed = weir.Errorf(weir.Unavailable, "the edge has more to do than it can: what it has in memory is served, this is not there")

// pressure knows how much the edge has to do, and says what may begin.
type pressure struct {
	overload.Guard
	// reads are those of the origin: how many are in flight, as a share of those allowed at once, and how long one that still
	// waits for its turn has waited. nil: not known.
	reads func() (inFlight float64, wait time.Duration)
}

// watchLoad looks at the load, at each tick until ctx ends.
func (h *handler) watchLoad(ctx context.Context, load func() overload.Load) {
	tick := time.NewTicker(pressureTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			seen, before := load(), h.pressure.Level()
			if level := h.pressure.Observe(now, seen); level != before {
				as := slog.LevelInfo
				if max(level, before) >= overload.Overloaded {
					as = slog.LevelWarn
				}
				h.log.Log(ctx, as, "load level changed", "level", level.String(), "fills", seen.Fills, "queue_wait", seen.QueueWait,
					"memory", seen.Memory, "scheduler", seen.Scheduler)
			}
		}
	}
}

// loadSeen returns what looks at the edge's own load.
func (h *handler) loadSeen() func() overload.Load {
	var scheduler overload.Scheduler
	var lasting overload.Lasting
	return func() overload.Load {
		inFlight, wait := 0.0, time.Duration(0)
		if h.pressure.reads != nil {
			inFlight, wait = h.pressure.reads()
		}
		return loadOf(h.cache.Stats(), h.config.CacheBytes, inFlight, wait, lasting.Least(scheduler.Wait()))
	}
}

// loadOf is the load of an edge whose memory tier is so, by its budget, and whose reads are so: see pressure.reads.
func loadOf(s cache.Stats, budget int64, inFlight float64, wait, scheduler time.Duration) overload.Load {
	l := overload.Load{Fills: inFlight, QueueWait: wait, Scheduler: scheduler,
		Memory: float64(s.Filling+s.Loose+s.Dead) / float64(budget)}
	if inFlight < 1 { // nobody waits for a turn: what was measured is of a time that is over
		l.QueueWait = 0
	}
	return l
}

// allowMiss says whether a fill for a player may begin, or is under way: who waits for that costs nothing more.
func (h *handler) allowMiss(o *object) error {
	if h.pressure.Level() < overload.Overloaded || h.cache.Has(o.key) || h.pressure.Allow(overload.Miss) {
		return nil
	}
	return errShed
}

// tellShed completes the answer to a request that was refused for load. Not all who were are to come back at once.
func tellShed(ctx *fasthttp.RequestCtx, err error, status string) {
	if !errors.Is(err, errShed) {
		return
	}
	ctx.Response.Header.Set("Retry-After", strconv.Itoa(1+rand.IntN(3)))
	ctx.Response.Header.Set("Cache-Status", status)
}

// shedStatus is the Cache-Status of a native path that was refused for load (RFC 9211).
const shedStatus = "weir; fwd=uri-miss; detail=overload"

// sheds says whether x, which nothing fresh answers, is refused for load. Who would wait for a request under way is not.
func (g *generic) sheds(l *look) bool {
	return g.pressure.Level() >= overload.Overloaded && !g.index.flying(l.flight) && !g.pressure.Allow(overload.Miss)
}

// shed answers x, which was refused for load: with what is stored, as if the origin was away, or with a problem.
func (g *generic) shed(ctx *fasthttp.RequestCtx, x *exchange, l *look) error {
	x.status.Detail = "overload"
	s := l.chosen
	if s == nil || !s.StaleOnError(x.demand, g.now(), true, g.limits.MaxStale) {
		return errShed
	}
	fwd := x.status.Fwd
	x.result, x.status.Hit, x.status.Fwd = "stale", true, ""
	if done, err := g.answer(ctx, x, s, nil, nil); done || err != nil {
		return err
	}
	x.status.Hit, x.status.Fwd = false, fwd
	return errShed
}

// flying says whether a request of that name is under way.
func (i *genericIndex) flying(name string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.flights[name] != nil
}
