package edge

import (
	"bytes"
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cmcd"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/edge/overload"
)

// Bounds of prefetches. What is beyond them is dropped, never queued: the player's own request comes soon enough.
const (
	maxAhead        = 16      // in flight
	maxAheadSession = 2       // of one ticket session, in flight
	maxAheadRequest = 2       // that one request brings on
	recentAhead     = 1 << 12 // that are remembered until they are asked for
)

// prefetches are reads of what players are going to ask for.
type prefetches struct {
	at     func(point string) // nil: no named points
	seed   maphash.Seed
	recent []atomic.Uint64 // hashes of objects fetched ahead and not asked for since, each at its place; 0 is none
	data   sync.Pool       // of *cmcd.Data

	started, failed, dropped, used, wasted atomic.Int64

	mu       sync.Mutex // guards all below
	flying   int
	sessions map[session]int // of those in flight
}

// session is whose ticket brings a prefetch on.
type session struct{ organisation, id string }

func newPrefetches(at func(string)) *prefetches {
	return &prefetches{at: at, seed: maphash.MakeSeed(), recent: make([]atomic.Uint64, recentAhead), sessions: map[session]int{},
		data: sync.Pool{New: func() any { return new(cmcd.Data) }}}
}

// enter says whether a prefetch may begin now; then leave ends it.
func (p *prefetches) enter(s session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flying >= maxAhead || p.sessions[s] >= maxAheadSession {
		p.dropped.Add(1)
		return false
	}
	p.flying++
	p.sessions[s]++
	p.started.Add(1)
	return true
}

func (p *prefetches) leave(s session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
	if p.sessions[s]--; p.sessions[s] == 0 {
		delete(p.sessions, s)
	}
}

// place is where an object is remembered, and as what.
func (p *prefetches) place(key *cache.Key) (*atomic.Uint64, uint64) {
	h := (maphash.String(p.seed, key.Object) ^ uint64(key.Offset)*0x9e3779b97f4a7c15) | 1
	return &p.recent[h>>32%recentAhead], h
}

// remember notes that an object is fetched ahead. What was remembered at its place is forgotten: nobody asked for it.
func (p *prefetches) remember(key *cache.Key) {
	at, h := p.place(key)
	if old := at.Swap(h); old != 0 && old != h {
		p.wasted.Add(1)
	}
}

// asked says whether an object was fetched ahead and is asked for the first time since.
func (p *prefetches) asked(key *cache.Key) bool {
	at, h := p.place(key)
	if at.Load() != h || !at.CompareAndSwap(h, 0) {
		return false
	}
	p.used.Add(1)
	return true
}

// forget takes back what remember noted.
func (p *prefetches) forget(key *cache.Key) {
	at, h := p.place(key)
	at.CompareAndSwap(h, 0)
}

// said reads what a player says with its request; nil is nothing. The caller puts it back into p.data.
func (p *prefetches) said(ctx *fasthttp.RequestCtx) *cmcd.Data {
	req := &ctx.Request.Header
	var query []byte
	if uri := req.RequestURI(); bytes.IndexByte(uri, '?') >= 0 {
		_, query, _ = bytes.Cut(uri, []byte{'?'})
	}
	// One look at all fields costs less than to ask for four. Those of another spelling are not looked for: it is advice.
	raw := req.RawHeaders()
	if !bytes.Contains(raw, []byte("CMCD-")) && !bytes.Contains(raw, []byte("cmcd-")) && !bytes.Contains(raw, []byte("Cmcd-")) &&
		!bytes.Contains(query, []byte("CMCD=")) {
		return nil
	}
	d := p.data.Get().(*cmcd.Data)
	if !d.Read(req.Peek("CMCD-Object"), req.Peek("CMCD-Request"), req.Peek("CMCD-Session"), req.Peek("CMCD-Status"), query) {
		p.data.Put(d)
		return nil
	}
	return d
}

// after does what follows an answer: it tells a player that speaks of itself about the answer, and fetches ahead.
func (h *handler) after(ctx *fasthttp.RequestCtx, ticket *weir.Ticket, t *target, r *representation) {
	if r.of == nil { // of little use, and not asked for by players' schedules
		return
	}
	said := h.prefetch.said(ctx)
	if said != nil {
		defer h.prefetch.data.Put(said)
		h.tellCMSD(ctx, t, r)
	}
	// A plain hit brings on nothing: whoever asked first has. So the chain of a player that is the first to see a title goes on
	// from one object that was fetched ahead to the next, and the others' requests cost a look into the table.
	first := r.object.key.Object != "" && (h.prefetch.asked(&r.object.key) || r.source != cache.Hit)
	switch {
	case h.config.NoPrefetch, ticket.Flags&weir.FlagNoPrefetch != 0, !ctx.IsGet(), !first && said == nil, probes(ctx, t, r):
		return
	}
	var space [maxAheadRequest]object
	list := r.of.followers(space[:0], t, ticket.Prefix, said, first)
	for i := range list {
		o := &list[i]
		if h.cache.Has(o.key) {
			continue
		}
		if !h.pressure.Allow(overload.Prefetch) {
			return
		}
		h.fetchAhead(session{ticket.Organisation, ticket.Session}, *o, time.Duration(r.of.head.TargetDuration)*time.Second)
	}
}

