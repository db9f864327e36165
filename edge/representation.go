package edge

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
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
	data         []byte // in memory
	object       object // taken through the cache
	stream       *track // put together while it is sent
	varies       bool   // the content coding was negotiated
	gzipped      bool   // data is
}

// object is a range of a stored object: a segment with its checksum, or a still. Memory is keyed by it, not by the path:
// revisions that share a rendition share the entry, and the path is looked up, and so deletion seen, before it.
type object struct {
	key   cache.Key
	crc   uint32
	still bool
}

func (o *object) read(ctx context.Context, from *origin.Origin) ([]byte, error) {
	if o.still {
		return from.Still(ctx, o.key.Object, o.key.Length)
	}
	return from.Segment(ctx, o.key.Object, o.key.Offset, o.key.Length, o.crc)
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
	if lines := req.PeekAll("If-Match"); len(lines) > 0 && !matches(lines, tag, false) {
		return weir.Errorf(weir.Precondition, "this is not the version that If-Match names")
	}
	if matches(req.PeekAll("If-None-Match"), tag, true) {
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
	data, err := h.load(ctx, r)
	if err != nil {
		return err
	}
	r.describe(ctx)
	h.send(ctx, r, data, spans, result)
	return nil
}

// ifRange says whether a Range applies: there is no If-Range, or it is this very entity-tag.
func ifRange(field, tag []byte) bool { return len(field) == 0 || string(field) == string(tag) }

// describe sets the fields that say what the representation is.
func (r *representation) describe(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.Set("Cache-Control", r.cacheControl)
	h.SetBytesV("ETag", r.etag.buf[:r.etag.n])
	h.Set("Accept-Ranges", "bytes")
	if r.varies {
		h.Set("Vary", "Accept-Encoding")
	}
	if r.gzipped {
		h.Set("Content-Encoding", "gzip")
	}
}

// load returns the bytes of r unless they are streamed, and says where they came from.
func (h *handler) load(ctx *fasthttp.RequestCtx, r *representation) ([]byte, error) {
	if r.object.key.Object == "" {
		return r.data, nil
	}
	if data, ok := h.lookup(r.object.key); ok {
		ctx.Response.Header.Set("Cache-Status", "weir; hit")
		ctx.Response.Header.Set("Server-Timing", `cache;desc="hit"`)
		return data, nil
	}
	start := time.Now()
	data, source, err := h.fill(r.object)
	if err != nil {
		return nil, err
	}
	status := [...]string{cache.Hit: "weir; hit", cache.Stored: "weir; fwd=uri-miss; stored", cache.Collapsed: "weir; fwd=uri-miss; collapsed"}
	ctx.Response.Header.Set("Cache-Status", status[source])
	took := strconv.FormatFloat(float64(time.Since(start).Microseconds())/1000, 'f', 1, 64)
	ctx.Response.Header.Set("Server-Timing", `cache;desc="miss", fill;dur=`+took)
	return data, nil
}

// lookup copies what the memory tier has, until answers are sent from there.
func (h *handler) lookup(key cache.Key) ([]byte, bool) {
	body, ok := h.cache.Open(key)
	if !ok {
		return nil, false
	}
	data, err := whole(h.ctx, body)
	return data, err == nil
}

func whole(ctx context.Context, body *cache.Body) ([]byte, error) {
	defer body.Release()
	data := make([]byte, 0, max(body.Size(), 0))
	for {
		run, err := body.Run(ctx, int64(len(data)), 1<<30)
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		data = append(data, run.Bytes...)
	}
}

// fill takes an object through the cache. What the origin says of a listed object is never the client's fault, so every
// error is Unavailable or Timeout.
func (h *handler) fill(o object) ([]byte, cache.Source, error) {
	ctx, cancel := context.WithTimeout(h.ctx, h.config.FillTimeout)
	defer cancel()
	body, source, err := h.cache.Fill(ctx, o.key, cache.Options{}, func(ctx context.Context, w *cache.Writer) error {
		data, err := o.read(ctx, h.origin)
		for err == nil && len(data) > 0 {
			n := copy(w.Space(), data)
			if n == 0 {
				return weir.Errorf(weir.Internal, "no space for %d bytes", len(data))
			}
			w.Filled(n)
			data = data[n:]
		}
		return err
	})
	if err == nil {
		var data []byte
		if data, err = whole(ctx, body); err == nil {
			return data, source, nil
		}
	}
	if source == cache.Stored && h.warnFill.due(time.Now()) {
		h.log.Warn("fill failed", "object", o.key.Object, "offset", o.key.Offset, "error", err)
	}
	if weir.KindOf(err) == weir.Timeout {
		return nil, source, weir.Errorf(weir.Timeout, "these bytes did not arrive from the store in time")
	}
	return nil, source, weir.Errorf(weir.Unavailable, "these bytes cannot be read from the store right now")
}

// send writes the whole, one range or several. Slices of data are sent by reference.
func (h *handler) send(ctx *fasthttp.RequestCtx, r *representation, data []byte, spans []span, result rangeResult) {
	head := &ctx.Response.Header
	if result == rangeOK && len(spans) > 1 {
		h.sendMany(ctx, r, data, spans)
		return
	}
	head.SetContentType(r.mediaType)
	s := span{0, r.size}
	if result == rangeOK {
		s = spans[0]
		ctx.SetStatusCode(fasthttp.StatusPartialContent)
		var space [80]byte
		head.SetBytesV("Content-Range", appendContentRange(space[:0], s, r.size))
	}
	if r.stream != nil {
		ctx.SetBodyStream(h.section(ctx, r, nil, s), int(s.n))
		return
	}
	ctx.Response.SetBodyRaw(data[s.off : s.off+s.n])
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

// section reads one range of r. It refers to the connection, not to the request.
func (h *handler) section(ctx *fasthttp.RequestCtx, r *representation, data []byte, s span) io.Reader {
	if r.stream != nil {
		return &trackReader{handler: h, track: r.stream, conn: ctx.Conn(), off: s.off, end: s.off + s.n}
	}
	return bytes.NewReader(data[s.off : s.off+s.n])
}

// sendMany answers several ranges as multipart/byteranges (RFC 9110 section 14.6), in the order they were asked.
func (h *handler) sendMany(ctx *fasthttp.RequestCtx, r *representation, data []byte, spans []span) {
	boundary := rand.Text()
	var parts []io.Reader
	var size int64
	text := func(b []byte) {
		parts, size = append(parts, bytes.NewReader(b)), size+int64(len(b))
	}
	for _, s := range spans {
		b := append([]byte("\r\n--"+boundary+"\r\nContent-Type: "+r.mediaType+"\r\nContent-Range: "), appendContentRange(nil, s, r.size)...)
		text(append(b, "\r\n\r\n"...))
		parts, size = append(parts, h.section(ctx, r, data, s)), size+s.n
		if r.stream == nil { // a track counts as it is read
			h.metrics.bytes[r.class].Add(float64(s.n))
		}
	}
	text([]byte("\r\n--" + boundary + "--\r\n"))
	ctx.SetStatusCode(fasthttp.StatusPartialContent)
	ctx.Response.Header.SetContentType("multipart/byteranges; boundary=" + boundary)
	ctx.SetBodyStream(io.MultiReader(parts...), int(size))
}
