package edge

import (
	"net/http"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/freshness"
)

// maxJoins bounds how often a request waits for others' answers that turn out not to suit it.
const maxJoins = 3

// get answers a GET from what is stored, or with what the origin says.
func (g *generic) get(ctx *fasthttp.RequestCtx, x *exchange) error {
	for joins := 0; ; {
		now := g.now()
		l := g.look(x, now)
		if l.chosen != nil {
			if done, err := g.reuse(ctx, x, &l, now); done || err != nil {
				return err
			}
		} else if x.status.Fwd = freshness.FwdURIMiss; len(l.others) > 0 {
			x.status.Fwd = freshness.FwdVaryMiss
		}
		switch {
		case x.demand.OnlyIfCached:
			x.status.Fwd = ""
			x.status.Detail = "only-if-cached"
			return weir.Errorf(weir.Timeout, "nothing stored answers this request, and the request asks for nothing else")
		case l.chosen == nil && l.long:
			x.status.Fwd = freshness.FwdBypass
			if g.sheds(&l) {
				return g.shed(ctx, x, &l)
			}
			return g.pass(ctx, x)
		case l.failure == nil && g.sheds(&l):
			return g.shed(ctx, x, &l)
		case l.failure != nil:
			return g.conclude(ctx, x, g.away(x, &l, l.failure))
		case l.chosen == nil && (l.alone || joins == maxJoins):
			return g.own(ctx, x, &l)
		case l.alone || joins == maxJoins:
			return g.conclude(ctx, x, g.fetch(x, &l))
		}
		flight, leader := g.index.join(l.flight)
		if leader {
			return g.lead(ctx, x, &l, flight)
		}
		joins++
		select {
		case <-flight.done:
		case <-g.ctx.Done():
			return weir.Errorf(weir.Unavailable, "the edge is going down")
		}
		x.status.Collapsed = true
		if done, err := g.share(ctx, x, flight.outcome); done || err != nil {
			return err
		}
		x.status.Collapsed = false
		if flight.outcome.stored == nil { // it was for one client only
			joins = maxJoins
		}
	}
}

// reuse answers with the stored response if that is allowed, and says in x why it is not.
func (g *generic) reuse(ctx *fasthttp.RequestCtx, x *exchange, l *look, now time.Time) (done bool, err error) {
	use, demanded := g.reusable(x, l.chosen, now)
	if use == freshness.Validate {
		if x.status.Fwd = freshness.FwdStale; demanded {
			x.status.Fwd = freshness.FwdRequest
		}
		return false, nil
	}
	x.result = [...]string{freshness.Fresh: "hit", freshness.Stale: "stale", freshness.Refresh: "refreshing"}[use]
	x.status.Hit, x.status.Fwd = true, ""
	if done, err = g.answer(ctx, x, l.chosen, nil, nil); !done {
		x.status.Hit, x.status.Fwd = false, freshness.FwdURIMiss
		l.others, l.chosen = nil, nil
		return false, err
	}
	if use == freshness.Refresh && l.failure == nil {
		g.refresh(x, l)
	}
	return done, err
}

// refresh validates a stored response in the background, unless that is being done (RFC 5861 section 3).
func (g *generic) refresh(x *exchange, l *look) {
	if g.sheds(l) {
		return
	}
	flight, leader := g.index.join(l.flight)
	if !leader {
		return
	}
	again := &exchange{method: "GET", target: x.target, header: x.header.Clone(), demand: x.demand, key: x.key, start: x.start, stamp: x.stamp}
	g.shelf.reads.Go(func() { g.fetchFor(again, l, flight) })
}

// release gives back what nobody is sent.
func (f *fetched) release() {
	if f.body != nil {
		f.body.Release()
	}
	if f.passed != nil {
		_ = f.passed.body.Close()
	}
}

// lead asks the origin for x and for all who wait for the same.
func (g *generic) lead(ctx *fasthttp.RequestCtx, x *exchange, l *look, flight *flight) error {
	landed := false
	land := func(o outcome) {
		if !landed {
			landed = true
			g.index.land(l.flight, flight, o)
		}
	}
	defer land(outcome{}) // also if this panics
	f := g.fetch(x, l)
	x.fill = g.now().Sub(x.start)
	land(f.outcome)
	if f.passed != nil && f.passed.length > g.limits.MaxObject && len(x.header["Range"]) > 0 {
		f.release()
		return g.pass(ctx, x) // a part of what is too large comes from the origin
	}
	return g.conclude(ctx, x, f)
}

