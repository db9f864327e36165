package peer

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/edge/origin"
)

// eps is by how much a peer's load may pass the average; see Owner. maxPeers bounds the edges of a region: of more the
// first by id are used, on every edge the same.
const (
	eps      = 0.25
	maxPeers = 1024
)

// Peer is another edge.
type Peer struct {
	ID      string
	Address string // host:port of its media listener
	Region  string
	TLS     bool // it speaks TLS there
}

// Tier reads from the peer that owns a part. Self and Secret must be set, the others' zero values are the defaults beside
// them. Safe for concurrent use; nothing is set after the first call. Without peers everything is this edge's own.
type Tier struct {
	Self   string // this edge's id among the peers
	Region string // of this edge: only peers of the same are asked
	Secret []byte // SecretBytes that all edges of the cluster share

	Connect   time.Duration                                                        // to a peer; 200 ms
	FirstByte time.Duration                                                        // from the request to the answer's header, which the first bytes follow at once; 2 s
	Stall     time.Duration                                                        // between bytes; 2 s
	Reads     int                                                                  // at once from one peer, at most; 128
	Slack     int                                                                  // reads under way at one peer that do not count as load yet; half of Reads
	Now       func() time.Time                                                     // nil: time.Now
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer's

	current   atomic.Pointer[ring]
	bad       badParts
	setting   sync.Mutex // makes SetPeers one at a time
	begin     sync.Once
	transport *http.Transport
	closed    atomic.Bool
	counts    counts
}

// ring is the edges of the region at one moment. It is not changed.
type ring struct {
	ids   []string // Self's too, sorted
	links map[string]*link
}

// link is what is known of one peer. It outlives changes of the ring as long as the peer keeps its address.
type link struct {
	Peer
	breaker breaker
	reads   atomic.Int64 // under way
}

// counts are of whole reads, but for bytes.
type counts struct{ hits, misses, failures, wrong, busy, bytes atomic.Int64 }

// Stats is what a Tier did since its start, and how it stands.
type Stats struct {
	Hits     int64 // parts that came from a peer, whole
	Misses   int64 // a peer had them from before a purge
	Failures int64 // a peer was asked and could not be reached, answered wrongly, too late, or not to the end
	Wrong    int64 // came whole and failed their checksum
	Busy     int64 // not asked: too many reads were under way at the owner
	Bytes    int64 // taken from peers
	Peers    int64 // of the region, this edge not counted
	Open     int64 // peers that are not asked because they failed
}

// Stats is a snapshot.
func (t *Tier) Stats() Stats {
	c := &t.counts
	s := Stats{Hits: c.hits.Load(), Misses: c.misses.Load(), Failures: c.failures.Load(), Wrong: c.wrong.Load(), Busy: c.busy.Load(), Bytes: c.bytes.Load()}
	if r := t.current.Load(); r != nil {
		s.Peers = int64(len(r.links))
		now := t.now()
		for _, l := range r.links {
			if l.breaker.open(now) {
				s.Open++
			}
		}
	}
	return s
}

// SetPeers says which edges there are, all at once; Self may be among them. Reads under way go on.
func (t *Tier) SetPeers(peers []Peer) {
	t.setting.Lock()
	defer t.setting.Unlock()
	old := t.current.Load()
	r := &ring{links: map[string]*link{}}
	peers = slices.SortedFunc(slices.Values(peers), func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	for _, p := range peers {
		if p.Region != t.Region || p.ID == "" || p.ID == t.Self || r.links[p.ID] != nil || len(r.ids) == maxPeers {
			continue
		}
		l := &link{Peer: p}
		if old != nil && old.links[p.ID] != nil && old.links[p.ID].Peer == p {
			l = old.links[p.ID]
		}
		r.links[p.ID] = l
		r.ids = append(r.ids, p.ID)
	}
	at, _ := slices.BinarySearch(r.ids, t.Self)
	r.ids = slices.Insert(r.ids, at, t.Self)
	t.current.Store(r)
}

// Close ends idle connections; nothing is asked of peers any more. Reads under way end with their contexts.
func (t *Tier) Close() {
	t.closed.Store(true)
	t.start()
	t.transport.CloseIdleConnections()
}

// Owner is the id of the edge that reads p from the store for the region, as things stand here.
func (t *Tier) Owner(p origin.Part) string {
	if r := t.current.Load(); r != nil {
		return t.owner(r, t.order(r, p))
	}
	return t.Self
}

// owner is the one of order to ask. It is never one behind Self: so nobody waits for somebody who, by another view of who there
// is, waits for him, since a request joins the fill that is under way.
func (t *Tier) owner(r *ring, order []string) string {
	id := Owner(order, t.loads(r, order), eps)
	if slices.Index(order, id) > slices.Index(order, t.Self) {
		return t.Self
	}
	return id
}

// order is who may be asked for p, the owner first. A peer that fails is left out, so that the next one stands in for it
// on every edge that knows.
func (t *Tier) order(r *ring, p origin.Part) []string {
	now := t.now()
	return slices.DeleteFunc(Order(p.Key+"/"+strconv.FormatInt(p.Off, 10), r.ids), func(id string) bool {
		l := r.links[id]
		return l != nil && l.breaker.open(now)
	})
}

// loads is how many reads more than Slack are under way at each of order. Edges see only their own, so while loads are small
// they must not count: edges would disagree about owners, and a part be read twice. Self counts as the average.
func (t *Tier) loads(r *ring, order []string) map[string]int {
	loads, total := map[string]int{}, 0
	slack := or(t.Slack, or(t.Reads, defaultReads)/2)
	for _, id := range order {
		if l := r.links[id]; l != nil {
			if n := int(l.reads.Load()) - slack; n > 0 {
				loads[id] = n
				total += n
			}
		}
	}
	if total > 0 {
		loads[t.Self] = total / (len(order) - 1)
	}
	return loads
}

// choose returns the peer to ask for p, whose breaker was entered and whose reads counted; nil if this edge is to read it.
func (t *Tier) choose(p origin.Part) *link {
	r := t.current.Load()
	if r == nil || len(r.links) == 0 || t.closed.Load() || len(t.Secret) != SecretBytes || !askable(p) || t.bad.has(p, t.now()) {
		return nil
	}
	for order := t.order(r, p); ; {
		id := t.owner(r, order)
		l := r.links[id]
		if l == nil { // self
			return nil
		}
		if !l.breaker.enter(t.now()) { // another read tries it already
			order = slices.DeleteFunc(order, func(other string) bool { return other == id })
			continue
		}
		if l.reads.Add(1) > int64(or(t.Reads, defaultReads)) {
			l.reads.Add(-1)
			l.breaker.leave(given, t.now())
			t.counts.busy.Add(1)
			return nil
		}
		return l
	}
}

func (t *Tier) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

func or[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

const defaultReads = 128
