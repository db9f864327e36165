package edge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/accesslog"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/edge/token"
)

// handler answers requests. It is made by Server.Serve and lives as long as that call.
type handler struct {
	config  Config
	ctx     context.Context // ends when the server has drained
	now     func() time.Time
	log     *slog.Logger
	tiers   tiers
	cache   *cache.Memory
	shelf   *shelf
	tickets *tickets
	rulings *rulings.Rulings
	metrics *metrics
	tokens  *Tokens        // nil: none are taken
	access  *accesslog.Log // nil: none
	name    string         // among edges

	pressure *pressure
	prefetch *prefetches

	warnFill, warnAccept, warnRefuse limiter // of their lines in the log
}

// limiter lets one pass a second.
type limiter struct{ next atomic.Int64 }

func (l *limiter) due(now time.Time) bool {
	next := l.next.Load()
	return now.UnixNano() >= next && l.next.CompareAndSwap(next, now.Add(time.Second).UnixNano())
}

// handle answers one request. It is the fasthttp handler.
func (h *handler) handle(ctx *fasthttp.RequestCtx) {
	var t target
	c := ctx.Conn().(*conn)
	c.enter(phaseHandling)
	h.accountFor(c)
	defer h.finish(ctx, &t)
	setCommon(ctx)
	if !acceptable(ctx) {
		return
	}
	if ctx.Request.Header.ContentLength() == -1 {
		ctx.SetConnectionClose() // chunked: no reader of media sends it, and fasthttp takes trailers whose lines end in LF alone
	}
	switch {
	case ctx.IsOptions():
		preflight(ctx)
		return
	case !ctx.IsGet() && !ctx.IsHead():
		p := problem{Status: fasthttp.StatusMethodNotAllowed, Detail: "media can only be read: use GET or HEAD"}
		p.named("method-not-allowed").write(ctx)
		return
	}
	if err := h.answer(ctx, &t); err != nil {
		p := problemOf(err)
		if p.Status == fasthttp.StatusInternalServerError {
			h.log.Error("request failed", "path", string(t.path), "error", err)
		}
		p.write(ctx)
		tellShed(ctx, err, shedStatus)
	}
	if t.ticketHidden {
		keepPrivate(ctx)
	}
}

// acceptable says whether the request is what both sides take for one; if not it is answered, and the last of its
// connection.
func acceptable(ctx *fasthttp.RequestCtx) bool {
	if err := checkFraming(&ctx.Request.Header); err != nil {
		ctx.SetConnectionClose()
		problemOf(err).write(ctx)
		return false
	}
	if expect := ctx.Request.Header.Peek("Expect"); len(expect) > 0 && !bytes.EqualFold(expect, []byte("100-continue")) {
		ctx.SetConnectionClose() // whether its body comes is not known
		p := problem{Status: fasthttp.StatusExpectationFailed, Detail: "nothing but 100-continue can be expected"}
		p.named("expectation-failed").write(ctx)
		return false
	}
	return true
}

// keepPrivate forbids shared caches to keep the answer. They may keep what is public even if the request had an
// Authorization field (RFC 9111 section 3.5), and would hand it to whoever asks without one.
func keepPrivate(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	if rest, ok := bytes.CutPrefix(h.Peek("Cache-Control"), []byte("public")); ok {
		h.Set("Cache-Control", "private"+string(rest))
	}
}

// finish contains a panic, counts and logs. t is what was understood of the request.
func (h *handler) finish(ctx *fasthttp.RequestCtx, t *target) {
	if p := recover(); p != nil {
		h.metrics.panics.Inc()
		h.log.Error("request panicked", "path", string(t.path), "panic", p, "stack", string(debug.Stack()))
		ctx.Response.Reset()
		ctx.Conn().(*conn).drop()
		setCommon(ctx)
		problemOf(weir.Errorf(weir.Internal, "panic")).write(ctx)
	}
	status := ctx.Response.StatusCode()
	h.metrics.answered(t.what, status)
	h.record(ctx, t, status)
	if status < 300 && !ctx.Response.IsBodyStream() && !ctx.IsHead() {
		h.metrics.bytes[t.what].Add(float64(len(ctx.Response.Body())))
	}
	if h.log.Enabled(h.ctx, slog.LevelDebug) {
		h.log.Debug("request", "method", string(loggedMethod(ctx.Method())), "path", string(t.path), "status", status,
			"ticket", weir.RedactTicket(string(t.ticket)), "client", h.client(ctx).String(), "took", time.Since(ctx.Time()))
	}
}

