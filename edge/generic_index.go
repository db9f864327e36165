package edge

import (
	"container/list"
	"hash/maphash"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/freshness"
)

// maxVariants bounds the responses stored for one URI.
const maxVariants = 64

// stored is a stored response. It is not changed: a freshened one takes its place, with the same bytes.
type stored struct {
	freshness.Response
	vary  freshness.Vary
	lines []byte    // of its header, ready to be sent
	key   cache.Key // of its bytes; Object is "" if there are none
	stamp uint64    // of rulings, when it was asked for
}

func (s *stored) cost() int64 {
	n := int64(2*len(s.lines) + len(s.key.Object) + 768)
	for name := range s.Header {
		n += int64(2*len(name) + 64)
	}
	return n
}

// resource is what is known of a URI.
type resource struct {
	key      string
	variants []*stored
	alone    time.Time // until then answers are not for sharing, and nobody waits for another's
	long     time.Time // until then it is known to be larger than what is stored, without saying so
	failed   time.Time // until then the origin is not asked
	failure  *originError
	cost     int64
}

// genericIndex is the stored responses by URI, the least recently used first to go, and the requests under way for them.
type genericIndex struct {
	limit  int64
	seed   maphash.Seed
	number atomic.Uint64 // of stored bodies

	mu      sync.Mutex // guards all below
	entries map[string]*list.Element
	order   *list.List // of *resource, most recently used first
	cost    int64
	epochs  [1024]uint64 // by hash of URI: how often something of it was invalidated
	flights map[string]*flight
}

// flight is a request to the origin that others wait for. outcome is set before done is closed.
type flight struct {
	done    chan struct{}
	outcome outcome
}

// outcome is what others may know of a fetch: a response to use, an error, or neither.
type outcome struct {
	stored *stored
	err    error
	status int // of the origin's answer; 0: none
}

func newGenericIndex(limit int64) *genericIndex {
	return &genericIndex{limit: limit, seed: maphash.MakeSeed(), entries: map[string]*list.Element{}, order: list.New(), flights: map[string]*flight{}}
}

// look is a resource as it is at one time.
type look struct {
	chosen  *stored   // nil: none matches
	others  []*stored // the rest
	epoch   uint64
	alone   bool
	long    bool
	failure *originError
	flight  string // names the request to join
}

// look finds what there is for a request.
func (i *genericIndex) look(key string, header http.Header, now time.Time) look {
	i.mu.Lock()
	defer i.mu.Unlock()
	l := look{epoch: *i.epoch(key)}
	e := i.entries[key]
	if e == nil {
		l.flight = strconv.FormatUint(l.epoch, 36) + " " + key
		return l
	}
	i.order.MoveToFront(e)
	r := e.Value.(*resource)
	l.alone, l.long = now.Before(r.alone), now.Before(r.long)
	if now.Before(r.failed) {
		l.failure = r.failure
	}
	var names []string
	n := freshness.Choose(len(r.variants), header, func(i int) (*freshness.Response, freshness.Vary) {
		return &r.variants[i].Response, r.variants[i].vary
	})
	for k, v := range r.variants {
		names = append(names, v.vary.Names...)
		if k == n {
			l.chosen = v
		} else {
			l.others = append(l.others, v)
		}
	}
	slices.Sort(names)
	l.flight = strconv.FormatUint(l.epoch, 36) + " " + key + "\x00" + freshness.Key(slices.Compact(names), header)
	return l
}

func (i *genericIndex) epoch(key string) *uint64 {
	return &i.epochs[maphash.String(i.seed, key)%uint64(len(i.epochs))]
}

// join returns the request under way of that name, or begins one.
func (i *genericIndex) join(name string) (f *flight, leader bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if f = i.flights[name]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	i.flights[name] = f
	return f, true
}

// land ends the request under way.
func (i *genericIndex) land(name string, f *flight, o outcome) {
	i.mu.Lock()
	delete(i.flights, name)
	i.mu.Unlock()
	f.outcome = o
	close(f.done)
}

// put stores s in place of whatever else the request would get, unless the URI was invalidated since epoch.
func (i *genericIndex) put(key string, s *stored, request http.Header, epoch uint64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if *i.epoch(key) != epoch {
		return false
	}
	r := i.resource(key)
	r.variants = slices.DeleteFunc(r.variants, func(old *stored) bool { return old.vary.Matches(request) })
	if len(r.variants) >= maxVariants {
		r.variants = slices.Delete(r.variants, 0, 1)
	}
	r.variants = append(r.variants, s)
	r.alone, r.failed, r.failure = time.Time{}, time.Time{}, nil
	i.settle(r)
	return true
}

// drop forgets a stored response.
func (i *genericIndex) drop(key string, s *stored) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if e := i.entries[key]; e != nil {
		r := e.Value.(*resource)
		r.variants = slices.DeleteFunc(r.variants, func(old *stored) bool { return old == s || old.key == s.key && s.key.Object != "" })
		i.settle(r)
	}
}

// note changes what is remembered of a URI besides responses.
func (i *genericIndex) note(key string, change func(r *resource)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r := i.resource(key)
	change(r)
	i.settle(r)
}

// invalidate forgets all of a URI, and what is under way for it will not be stored.
func (i *genericIndex) invalidate(key string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	*i.epoch(key)++
	if e := i.entries[key]; e != nil {
		i.remove(e)
	}
}

func (i *genericIndex) size() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cost
}

// resource finds or makes the entry. The caller holds mu.
func (i *genericIndex) resource(key string) *resource {
	e := i.entries[key]
	if e == nil {
		e = i.order.PushFront(&resource{key: key})
		i.entries[key] = e
	}
	i.order.MoveToFront(e)
	return e.Value.(*resource)
}

// settle counts r anew and makes room. The caller holds mu.
func (i *genericIndex) settle(r *resource) {
	i.cost -= r.cost
	r.cost = int64(2*len(r.key) + 512)
	for _, s := range r.variants {
		r.cost += s.cost()
	}
	i.cost += r.cost
	for i.cost > i.limit && i.order.Len() > 1 {
		i.remove(i.order.Back())
	}
}

func (i *genericIndex) remove(e *list.Element) {
	r := e.Value.(*resource)
	i.order.Remove(e)
	delete(i.entries, r.key)
	i.cost -= r.cost
}
