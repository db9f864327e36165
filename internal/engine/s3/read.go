package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/weirstream/weir"
)

// Get implements [weir.Blobs]. When its connection breaks or rests, the reader asks for what is left of the same object:
// Precondition if it was replaced since, NotFound if deleted, Unavailable once attempts in turn have brought no byte. It fails
// soon after ctx ends.
func (b *Blobs) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return nil, weir.ObjectInfo{}, err
	}
	if n == 0 || off < 0 { // no header can ask for this
		info, err := b.stat(ctx, key, ifMatch)
		if err == nil && (off < 0 || off >= info.Size && off > 0) {
			err = pastEnd(key, off)
		}
		if err != nil {
			return nil, weir.ObjectInfo{}, act("get", key, err)
		}
		return io.NopCloser(strings.NewReader("")), info, nil
	}
	r := &reader{blobs: b, ctx: ctx, key: key, off: off, end: math.MaxInt64}
	if n > 0 && n <= math.MaxInt64-off {
		r.end = off + n
	}
	info, err := r.open(ifMatch)
	if f := failureOf(err); err != nil && f.status == http.StatusRequestedRangeNotSatisfiable && off == 0 {
		return b.empty(ctx, key, ifMatch)
	} else if err != nil && f.kind == weir.BadRange {
		return nil, weir.ObjectInfo{}, pastEnd(key, off)
	}
	if err != nil {
		return nil, weir.ObjectInfo{}, act("get", key, err)
	}
	r.end, r.etag = min(r.end, info.Size), info.ETag
	return r, info, nil
}

// empty is what there is to read at the start of an object without bytes, which S3 finds out of range.
func (b *Blobs) empty(ctx context.Context, key, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	info, err := b.stat(ctx, key, ifMatch)
	if err == nil && info.Size > 0 {
		err = weir.Errorf(weir.Unavailable, "object %q is being changed by another", key)
	}
	if err != nil {
		return nil, weir.ObjectInfo{}, act("get", key, err)
	}
	return io.NopCloser(strings.NewReader("")), info, nil
}

func pastEnd(key string, off int64) error {
	return weir.Errorf(weir.BadRange, "object %q has no byte from %d on", key, off)
}

// reader is the bytes off to end of one object, over as many connections as it takes.
type reader struct {
	blobs *Blobs
	ctx   context.Context
	key   string
	etag  string
	off   int64
	end   int64
	body  io.ReadCloser // nil between connections
	watch *watch        // of body
	empty int           // connections in turn that brought no byte
	err   error         // ended it
}

// open asks for what is left, of the object with that ETag unless it is "".
func (r *reader) open(etag string) (info weir.ObjectInfo, err error) {
	span := ""
	switch {
	case r.end < math.MaxInt64:
		span = fmt.Sprintf("bytes=%d-%d", r.off, r.end-1)
	case r.off > 0:
		span = fmt.Sprintf("bytes=%d-", r.off)
	}
	for i := range attempts {
		if err := pause(r.ctx, i); err != nil {
			return info, err
		}
		attempt, w := watched(r.ctx, r.blobs.place.stall)
		answer, getErr := r.blobs.fetch.get(attempt, r.blobs.place.prefix+r.key, span, etag)
		if getErr == nil {
			w.rest()
			r.body, r.watch = answer.Body, w
			if info, err = r.found(answer); err != nil {
				r.drop()
			}
			return info, err
		}
		err = attemptError(r.ctx, attempt, getErr)
		w.end()
		if !failureOf(err).again {
			break
		}
	}
	return info, err
}

// found describes the object behind an answer that has the bytes asked for.
func (r *reader) found(answer *http.Response) (weir.ObjectInfo, error) {
	info := weir.ObjectInfo{Key: r.key, Size: answer.ContentLength, ETag: strings.Trim(answer.Header.Get("ETag"), `"`)}
	info.Modified, _ = http.ParseTime(answer.Header.Get("Last-Modified"))
	if span := answer.Header.Get("Content-Range"); span != "" {
		first, total, ok := contentRange(span)
		if !ok || first != r.off {
			return info, fmt.Errorf("the object store answers %q when asked from byte %d on", span, r.off)
		}
		info.Size = total
	} else if r.off > 0 {
		return info, errors.New("the object store ignores ranges")
	}
	if info.Size < 0 || info.ETag == "" {
		return info, errors.New("the object store gives no length or no ETag")
	}
	return info, nil
}

// contentRange reads "bytes first-last/total" (RFC 9110 section 14.4).
func contentRange(s string) (first, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, size, ok2 := strings.Cut(s, "/")
	start, _, ok3 := strings.Cut(span, "-")
	first, err := strconv.ParseInt(start, 10, 64)
	total, err2 := strconv.ParseInt(size, 10, 64)
	return first, total, ok && ok2 && ok3 && err == nil && err2 == nil
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	for r.err == nil && len(p) > 0 {
		if r.off == r.end {
			r.err = io.EOF
			break
		}
		if r.body == nil {
			if r.err = r.resume(); r.err != nil {
				break
			}
		}
		r.watch.moved()
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.off)])
		r.watch.rest()
		r.off += int64(n)
		if err != nil && r.off < r.end {
			r.broke(err)
		}
		if n > 0 {
			r.empty = 0
			return n, nil
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, r.err
}

// broke gives up the connection, or the reader if too many brought nothing.
func (r *reader) broke(err error) {
	r.drop()
	r.blobs.log.Debug("read of an object broke and goes on", "key", r.key, "at", r.off, "error", err)
	r.empty++
	if r.ctx.Err() != nil {
		r.err = act("read", r.key, r.ctx.Err())
	} else if r.empty >= attempts {
		r.err = fmt.Errorf("read %q: %w: %w", r.key, weir.Errorf(weir.Unavailable, "object %q: the object store does not answer", r.key), err)
	}
}

// resume opens the rest of the object.
func (r *reader) resume() error {
	if err := pause(r.ctx, r.empty); err != nil {
		return act("read", r.key, err)
	}
	_, err := r.open(r.etag)
	return act("read", r.key, err)
}

// Close gives up the connection, or leaves it to others if all was read.
func (r *reader) Close() error {
	r.drop()
	if r.err == nil {
		r.err = errors.New("the reader is closed")
	}
	return nil
}

func (r *reader) drop() {
	if r.body == nil {
		return
	}
	_ = r.body.Close() // what it says about bytes nobody wants is of no interest
	r.watch.end()
	r.body = nil
}
