package edge

import (
	"strconv"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

// immutable is the lifetime of what never changes within a revision.
const immutable = "public, max-age=31536000, immutable"

// representation is what a canonical path means, before method, conditions and ranges. Exactly one of data, object and
// stream gives its bytes.
type representation struct {
	class        what // for metrics
	mediaType    string
	cacheControl string
	etag         etag
	size         int64
	data         []byte       // in memory
	object       object       // taken through the cache
	stream       *track       // put together while it is sent
	varies       bool         // the content coding was negotiated
	gzipped      bool         // data is
	of           *revision    // if it is media or a manifest; nil otherwise
	source       cache.Source // of object, once it is answered
}

// object is a range of a stored object: a segment with its checksum, or a still. Memory is keyed by it, not by the path:
// revisions that share a rendition share the entry, and the path is looked up, and so deletion seen, before it.
type object struct {
	key   cache.Key
	crc   uint32
	still bool
	live  bool // of a presentation that grows

	noPeer bool // a peer asks for it: no other is asked
}

// etag is a strong entity-tag with its quotes, kept without allocating.
type etag struct {
	buf [96]byte
	n   int
}

// segmentTag is the entity-tag of part n of what has the hex hash sum, in a form: equal on every edge and engine.
func segmentTag(sum string, n int64, form []byte) (e etag) {
	b := append(e.buf[:0], '"')
	b = append(b, sum[:min(len(sum), 16)]...)
	b = append(b, '-')
	b = strconv.AppendInt(b, n, 10)
	b = append(b, '-')
	b = append(b, form[:min(len(form), 32)]...)
	e.n = len(append(b, '"'))
	return e
}

// reply answers a GET or HEAD with r: preconditions, then ranges, then bytes (RFC 9110 section 13.2.2).
func (h *handler) reply(ctx *fasthttp.RequestCtx, r *representation) error {
	req, tag := &ctx.Request.Header, r.etag.buf[:r.etag.n]
	if len(req.Peek("If-Match")) > 0 && !matches(req.PeekAll("If-Match"), tag, false) { // PeekAll allocates
		return weir.Errorf(weir.Precondition, "this is not the version that If-Match names")
	}
	if len(req.Peek("If-None-Match")) > 0 && matches(req.PeekAll("If-None-Match"), tag, true) {
		r.describe(ctx)
		ctx.Response.Header.Del("Content-Encoding") // of a content that is not sent (RFC 9110 section 15.4.5)
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	if ctx.IsHead() {
		r.describe(ctx)
		ctx.Response.Header.SetContentType(r.mediaType)
		ctx.Response.SkipBody = true
		ctx.Response.Header.SetContentLength(int(r.size))
		return nil
	}
	var space [maxRanges]span
	spans, result := space[:0], rangeIgnored
	if field := req.Peek("Range"); len(field) > 0 && ifRange(req.Peek("If-Range"), tag) {
		spans, result = parseRange(spans, field, r.size)
	}
	if result == rangeNone {
		ctx.Response.Header.Set("Content-Range", "bytes */"+strconv.FormatInt(r.size, 10))
		return weir.Errorf(weir.BadRange, "no byte of this range exists: there are %d bytes", r.size)
	}
	return h.sendContent(ctx, r, spans, result)
}

// ifRange says whether a Range applies: there is no If-Range, or it is this very entity-tag.
func ifRange(field, tag []byte) bool { return len(field) == 0 || string(field) == string(tag) }

// describe sets the fields that say what the representation is.
func (r *representation) describe(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.Set("Cache-Control", r.cacheControl)
	h.SetCanonical(etagName, r.etag.buf[:r.etag.n])
	h.SetCanonical(acceptRangesName, acceptRanges)
	if r.varies {
		h.SetCanonical(varyName, vary)
	}
	if r.gzipped {
		h.Set("Content-Encoding", "gzip")
	}
}