// probes says whether the answer is not one to a player that plays on: no bytes, or few of a segment.
func probes(ctx *fasthttp.RequestCtx, t *target, r *representation) bool {
	switch ctx.Response.StatusCode() {
	case fasthttp.StatusOK:
		return false
	case fasthttp.StatusPartialContent:
		return t.what == mediaSegment && int64(ctx.Response.Header.ContentLength())*2 < r.size
	}
	return true
}

// next is something that a player says it will ask for.
type next struct {
	target
	ranged      bool
	first, last int64 // of the range, inclusive; last < 0 is the end
}

// nextOf is what one entry of CMCD's nor names, seen from t: media of the same asset and revision, below prefix, which a ticket
// is for. A player may name anything; what it may not ask for is as good as not named.
func nextOf(t *target, prefix string, said cmcd.Next) (n next, ok bool) {
	name, _, _ := bytes.Cut(said.Path, []byte{'?'}) // native paths have no queries of their own, but tickets
	base := "/" + string(t.path)
	revision := len(t.asset) + 1 + bytes.IndexByte(t.path[len(t.asset)+1:], '/') + 2 // where "/asset/revision/" ends in base
	path, ok := cmcd.Resolve(base, base[:revision], string(name))
	if !ok || len(path) > maxPath || !weir.Covers(prefix, path[1:]) {
		return next{}, false
	}
	n = next{ranged: said.Ranged, first: said.First, last: said.Last}
	n.path = []byte(path[1:])
	if checkPath(n.path) != nil || !n.split() {
		return next{}, false
	}
	switch {
	case n.what == mediaSegment:
		return n, true // all of it, whatever the range
	case n.what == wholeTrack && n.ranged && n.first >= 0:
		return n, true
	}
	return next{}, false
}

// followers appends to list, within its capacity, the objects that are asked for after t: those that the player names, or else,
// if t came to be in memory just now, the segment after it. What is not listed yet is not there.
func (r *revision) followers(list []object, t *target, prefix string, said *cmcd.Data, first bool) []object {
	if said != nil && len(said.Next()) > 0 { // it knows better
		for _, s := range said.Next() {
			if n, ok := nextOf(t, prefix, s); ok {
				list = r.objects(list, &n)
			}
		}
		return list
	}
	if t.what != mediaSegment || !first || len(list) == cap(list) {
		return list
	}
	n := next{target: *t}
	n.number++
	return r.objects(list, &n)
}

// objects appends to list, within its capacity, those that n names.
func (r *revision) objects(list []object, n *next) []object {
	rep, err := r.represent(&n.target, false, time.Time{})
	if err != nil {
		return list
	}
	if rep.stream == nil {
		if len(list) < cap(list) {
			list = append(list, rep.object)
		}
		return list
	}
	last := n.last
	if size := rep.stream.size(); last < 0 || last >= size {
		last = size - 1
	}
	for off := max(n.first, int64(len(rep.stream.index))); off <= last && len(list) < cap(list); {
		i, _ := rep.stream.at(off)
		list = append(list, rep.stream.segments[i])
		off = rep.stream.ends[i]
	}
	return list
}

// fetchAhead reads an object into memory in the background, if that is not too many. It is of use for that long.
func (h *handler) fetchAhead(s session, o object, useful time.Duration) {
	p := h.prefetch
	if !p.enter(s) {
		return
	}
	p.remember(&o.key)
	until := time.Now().Add(useful)
	h.shelf.reads.Go(func() {
		defer p.leave(s)
		err := h.bring(&o, origin.Want{Priority: origin.Prefetch, Deadline: until})
		if err != nil {
			p.failed.Add(1)
			p.forget(&o.key)
			h.log.Debug("prefetch failed", "object", o.key.Object, "offset", o.key.Offset, "error", err)
		}
		if p.at != nil {
			p.at("edge.prefetched")
		}
	})
}

// bring has an object filled and returns when all of it is there.
func (h *handler) bring(o *object, want origin.Want) error {
	ctx, cancel := context.WithTimeout(h.ctx, h.config.FillTimeout)
	defer cancel()
	stamp := h.rulings.Number()
	kept := func() { h.offer(o.key, stamp, false) }
	body, _, err := h.cache.Fill(ctx, o.key, cache.Options{Live: o.live, Ahead: true, Stamp: stamp, Kept: kept},
		func(ctx context.Context, w *cache.Writer) error {
			return h.tiers.fill(ctx, o, want, w, new(atomic.Int32))
		})
	if err != nil {
		return err
	}
	defer body.Release()
	_, err = body.Run(ctx, o.key.Length-1, 1) // the last byte is the last to be handed out
	return err
}
