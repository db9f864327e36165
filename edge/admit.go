package edge

import (
	"strings"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/rulings"
)

// admit says whether a verified ticket opens path, for this client, now. It is asked for every request, since what is
// revoked is no longer what was verified. The error is Forbidden.
func (h *handler) admit(ctx *fasthttp.RequestCtx, ticket *weir.Ticket, path []byte) error {
	ctx.Conn().(*conn).account.admitted(ticket.Session, ticket.Organisation)
	switch {
	case !weir.Covers(ticket.Prefix, path):
		return weir.Errorf(weir.Forbidden, "the ticket is for something else")
	case ticket.Flags&weir.FlagBound != 0 && !ticket.AllowsFrom(h.client(ctx)):
		return weir.Errorf(weir.Forbidden, "the ticket is for another network")
	case h.rulings.Revoked(ticket):
		return weir.Errorf(weir.Forbidden, "the ticket was revoked")
	}
	return nil
}

// find returns the revision that t names, as it is now if what is known of it was purged.
func (h *handler) find(organisation string, t *target, latest bool) (*revision, error) {
	r, stamp, err := h.shelf.find(h.ctx, organisation, t.asset, t.revision, h.now, latest, 0)
	if kind := weir.KindOf(err); err != nil && kind != weir.NotFound && kind != weir.Gone {
		return nil, err // nothing is known that could be purged
	}
	o := rulings.Object{Organisation: organisation, Asset: t.asset, Revision: t.revision, Path: t.path}
	if _, soft := h.rulings.Purged(&o, stamp); !soft {
		return r, err
	}
	r, stamp, err = h.shelf.find(h.ctx, organisation, t.asset, t.revision, h.now, true, h.rulings.Number())
	if hard, _ := h.rulings.Purged(&o, stamp); hard && err == nil {
		return nil, weir.Errorf(weir.Unavailable, "what is known of this revision was purged, and it cannot be read anew right now")
	}
	return r, err
}

// cached returns an object's bytes from memory, unless they were purged hard since they were asked for.
func (h *handler) cached(o *object) (*cache.Body, bool) {
	body, ok := h.cache.Open(o.key)
	if !ok {
		return nil, false
	}
	if h.dropPurged(o, body) {
		return nil, false
	}
	if body.Again() {
		h.offer(o.key, body.Stamp(), true)
	}
	return body, true
}

// dropPurged gives body back, and has the cache forget it, if it was purged hard since it was asked for.
func (h *handler) dropPurged(o *object, body *cache.Body) bool {
	if !purged(h.rulings, o.key, body.Stamp()) {
		return false
	}
	stamp := body.Stamp()
	body.Release()
	h.cache.Forget(o.key, stamp)
	return true
}

// ownerOf takes "media/<organisation>/<asset>/..." apart.
func ownerOf(key string) (organisation string, asset []byte, ok bool) {
	rest, ok := strings.CutPrefix(key, "media/")
	if !ok {
		return "", nil, false
	}
	organisation, rest, _ = strings.Cut(rest, "/")
	id, _, ok := strings.Cut(rest, "/")
	return organisation, []byte(id), ok
}
