package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/freshness"
)

// fetched is what a request to the origin came to: a stored response, which may be older than the answer, with its body; or
// a response that is for this client only; or an error.
type fetched struct {
	outcome
	body   *cache.Body     // of stored, to be released; nil if it has none, or was there before
	full   http.Header     // of stored, with what is not stored; nil if it is the same
	passed *originResponse // to be closed
	via    freshness.CacheStatus
}

// forwarded is the header of a request as it goes on.
func forwarded(h http.Header) http.Header {
	h = h.Clone()
	h["Via"] = append(slices.Clip(h["Via"]), "1.1 "+pseudonym)
	return h
}

// call is one request to the origin; end ends it. The origin has the timeout for its header, from the last byte of the
// request's body that it took.
func (g *generic) call(r *originRequest) (res *originResponse, end context.CancelFunc, err error) {
	ctx, cancel := context.WithCancelCause(g.ctx)
	late := time.AfterFunc(g.limits.Timeout, func() { cancel(context.DeadlineExceeded) })
	var mu sync.Mutex // guards headed, and makes one of Stop and Reset
	headed := false
	if b, ok := r.body.(*requestBody); ok {
		b.progress = func() {
			mu.Lock()
			defer mu.Unlock()
			if !headed && late.Stop() {
				late.Reset(g.limits.Timeout)
			}
		}
	}
	res, err = g.fetcher.Do(ctx, r)
	mu.Lock()
	headed = true
	inTime := late.Stop()
	mu.Unlock()
	if !inTime && err == nil {
		err = context.DeadlineExceeded
		_ = res.body.Close()
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			err = context.DeadlineExceeded
		}
		cancel(nil)
		return nil, nil, err
	}
	res.body = &patientBody{ReadCloser: res.body, pause: g.limits.Timeout, end: cancel}
	return res, func() { cancel(nil) }, nil
}

// patientBody ends the request when the origin pauses for too long, and when it is closed.
type patientBody struct {
	io.ReadCloser
	pause time.Duration
	end   context.CancelCauseFunc
}

// Read reads within the pause.
func (b *patientBody) Read(p []byte) (int, error) {
	late := time.AfterFunc(b.pause, func() { b.end(context.DeadlineExceeded) })
	defer late.Stop()
	return b.ReadCloser.Read(p)
}

// Close ends the request.
func (b *patientBody) Close() error {
	b.end(nil)
	return b.ReadCloser.Close()
}

// fetch asks the origin for all of what x asks for, with the validators of what is stored, and stores the answer if it may.
func (g *generic) fetch(x *exchange, l *look) (f fetched) {
	header := forwarded(x.header)
	freshness.Unconditional(header)
	var chosen *freshness.Response
	if l.chosen != nil {
		chosen = &l.chosen.Response
	}
	others := make([]*freshness.Response, len(l.others))
	for i, s := range l.others {
		others[i] = &s.Response
	}
	freshness.Conditions(header, chosen, others)
	requested := g.now()
	res, end, err := g.call(&originRequest{method: "GET", target: x.target, header: header})
	if err != nil {
		return g.failed(x, l, err)
	}
	f.status = res.status
	switch {
	case res.status == http.StatusNotModified && freshness.Conditional(header):
		_ = res.body.Close()
		if s := g.validated(x, l, res.header, requested); s != nil {
			f.stored = s
			return f
		}
		return g.fetch(x, &look{epoch: l.epoch}) // it speaks of nothing that is known here
	case freshness.ErrorStatus(res.status) && l.chosen != nil && l.chosen.StaleOnError(x.demand, g.now(), false, 0):
		_ = res.body.Close()
		f.stored = l.chosen
		return f
	}
	return g.keep(x, l, res, end, requested, f)
}

// failed is the outcome when the origin gave no answer: what is stored if that is allowed, or an error that others need not
// repeat for a while.
func (g *generic) failed(x *exchange, l *look, err error) (f fetched) {
	if g.warnFill.due(time.Now()) {
		g.log.Warn("origin failed", "host", x.target.Host, "error", err)
	}
	pause := time.Duration(float64(g.limits.ErrorPause) * (0.75 + rand.Float64()/2))
	o := failure(err)
	g.index.note(x.key, func(r *resource) { r.failed, r.failure = g.now().Add(pause), o })
	return g.away(x, l, o)
}

// away is the outcome while the origin is known to be away.
func (g *generic) away(x *exchange, l *look, o *originError) (f fetched) {
	if s := l.chosen; s != nil {
		if s.StaleOnError(x.demand, g.now(), true, g.limits.MaxStale) {
			f.stored = s
			return f
		}
		o = &originError{http.StatusGatewayTimeout, "the stored answer must not be used without the origin, which is away", o} // RFC 9111 section 5.2.2.2
	}
	f.err = o
	return f
}

// validated freshens what a 304 speaks of; nil is nothing. A variant that was not chosen gets another entry for this request.
func (g *generic) validated(x *exchange, l *look, h http.Header, requested time.Time) *stored {
	known := l.others
	if l.chosen != nil {
		known = append([]*stored{l.chosen}, known...)
	}
	for _, s := range known {
		if !s.Validated(h, len(known) == 1) {
			continue
		}
		return g.freshen(x, l, s, h, requested)
	}
	return nil
}