// share answers with what another's request came to, if that suits this one.
func (g *generic) share(ctx *fasthttp.RequestCtx, x *exchange, o outcome) (done bool, err error) {
	if o.err != nil {
		l := g.look(x, x.start)
		return true, g.conclude(ctx, x, g.away(x, &l, failure(o.err)))
	}
	s := o.stored
	if s == nil || !s.vary.Matches(x.header) {
		return false, nil
	}
	now := g.now()
	if o.status == 0 || freshness.ErrorStatus(o.status) && s.Status != o.status { // it is what was stored, for want of an answer
		if hard, _ := g.purged(x, s); !hard && s.StaleOnError(x.demand, now, o.status == 0, g.limits.MaxStale) {
			x.result = "stale"
			x.status.FwdStatus = o.status
			return g.answer(ctx, x, s, nil, nil)
		}
	}
	if use, demanded := g.reusable(x, s, now); use == freshness.Validate {
		if _, purged := g.purged(x, s); !demanded && !purged { // it came stale: the next ones need not wait
			g.index.note(x.key, func(r *resource) { r.alone = now.Add(alonePeriod) })
		}
		return false, nil
	}
	x.status.FwdStatus, x.result = o.status, "collapsed"
	x.fill = now.Sub(x.start)
	return g.answer(ctx, x, s, nil, nil)
}

// conclude answers with what the origin said.
func (g *generic) conclude(ctx *fasthttp.RequestCtx, x *exchange, f fetched) error {
	x.status.FwdStatus = f.status
	x.status.Stored, x.status.Detail = f.via.Stored, f.via.Detail
	switch {
	case f.err != nil:
		return f.err
	case f.passed != nil:
		x.result = "pass"
		return g.relay(ctx, x, f.passed)
	}
	switch {
	case f.status == http.StatusNotModified:
		x.result = "validated"
	case f.status == 0 || freshness.ErrorStatus(f.status) && f.body == nil && f.status != f.stored.Status:
		x.result = "stale"
		if f.status == 0 {
			x.status.Fwd, x.status.Hit, x.status.Detail = "", true, "origin-away"
		}
	default:
		x.result = "miss"
	}
	done, err := g.answer(ctx, x, f.stored, f.body, f.full)
	if err == nil && !done { // its bytes were evicted
		return g.pass(ctx, x)
	}
	return err
}

// own forwards x for this client alone: as it is if it asks for less than the whole, which then is not stored.
func (g *generic) own(ctx *fasthttp.RequestCtx, x *exchange, l *look) error {
	if len(x.header["Range"]) > 0 || freshness.Conditional(x.header) {
		return g.pass(ctx, x)
	}
	return g.conclude(ctx, x, g.fetch(x, l))
}

// head answers a HEAD from a stored GET, or passes it on and learns from the answer (RFC 9111 section 4.3.5).
func (g *generic) head(ctx *fasthttp.RequestCtx, x *exchange) error {
	l := g.look(x, x.start)
	x.status.Fwd = freshness.FwdURIMiss
	if l.chosen != nil {
		if done, err := g.reuse(ctx, x, &l, x.start); done || err != nil {
			return err
		}
	}
	if x.demand.OnlyIfCached {
		return weir.Errorf(weir.Timeout, "nothing stored answers this request, and the request asks for nothing else")
	}
	if g.sheds(&l) {
		return g.shed(ctx, x, &l)
	}
	requested := g.now()
	header := forwarded(x.header)
	res, _, err := g.call(&originRequest{method: "HEAD", target: x.target, header: header})
	if err != nil {
		return g.conclude(ctx, x, g.failed(x, &l, err))
	}
	if s := l.chosen; s != nil && res.status == http.StatusOK && s.Status == http.StatusOK {
		if s.SameAsHead(res.header, g.sizeOf(s)) {
			g.freshen(x, &l, s, res.header, requested)
		} else {
			g.index.drop(x.key, s)
		}
	}
	x.status.FwdStatus = res.status
	return g.relay(ctx, x, res)
}

// sizeOf is how many bytes a stored response has; cache.Unknown if that is not known.
func (g *generic) sizeOf(s *stored) int64 {
	if s.key.Object == "" {
		return 0
	}
	if s.key.Length != cache.Unknown {
		return s.key.Length
	}
	body, ok := g.cache.Open(s.key)
	if !ok {
		return cache.Unknown
	}
	defer body.Release()
	return body.Size()
}
