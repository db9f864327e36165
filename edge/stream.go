package edge

import (
	"context"
	"io"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirstream/weir/edge/cache"
)

// content is bytes that a response is made of: a *cache.Body, or what a test puts in its place.
type content interface {
	Run(ctx context.Context, off, n int64) (cache.Run, error)
	Release()
}

var _ content = (*cache.Body)(nil)

// opener gives the content that holds byte off of a whole made of several (a track), and where in the whole it starts and
// ends.
type opener interface {
	open(off int64) (c content, start, end int64, err error)
}

// piece is text (the head of a part), or bytes off to end of the content.
type piece struct {
	text     []byte
	off, end int64
}

// stream is the body of one response: pieces of one content, or of a whole that is opened as its turn comes. It holds the
// reference to the content until Close. It must not be an io.WriterTo: fasthttp would take another way than ReadFrom.
type stream struct {
	ctx    context.Context
	body   content
	data   plainContent // body, if the bytes are no object's
	whole  opener       // nil: body is the whole
	base   int64        // where body starts in the whole
	limit  int64        // where body ends in the whole, if there is one
	pieces []piece
	one    [1]piece // pieces of a response that has one
	count  prometheus.Counter
	first  cache.Run // of primed
	primed bool

	account *account // nil: none
}

// prime waits for the first bytes, so that a failure until then can still be told.
func (s *stream) prime() error {
	n := int64(0)
	for _, p := range s.pieces {
		if p.text == nil {
			n = p.end - p.off
			run, err := s.run(p.off, n)
			s.first, s.primed = run, err == nil
			return err
		}
	}
	return nil
}

// next is the next bytes, at most limit and at least one; text says that more will follow them at once.
func (s *stream) next(limit int64) (run cache.Run, text bool, err error) {
	for len(s.pieces) > 0 && s.pieces[0].text == nil && s.pieces[0].off >= s.pieces[0].end {
		s.pieces = s.pieces[1:]
	}
	if len(s.pieces) == 0 {
		return cache.Run{}, false, io.EOF
	}
	p := &s.pieces[0]
	if p.text != nil {
		return cache.Run{Bytes: p.text[:min(int64(len(p.text)), limit)], File: -1}, len(s.pieces) > 1, nil
	}
	n := min(p.end-p.off, limit)
	if s.primed {
		run, s.primed, s.first = s.first, false, cache.Run{}
	} else if run, err = s.run(p.off, n); err != nil {
		if err == io.EOF { // it is shorter than was announced
			err = io.ErrUnexpectedEOF
		}
		return run, false, err
	}
	run.Bytes = run.Bytes[:min(int64(len(run.Bytes)), n)]
	return run, false, nil
}

// run is bytes from off of the whole.
func (s *stream) run(off, n int64) (cache.Run, error) {
	if s.whole == nil {
		return s.body.Run(s.ctx, off, n)
	}
	if s.body == nil || off < s.base || off >= s.limit {
		s.release()
		body, start, end, err := s.whole.open(off)
		if err != nil {
			return cache.Run{}, err
		}
		s.body, s.base, s.limit = body, start, end
	}
	return s.body.Run(s.ctx, off-s.base, min(n, s.limit-off))
}

// sent says that n bytes of the last run are on their way.
func (s *stream) sent(n int64) {
	p := &s.pieces[0]
	if p.text != nil {
		if p.text = p.text[n:]; len(p.text) == 0 {
			s.pieces = s.pieces[1:]
		}
		return
	}
	p.off += n
	s.count.Add(float64(n))
	s.account.sent(int(n))
}

// Read is for who reads without ReadFrom: it copies.
func (s *stream) Read(b []byte) (int, error) {
	run, _, err := s.next(int64(len(b)))
	if err != nil {
		return 0, err
	}
	n := copy(b, run.Bytes)
	s.sent(int64(n))
	return n, nil
}

// Close gives the content back. fasthttp calls it when the response was sent, or never will be.
func (s *stream) Close() error {
	s.release()
	s.account.close()
	*s = stream{}
	return nil
}

func (s *stream) release() {
	if s.body != nil {
		s.body.Release()
		s.body = nil
	}
}
