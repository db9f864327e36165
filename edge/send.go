package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
)

// open returns the body of an object, from memory or as soon as its first bytes arrive. What the origin says of a listed
// object is never the client's fault, so every error is Unavailable or Timeout.
func (h *handler) open(o *object) (*cache.Body, error) {
	if body, ok := h.cached(o); ok {
		return body, nil
	}
	body, _, err := h.fill(*o)
	return body, err
}

// fill is open for what is not in memory. It is apart so that a hit does not pay for the closure.
func (h *handler) fill(o object) (body *cache.Body, from source, err error) {
	ctx, cancel := context.WithTimeout(h.ctx, h.config.FillTimeout)
	defer cancel()
	want := origin.Want{Priority: origin.Player, Deadline: time.Now().Add(h.config.FillTimeout)}
	for began, joined := h.rulings.Number(), false; ; {
		h.tiers.origin.Raise(o.part())
		stamp := h.rulings.Number()
		var first atomic.Int32
		body, from.how, err = h.cache.Fill(ctx, o.key, cache.Options{Live: o.live, Stamp: stamp, Kept: func() { h.offer(o.key, stamp, false) }},
			func(ctx context.Context, w *cache.Writer) error { return h.tiers.fill(ctx, &o, want, w, &first) })
		from.tier = tier(first.Load())
		if err != nil {
			if from.how == cache.Collapsed && cache.IsFleeting(err) && !joined && ctx.Err() == nil {
				joined = true // what it joined may have been fetched ahead, and is refused what a player is not
				continue
			}
			return nil, from, h.fillFailed(&o, from.how, err)
		}
		if body.Stamp() >= began || !h.dropPurged(&o, body) {
			return body, from, nil
		}
		// It was asked for before this request came, and purged since: the next one is not.
		if err := ctx.Err(); err != nil {
			return nil, from, h.fillFailed(&o, from.how, err)
		}
	}
}

// source is where the bytes of an answer came from: tier is of what this request had filled.
type source struct {
	how  cache.Source
	tier tier
}

// fillFailed is what a client is told.
func (h *handler) fillFailed(o *object, how cache.Source, err error) error {
	if how == cache.Stored && h.warnFill.due(time.Now()) {
		h.log.Warn("fill failed", "object", o.key.Object, "offset", o.key.Offset, "error", err)
	}
	if weir.KindOf(err) == weir.Timeout || errors.Is(err, context.DeadlineExceeded) {
		return weir.Errorf(weir.Timeout, "these bytes did not arrive from the store in time")
	}
	return weir.Errorf(weir.Unavailable, "these bytes cannot be read from the store right now")
}

// sendContent answers with bytes in memory, an object, or a whole of several, by reference. The stream is the connection's own: there is
// one response at a time, and fasthttp closes the stream whatever becomes of it.
func (h *handler) sendContent(ctx *fasthttp.RequestCtx, r *representation, spans []span, result rangeResult) error {
	c := ctx.Conn().(*conn) // the listener makes no others
	s := &c.out
	*s = stream{ctx: h.ctx, count: h.metrics.bytes[r.class]}
	start := time.Time{}
	var from source
	switch {
	case r.stream != nil:
		s.whole = &trackSource{handler: h, track: r.stream, index: r.stream.index}
	case r.object.key.Object == "":
		s.data = r.data
		s.body = &s.data
	default:
		body, ok := h.cached(&r.object)
		if !ok {
			err := h.allowMiss(&r.object)
			if err != nil {
				return err
			}
			start = time.Now()
			if body, from, err = h.fill(r.object); err != nil {
				return err
			}
		}
		s.body, r.source = body, from.how
	}
	size, boundary := s.plan(r, spans, result)
	if err := s.prime(); err != nil {
		_ = s.Close()
		if r.stream != nil {
			return err // open has said what a client may know
		}
		return h.fillFailed(&r.object, from.how, err)
	}
	r.describe(ctx)
	if r.object.key.Object != "" {
		tellSource(ctx, from, start)
	}
	if result == rangeOK {
		ctx.SetStatusCode(fasthttp.StatusPartialContent)
	}
	if boundary != "" {
		ctx.Response.Header.SetContentType("multipart/byteranges; boundary=" + boundary)
	} else {
		r.setRange(ctx, spans, result)
	}
	ctx.Response.ImmediateHeaderFlush = true // into conn.held
	ctx.Response.SetBodyStream(s, int(size))
	c.holding = true
	return nil
}

