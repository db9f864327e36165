package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cmcd"
	"github.com/weirstream/weir/edge/overload"
)

// ParseTarget describes what a request target means, or its error.
func ParseTarget(raw []byte) (string, error) {
	t, err := parseTarget(raw)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s ticket=%s asset=%s rev=%d form=%s rendition=%s n=%d", classes[t.what], t.path, t.ticket,
		t.asset, t.revision, t.form, t.rendition, t.number), nil
}

// ParseRange returns the spans as [offset, length], and how the field was taken: "ignored", "ok" or "none".
func ParseRange(field string, size int64) (spans [][2]int64, result string) {
	s, r := parseRange(nil, []byte(field), size)
	for _, s := range s {
		spans = append(spans, [2]int64{s.off, s.n})
	}
	return spans, [...]string{"ignored", "ok", "none"}[r]
}

// Matches and AcceptsGzip are the conditions of a request.
var (
	Matches     = func(field, etag string, weak bool) bool { return matches([][]byte{[]byte(field)}, []byte(etag), weak) }
	AcceptsGzip = func(field string) bool { return acceptsGzip([]byte(field)) }
)

// TicketVerifier is what remembers good tickets.
func TicketVerifier(keys func(string) (weir.TicketKey, bool)) func(text []byte, now time.Time) error {
	v := &tickets{keys: keys}
	return func(text []byte, now time.Time) error { _, err := v.verify(text, now); return err }
}

// SendStream sends header and then bytes off to end of c over nc as a response would be.
func SendStream(nc net.Conn, header []byte, c Content, off, end int64) error {
	m := newConn(nc, nil, nil)
	s := &stream{ctx: context.Background(), body: c, one: [1]piece{{off: off, end: end}}, count: newMetrics().bytes[mediaSegment]}
	s.pieces = s.one[:]
	defer s.Close()
	if err := s.prime(); err != nil {
		return err
	}
	m.holding = true
	w := bufio.NewWriter(m)
	if _, err := w.Write(header); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := w.ReadFrom(&io.LimitedReader{R: s, N: end - off})
	return err
}

// Content is what responses are made of.
type Content = content

// Certificates are those in the files: the serial number of the one in use, and what looks at the files.
func Certificates(cert, key string) (serial func() int64, check func(), err error) {
	c, err := loadCertificates(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	return func() int64 { return c.current.Load().Leaf.SerialNumber.Int64() }, c.check, nil
}

// SetLoad has s take its load from there. It is asked ten times a second.
func SetLoad(s *Server, load func() overload.Load) { s.load = load }

// LoadOf is the load of an edge whose memory tier is so, by its budget, and whose reads are so.
var LoadOf = loadOf

// NextOf is the path of what a player names as next, seen from path, with a ticket for prefix; "" if it is nothing that the edge
// fetches.
func NextOf(path, prefix string, said cmcd.Next) (string, error) {
	t := target{path: []byte(path)}
	if err := checkPath(t.path); err != nil {
		return "", err
	}
	if !t.split() {
		return "", weir.Errorf(weir.NotFound, "%q is no path", path)
	}
	n, ok := nextOf(&t, prefix, said)
	if !ok {
		return "", nil
	}
	return string(n.path), nil
}

// Prefetches is the bookkeeping of prefetches.
type Prefetches struct{ p *prefetches }

// NewPrefetches makes an empty one.
func NewPrefetches() Prefetches { return Prefetches{newPrefetches(nil)} }

// Enter, Leave, Remember and Asked are those of the bookkeeping; Counts is dropped, used and wasted.
func (p Prefetches) Enter(id string) bool     { return p.p.enter(session{"o", id}) }
func (p Prefetches) Leave(id string)          { p.p.leave(session{"o", id}) }
func (p Prefetches) Remember(object string)   { p.p.remember(&cache.Key{Object: object}) }
func (p Prefetches) Asked(object string) bool { return p.p.asked(&cache.Key{Object: object}) }
func (p Prefetches) Counts() (dropped, used, wasted int64) {
	return p.p.dropped.Load(), p.p.used.Load(), p.p.wasted.Load()
}

// Says is whether a request has CMCD.
func (p Prefetches) Says(ctx *fasthttp.RequestCtx) bool { return p.p.said(ctx) != nil }

// Way is what the kernel knows of the way to the other end of c.
func Way(c net.Conn) (rtt, kbps int64) { return newConn(c, nil, nil).way() }

// Park parks a connection and says whether it was given back for something that arrived on it within idle.
func Park(nc net.Conn, idle time.Duration) bool {
	ready := make(chan *conn, 1)
	o := &openConns{revived: ready, over: make(chan struct{}), idle: idle}
	o.mu.Lock()
	o.park(newConn(nc, nil, nil))
	o.mu.Unlock()
	o.parkers.Wait()
	return len(ready) == 1
}

// NextTarget is what a player names in the generic mode.
var NextTarget = nextTarget
