package peer

import (
	"context"
	"crypto/hmac"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
)

// The defaults of Tier, and what its connections may hold.
const (
	defaultConnect   = 200 * time.Millisecond
	defaultFirstByte = 2 * time.Second
	defaultStall     = 2 * time.Second
	leastRate        = 1 << 20          // bytes a second that a peer must send once a time of Stall has passed: else the store is quicker
	idleFor          = 30 * time.Second // less than an edge's own bound
	idlePerPeer      = 32
	maxHeader        = 16 << 10
)

// outcome is how a read of a peer ended.
type outcome uint8

const (
	good     outcome = iota
	declined         // the peer is well, but its bytes are of before a purge
	failed
	given // up, by the sink or the context
)

// Read hands the bytes of p to sink as they arrive from the peer that owns it. whole says that there were p.Length of them,
// otherwise the first n were handed over and another source can go on from there; (0, false) at once is for what this
// edge has to read itself. Whether they are the right bytes the caller must see from its checksum. live says that p is of
// a growing presentation. A body that the peer got at a stamp for which stale is true is not taken.
func (t *Tier) Read(ctx context.Context, p origin.Part, live bool, stale func(stamp uint64) bool, sink cache.Sink) (n int64, whole bool) {
	l := t.choose(p)
	if l == nil {
		return 0, false
	}
	o := given
	defer func() { // also when a sink panics
		l.reads.Add(-1)
		l.breaker.leave(o, t.now())
	}()
	n, o = t.readFrom(ctx, l, p, live, stale, sink)
	if o == failed && ctx.Err() != nil {
		o = given
	}
	t.counts.bytes.Add(n)
	switch o {
	case good:
		t.counts.hits.Add(1)
	case declined:
		t.counts.misses.Add(1)
	case failed:
		t.counts.failures.Add(1)
	}
	return n, o == good
}

// readFrom asks one peer. The timer is for whatever is waited for: the header, then each of the bytes.
func (t *Tier) readFrom(ctx context.Context, l *link, p origin.Part, live bool, stale func(uint64) bool, sink cache.Sink) (int64, outcome) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(or(t.Connect, defaultConnect)+or(t.FirstByte, defaultFirstByte), cancel)
	defer timer.Stop()
	response, o := t.ask(ctx, l, p, live, stale)
	if o != good {
		return 0, o
	}
	defer response.Body.Close()
	stall, n := or(t.Stall, defaultStall), int64(0)
	end := time.Now().Add(stall + time.Duration(p.Length)*time.Second/leastRate)
	for n < p.Length {
		space := sink.Space()
		if len(space) == 0 {
			return n, given
		}
		timer.Reset(min(stall, time.Until(end)))
		m, err := response.Body.Read(space[:min(int64(len(space)), p.Length-n)])
		if m > 0 {
			sink.Filled(m)
			n += int64(m)
		}
		if err != nil && n < p.Length {
			return n, failed
		}
	}
	return n, good
}

// ask returns the answer, with the body to be read, if it is good.
func (t *Tier) ask(ctx context.Context, l *link, p origin.Part, live bool, stale func(uint64) bool) (*http.Response, outcome) {
	t.start()
	r := Request{Part: p, Live: live, Expires: t.now().Add(life).Truncate(time.Second)}
	r.Sign(t.Secret, l.ID)
	u := url.URL{Scheme: "http", Host: l.Address, Path: r.Path()}
	if l.TLS {
		u.Scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, failed
	}
	response, err := t.transport.RoundTrip(request) // no redirect is followed
	if err != nil {
		return nil, failed
	}
	o := failed
	if stamp, ok := t.taken(response, &r, l.TLS); ok {
		if o = good; stale != nil && stale(stamp) {
			o = declined
		}
	}
	if o != good {
		_ = response.Body.Close() // nothing of it is used
		return nil, o
	}
	return response, good
}

// taken says whether response is an answer to r by one who has the secret, and the stamp of its bytes.
func (t *Tier) taken(response *http.Response, r *Request, secure bool) (stamp uint64, ok bool) {
	if response.StatusCode != http.StatusOK || response.ContentLength != r.Part.Length || response.Header.Get("Content-Encoding") != "" {
		return 0, false
	}
	stamp, err := strconv.ParseUint(response.Header.Get(StampField), 10, 64)
	if err != nil {
		return 0, false
	}
	var channel []byte
	if secure {
		if channel = Channel(response.TLS); channel == nil {
			return 0, false
		}
	}
	return stamp, hmac.Equal([]byte(response.Header.Get(ProofField)), []byte(r.Proof(t.Secret, stamp, channel)))
}

// Channel names a TLS session for Proof; nil if it cannot.
func Channel(s *tls.ConnectionState) []byte {
	if s == nil {
		return nil
	}
	b, err := s.ExportKeyingMaterial("EXPORTER-weir-peer", nil, 32)
	if err != nil {
		return nil
	}
	return b
}

// Admit says whether a peer's request may be answered by this edge at this time. Errors: Forbidden.
func (t *Tier) Admit(r *Request, method string, now time.Time) error {
	return r.Check(t.Secret, method, t.Self, now)
}

// start makes the transport at first use.
func (t *Tier) start() {
	t.begin.Do(func() {
		dial := t.Dial
		if dial == nil {
			dial = new(net.Dialer).DialContext
		}
		t.transport = &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, or(t.Connect, defaultConnect))
				defer cancel()
				return dial(ctx, network, address)
			},
			// A certificate is for viewers' names; who answers proves that it has the secret, see Request.Proof.
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}},
			TLSHandshakeTimeout:    or(t.FirstByte, defaultFirstByte),
			ResponseHeaderTimeout:  or(t.FirstByte, defaultFirstByte),
			DisableCompression:     true,
			MaxIdleConnsPerHost:    idlePerPeer,
			MaxConnsPerHost:        or(t.Reads, defaultReads),
			IdleConnTimeout:        idleFor,
			MaxResponseHeaderBytes: maxHeader,
			TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 only
		}
	})
}