// freshen stores s as a 304 or a HEAD says it is now, or forgets it if that must not be stored any more.
func (g *generic) freshen(x *exchange, l *look, s *stored, h http.Header, requested time.Time) *stored {
	fresh := g.newStored(s.Freshen(h, requested, g.now()), x, s.key)
	if ok, _ := fresh.Storable("GET", false, x.demand); ok {
		g.index.put(x.key, fresh, x.header, l.epoch)
	} else {
		g.index.drop(x.key, s)
	}
	return fresh
}

// newStored takes r's header over.
func (g *generic) newStored(r freshness.Response, x *exchange, key cache.Key) *stored {
	delete(r.Header, "Age") // r knows it
	return &stored{Response: r, vary: freshness.NewVary(r.Header, x.header), lines: appendFields(nil, r.Header), key: key, stamp: x.stamp}
}

// keep stores a response if that is allowed, beginning to fill its bytes, or else leaves it to this client alone.
func (g *generic) keep(x *exchange, l *look, res *originResponse, end context.CancelFunc, requested time.Time, f fetched) fetched {
	control := freshness.ResponseControl(res.header)
	r := freshness.NewResponse(res.status, freshness.StoredFields(res.header, control), requested, g.now())
	ok, reason := r.Storable("GET", len(x.header["Authorization"]) > 0, x.demand)
	if res.length > g.limits.MaxObject {
		ok, reason = false, "too-large"
	}
	if !ok {
		f.passed, f.via.Detail = res, reason
		if l.chosen != nil && !freshness.ErrorStatus(res.status) {
			g.index.drop(x.key, l.chosen) // it is not what the origin has now
		}
		if !x.demand.NoStore && !freshness.ErrorStatus(res.status) {
			g.index.note(x.key, func(r *resource) { r.alone = g.now().Add(alonePeriod) })
		}
		return f
	}
	if _, has := res.header["Date"]; !has {
		res.header["Date"] = r.Header["Date"]
	}
	if len(control.NoCacheFields)+len(control.PrivateFields) > 0 {
		f.full = res.header
		delete(f.full, "Age")
	}
	s := g.newStored(r, x, cache.Key{})
	var err error
	if f.body, err = g.fillBody(x, s, res, end); err != nil {
		failed := g.failed(x, l, err)
		failed.status = f.status
		return failed
	}
	f.stored = s
	f.via.Stored = g.index.put(x.key, s, x.header, l.epoch)
	if r.Control.NoCache {
		g.index.note(x.key, func(r *resource) { r.alone = g.now().Add(alonePeriod) })
	}
	return f
}

// alonePeriod is how long requests for what turned out not to be shareable do not wait for each other.
const alonePeriod = 10 * time.Second

// fillBody puts a response's bytes into memory, and s.key names them; nil if there are none. It returns once the first are
// there.
func (g *generic) fillBody(x *exchange, s *stored, res *originResponse, end context.CancelFunc) (*cache.Body, error) {
	var first [1]byte
	if res.length != 0 {
		if _, err := io.ReadFull(res.body, first[:]); err == io.EOF && res.length < 0 {
			res.length = 0
		} else if err != nil {
			_ = res.body.Close()
			return nil, err
		}
	}
	if res.length == 0 {
		return nil, res.body.Close()
	}
	length := res.length
	if length < 0 {
		length = cache.Unknown
	}
	s.key = cache.Key{Object: "g/" + strconv.FormatUint(g.index.number.Add(1), 36), Length: length}
	ctx, cancel := context.WithTimeout(g.ctx, g.limits.Timeout) // for room; the fill itself goes on
	defer cancel()
	body, _, err := g.cache.Fill(ctx, s.key, cache.Options{Stamp: x.stamp}, func(ctx context.Context, w *cache.Writer) error {
		defer res.body.Close()
		defer context.AfterFunc(ctx, end)()
		err := pour(w, io.MultiReader(bytes.NewReader(first[:]), res.body), length, g.limits.MaxObject)
		if err != nil {
			g.index.drop(x.key, s)
		}
		if errors.Is(err, errTooLong) {
			g.index.note(x.key, func(r *resource) { r.long = g.now().Add(longPeriod) })
		}
		return err
	})
	if err != nil {
		_ = res.body.Close() // also if the fill never began
	}
	return body, err
}

// errNoRoom ends a fill that the cache gives no more room; it knows why.
var errNoRoom = errors.New("no room for the answer in memory")

// errTooLong ends a fill of unknown length that outgrew what is stored.
var errTooLong = &originError{http.StatusBadGateway, "the origin's answer is larger than what is stored", io.ErrShortBuffer}

// longPeriod is how long a resource is known to be larger than what is stored, without saying so beforehand.
const longPeriod = time.Hour

// pour reads all of r into w: exactly length bytes, or up to limit if the length is unknown.
func pour(w *cache.Writer, r io.Reader, length, limit int64) error {
	total := int64(0)
	for length < 0 || total < length {
		space := w.Space()
		if len(space) == 0 {
			return errNoRoom
		}
		n, err := r.Read(space)
		if total += int64(n); length < 0 && total > limit {
			return errTooLong
		}
		w.Filled(n)
		switch {
		case err == io.EOF && (length < 0 || total == length):
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return nil
}