// tellSource says where the bytes came from (RFC 9211).
func tellSource(ctx *fasthttp.RequestCtx, from source, start time.Time) {
	h := &ctx.Response.Header
	account := ctx.Conn().(*conn).account
	if account.from("origin"); from.how == cache.Hit {
		account.from("hit")
	} else if from.how == cache.Stored && from.tier != fromOrigin {
		account.from(tierNames[from.tier])
	}
	switch from.how {
	case cache.Hit:
		h.SetCanonical(cacheStatusName, cacheStatusHit)
		h.SetCanonical(serverTimingName, serverTimingHit)
		return
	case cache.Stored:
		h.SetCanonical(cacheStatusName, cacheStatusStored)
	default:
		h.SetCanonical(cacheStatusName, cacheStatusCollapsed)
	}
	field := append(make([]byte, 0, 64), `cache;desc="miss", fill;dur=`...)
	field = strconv.AppendFloat(field, float64(time.Since(start).Microseconds())/1000, 'f', 1, 64)
	if from.how == cache.Stored {
		field = append(field, `;desc="`+tierNames[from.tier]+`"`...)
	}
	h.SetCanonical(serverTimingName, field)
}

// Fields as bytes: a string costs a conversion and a normalised name each time. They are never written.
var (
	cacheStatusName, serverTimingName = []byte("Cache-Status"), []byte("Server-Timing")
	cacheStatusHit                    = []byte("weir; hit")
	cacheStatusStored                 = []byte("weir; fwd=uri-miss; stored")
	cacheStatusCollapsed              = []byte("weir; fwd=uri-miss; collapsed")
	serverTimingHit                   = []byte(`cache;desc="hit"`)
	etagName, acceptRangesName        = []byte("Etag"), []byte("Accept-Ranges") // fasthttp's canonical names
	acceptRanges                      = []byte("bytes")
	varyName, vary                    = []byte("Vary"), []byte("Accept-Encoding")
	allowOriginName, allowOrigin      = []byte("Access-Control-Allow-Origin"), []byte("*")
	exposeName, timingOriginName      = []byte("Access-Control-Expose-Headers"), []byte("Timing-Allow-Origin")
	expose                            = []byte("Content-Length, Content-Range, ETag, Date, Server-Timing, CMSD-Static, CMSD-Dynamic")
	resourcePolicyName                = []byte("Cross-Origin-Resource-Policy")
	resourcePolicy                    = []byte("cross-origin")
)

// setRange sets the type, and the range if there is one.
func (r *representation) setRange(ctx *fasthttp.RequestCtx, spans []span, result rangeResult) {
	ctx.Response.Header.SetContentType(r.mediaType)
	if result == rangeOK {
		var space [80]byte
		ctx.Response.Header.SetBytesV("Content-Range", appendContentRange(space[:0], spans[0], r.size))
	}
}

// plan sets the pieces of the answer and returns its length, and the boundary if it has several parts.
func (s *stream) plan(r *representation, spans []span, result rangeResult) (size int64, boundary string) {
	if result == rangeOK && len(spans) > 1 {
		boundary = rand.Text()
		s.pieces, size = parts(r, spans, boundary)
		return size, boundary
	}
	s.one[0] = piece{off: 0, end: r.size}
	if result == rangeOK {
		s.one[0] = piece{off: spans[0].off, end: spans[0].off + spans[0].n}
	}
	s.pieces = s.one[:]
	return s.one[0].end - s.one[0].off, ""
}

// parts is a multipart/byteranges answer (RFC 9110 section 14.6), in the order the ranges were asked.
func parts(r *representation, spans []span, boundary string) (pieces []piece, size int64) {
	for _, s := range spans {
		b := append([]byte("\r\n--"+boundary+"\r\nContent-Type: "+r.mediaType+"\r\nContent-Range: "), appendContentRange(nil, s, r.size)...)
		b = append(b, "\r\n\r\n"...)
		pieces = append(pieces, piece{text: b}, piece{off: s.off, end: s.off + s.n})
		size += int64(len(b)) + s.n
	}
	last := []byte("\r\n--" + boundary + "--\r\n")
	return append(pieces, piece{text: last}), size + int64(len(last))
}

// appendContentRange appends "bytes 0-9/100".
func appendContentRange(b []byte, s span, size int64) []byte {
	b = append(b, "bytes "...)
	b = strconv.AppendInt(b, s.off, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, s.off+s.n-1, 10)
	b = append(b, '/')
	return strconv.AppendInt(b, size, 10)
}
