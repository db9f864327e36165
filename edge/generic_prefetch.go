package edge

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cmcd"
	"github.com/weirstream/weir/edge/overload"
)

// after fetches ahead what a player names in CMCD: here nothing else says what comes next.
func (g *generic) after(ctx *fasthttp.RequestCtx, x *exchange) {
	switch {
	case g.config.NoPrefetch, x.method != http.MethodGet, x.target.Opaque[0] != '/', ctx.Response.StatusCode() != http.StatusOK,
		x.demand.NoStore, x.ticket != nil && x.ticket.Flags&weir.FlagNoPrefetch != 0:
		return
	}
	g.prefetch.asked(&cache.Key{Object: x.key})
	said := g.prefetch.said(ctx)
	if said == nil {
		return
	}
	defer g.prefetch.data.Put(said)
	who := session{id: g.client(ctx).String()}
	if x.ticket != nil {
		who = session{x.ticket.Organisation, x.ticket.Session}
	}
	prefix := weir.AnyPath
	if x.ticket != nil {
		prefix = x.ticket.Prefix
	}
	path, _, _ := strings.Cut(x.target.Opaque, "?")
	for i, n := range said.Next() {
		if i == maxAheadRequest {
			return
		}
		if target, ok := nextTarget(path, prefix, n); ok {
			g.fetchAhead(x, target, who)
		}
	}
}

// nextTarget is the target of what a player names, seen from path, on the same host: below prefix, which a ticket is for.
func nextTarget(path, prefix string, said cmcd.Next) (target string, ok bool) {
	name, query, has := bytes.Cut(said.Path, []byte{'?'})
	target, ok = cmcd.Resolve(path, "/", string(name))
	if !ok || len(name) == 0 || !unambiguous(target) || !weir.Covers(prefix, target[1:]) {
		return "", false
	}
	if has {
		if bytes.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }) {
			return "", false
		}
		target += "?" + string(query)
	}
	return target, true
}

// fetchAhead asks the origin for target as if the client of x had, unless something of it is stored or under way, and keeps what
// may be kept.
func (g *generic) fetchAhead(x *exchange, target string, who session) {
	u := *x.target
	u.Opaque = target
	again := &exchange{method: http.MethodGet, target: &u, header: x.header.Clone(), demand: x.demand, start: g.now()}
	again.key = u.Scheme + "://" + u.Host + u.Opaque
	for _, name := range []string{"Cmcd-Object", "Cmcd-Request", "Cmcd-Session", "Cmcd-Status"} { // they speak of another object
		delete(again.header, name)
	}
	l := g.look(again, again.start)
	if l.chosen != nil || l.alone || l.long || l.failure != nil || g.index.flying(l.flight) {
		return
	}
	p, key := g.prefetch, cache.Key{Object: again.key}
	if !g.pressure.Allow(overload.Prefetch) || !p.enter(who) {
		return
	}
	flight, leader := g.index.join(l.flight)
	if !leader {
		p.leave(who)
		return
	}
	p.remember(&key)
	g.shelf.reads.Go(func() {
		defer p.leave(who)
		if !g.fetchFor(again, &l, flight) {
			p.failed.Add(1)
			p.forget(&key)
		}
		if p.at != nil {
			p.at("edge.prefetched")
		}
	})
}

// fetchFor asks the origin for x, which no client waits for, and for all who join the flight meanwhile. It returns when all of
// the answer is there, and says whether it is stored.
func (g *generic) fetchFor(x *exchange, l *look, flight *flight) bool {
	var f fetched
	landed := false
	defer func() {
		if p := recover(); p != nil {
			g.metrics.panics.Inc()
			g.log.Error("fetch in the background panicked", "panic", p)
		}
		if !landed {
			g.index.land(l.flight, flight, f.outcome)
		}
	}()
	f = g.fetch(x, l)
	landed = true
	g.index.land(l.flight, flight, f.outcome)
	defer f.release()
	if f.body == nil {
		return f.stored != nil
	}
	_, err := wholeSize(g.ctx, f.body)
	return err == nil
}