// client is who asks, for the log: limits are the proxy's business.
func (h *handler) client(ctx *fasthttp.RequestCtx) netip.Addr {
	peer, _ := netip.AddrFromSlice(ctx.RemoteIP())
	var fields []string
	for _, f := range ctx.Request.Header.PeekAll("X-Forwarded-For") {
		fields = append(fields, string(f))
	}
	return h.config.Proxies.Client(peer, fields...)
}

// answer is the path of a GET or HEAD through the edge.
func (h *handler) answer(ctx *fasthttp.RequestCtx, t *target) error {
	if raw := ctx.Request.Header.RequestURI(); isPeerPath(raw) {
		return h.answerPeer(ctx, t, raw)
	}
	var bad error
	if *t, bad = parseTarget(ctx.Request.Header.RequestURI()); bad != nil && h.tokens == nil {
		return bad
	}
	if t.what == livez {
		ctx.Response.Header.Set("Cache-Control", "no-store")
		ctx.SetContentType("text/plain; charset=utf-8")
		ctx.SetBodyString("ok\n")
		return nil
	}
	h.findTicket(ctx, t)
	now := h.now()
	ticket, err := h.ticket(ctx, t, bad, now)
	if ticket == nil || err != nil {
		return err
	}
	if err := h.admit(ctx, ticket, t.path); err != nil {
		return err
	}
	rep, err := h.resolve(ctx, ticket.Organisation, t, now)
	if err != nil {
		return err
	}
	rep.class = t.what
	if err := h.reply(ctx, &rep); err != nil {
		return err
	}
	h.after(ctx, ticket, t, &rep)
	return nil
}

// ticket is the request's right: its ticket, or else what a foreign token allows; then t is what the target means without the
// token. bad is what was wrong with the target with it. nil without an error: the request was answered.
func (h *handler) ticket(ctx *fasthttp.RequestCtx, t *target, bad error, now time.Time) (*weir.Ticket, error) {
	if h.tokens != nil && (len(t.ticket) == 0 || t.ticketInCookie && !h.opens(ctx, t.ticket, t.path, now)) {
		raw := ctx.Request.Header.RequestURI()
		target := withoutOrigin(raw)
		host := ctx.Request.Header.Host()
		if len(target) < len(raw) { // absolute-form: its host counts (RFC 9112 section 3.2.2)
			_, host, _ = bytes.Cut(raw[:len(raw)-len(target)], []byte("://"))
		}
		a, err := h.foreign(ctx, string(host), string(target), false, now)
		switch {
		case err == nil && a.ticket == nil:
			return nil, nil
		case err == nil:
			for _, field := range a.fields {
				ctx.Response.Header.Add(field[0], field[1])
			}
			if *t, err = parseTarget([]byte(a.target)); err == nil && t.what == livez {
				err = weir.Errorf(weir.NotFound, "nothing has this address")
			}
			t.ticketHidden = true // what opened it may be a cookie or a field
			return a.ticket, err
		case !errors.Is(err, token.ErrNone):
			return nil, err
		}
	}
	if bad != nil {
		return nil, bad
	}
	return h.tickets.verify(t.ticket, now)
}

// findTicket looks where a ticket may be besides the path, which wins: bearer token, query, cookie.
func (h *handler) findTicket(ctx *fasthttp.RequestCtx, t *target) {
	if t.ticketInPath {
		return
	}
	const bearer = "bearer "
	if field := ctx.Request.Header.Peek("Authorization"); len(field) > len(bearer) && bytes.EqualFold(field[:len(bearer)], []byte(bearer)) {
		t.ticket, t.ticketHidden = bytes.TrimSpace(field[len(bearer):]), true
		return
	}
	if len(t.ticket) == 0 {
		t.ticket, t.ticketHidden, t.ticketInCookie = ctx.Request.Header.Cookie("weir-ticket"), true, true
	}
}

// resolve finds what the path means now. What a growing revision does not list yet is looked for in its newest state.
func (h *handler) resolve(ctx *fasthttp.RequestCtx, organisation string, t *target, now time.Time) (representation, error) {
	gzip := acceptsGzip(ctx.Request.Header.Peek("Accept-Encoding"))
	r, err := h.find(organisation, t, false)
	if err != nil {
		return representation{}, err
	}
	rep, err := r.represent(t, gzip, now)
	if err == nil || r.head.State != weir.Growing || weir.KindOf(err) != weir.NotFound {
		return rep, err
	}
	if r, err = h.find(organisation, t, true); err != nil {
		return representation{}, err
	}
	return r.represent(t, gzip, now)
}
