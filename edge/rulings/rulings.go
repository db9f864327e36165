// Package rulings is what an edge knows of purges and revocations: in memory, bounded, and asked on every request. It is told
// by whoever follows the log of them and does no I/O.
//
// The invariant: what is forgotten to stay within bounds only makes more be purged or refused, never less.
package rulings

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// Bounds of what is kept of an organisation, and of how many organisations something is kept.
const (
	maxOrganisations = 4096
	maxMarks         = 64 << 10  // purged names; over that the older half becomes a purge of the whole organisation
	maxLengths       = 64        // different lengths of purged prefixes; likewise
	maxRevoked       = 200 << 10 // sessions and subjects; what does not fit closes the organisation, see Rulings.Revoked
)

// Rulings is what is known so far. Make it with New. Safe for concurrent use; Apply and its like are for one goroutine.
type Rulings struct {
	seeds    [kinds]maphash.Seed
	number   atomic.Uint64 // the newest known
	newest   atomic.Uint64 // the newest that purges anything: most stamps are not below, and are done with one comparison
	revoking atomic.Bool   // whether anything is revoked at all

	mu            sync.RWMutex // guards what follows
	floor         uint64       // everything older is purged
	closed        int64        // unix seconds until which every ticket is refused
	organisations map[string]*organisation
}

// kind parts the names that marks are kept of. Each has a hash seed of its own.
type kind uint8

const (
	kindURL kind = iota
	kindPrefix
	kindKey
	kindAsset
	kindRevision    // "<asset>/<rev>"
	kindAnyRevision // the asset of a purged revision
	kinds
)

// mark is the newest purge of a name: what was fetched under an older stamp is purged.
type mark struct {
	hard, soft uint64
	length     int // of a prefix, else 0
}

type organisation struct {
	all     mark
	marks   map[uint64]mark // by hash: a collision purges more
	lengths []int           // of purged prefixes, ascending
	epoch   int64           // unix seconds: tickets issued before are revoked
	ends    int64           // when epoch can be forgotten
	closed  int64           // unix seconds until which every ticket is refused
	swept   int64           // unix seconds of the last sweep: a full house looks for room once a second

	sessions, subjects map[string]int64 // to the unix second at which they can be forgotten
}

// New makes Rulings that know nothing.
func New() *Rulings {
	r := &Rulings{organisations: map[string]*organisation{}}
	for i := range r.seeds {
		r.seeds[i] = maphash.MakeSeed()
	}
	return r
}

// Number is the newest number known. A fill takes it as its stamp before it asks anybody for a byte. What comes from another
// cache (a peer, a shared tier, a disk) keeps the stamp it has there if that is lower.
func (r *Rulings) Number() uint64 { return r.number.Load() }

// Apply obeys one fact. Facts come in order; an old one that comes again changes nothing.
func (r *Rulings) Apply(fact weir.Rulings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range fact.Rulings {
		if p := fact.Rulings[i].Purge; p != nil {
			r.purge(p, fact.Number)
		}
		if v := fact.Rulings[i].Revocation; v != nil {
			r.revoke(v, fact.Time)
		}
	}
	r.advance(fact.Number)
}

// Raise purges everything whose stamp is below floor: purges up to there are no longer known one by one.
func (r *Rulings) Raise(floor uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.floor = max(r.floor, floor)
	r.purged(floor)
	r.advance(floor)
}

// advance is last in each change: whoever takes a number as a stamp finds all of it obeyed.
func (r *Rulings) advance(number uint64) { r.number.Store(max(r.number.Load(), number)) }

func (r *Rulings) purged(number uint64) { r.newest.Store(max(r.newest.Load(), number)) }

// of is what is kept of an organisation, or nil if it is one too many.
func (r *Rulings) of(name string) *organisation {
	o := r.organisations[name]
	if o == nil && len(r.organisations) < maxOrganisations {
		o = &organisation{marks: map[uint64]mark{}, sessions: map[string]int64{}, subjects: map[string]int64{}}
		r.organisations[name] = o
	}
	return o
}

func (r *Rulings) purge(p *weir.Purge, number uint64) {
	r.purged(number)
	o := r.of(p.Organisation)
	if o == nil {
		r.floor = max(r.floor, number)
		return
	}
	if p.By == weir.ByOrganisation {
		o.all.raise(number, p.Soft)
		return
	}
	for _, value := range p.Values {
		switch p.By {
		case weir.ByURL:
			o.put(maphash.String(r.seeds[kindURL], value), number, p.Soft, 0)
		case weir.ByPrefix:
			o.put(maphash.String(r.seeds[kindPrefix], value), number, p.Soft, len(value))
		case weir.ByKey:
			o.put(maphash.String(r.seeds[kindKey], value), number, p.Soft, 0)
		case weir.ByAsset:
			o.put(maphash.String(r.seeds[kindAsset], value), number, p.Soft, 0)
		case weir.ByRevision:
			o.put(maphash.String(r.seeds[kindRevision], value), number, p.Soft, 0)
			o.put(maphash.String(r.seeds[kindAnyRevision], beforeSlash(value)), number, p.Soft, 0)
		default: // newer than this program, though the log should have refused it
			o.all.raise(number, false)
		}
	}
}

func beforeSlash(s string) string {
	for i := range len(s) {
		if s[i] == '/' {
			return s[:i]
		}
	}
	return s
}

func (m *mark) raise(number uint64, soft bool) {
	if soft {
		m.soft = max(m.soft, number)
	} else {
		m.hard = max(m.hard, number)
	}
}

func (o *organisation) put(hash, number uint64, soft bool, length int) {
	m := o.marks[hash]
	m.raise(number, soft)
	m.length = length
	o.marks[hash] = m
	if at, known := slices.BinarySearch(o.lengths, length); !known && length > 0 {
		o.lengths = slices.Insert(o.lengths, at, length)
	}
	for len(o.marks) > maxMarks || len(o.lengths) > maxLengths {
		o.fold()
	}
}

// fold turns the older half of the marks into one of the whole organisation.
func (o *organisation) fold() {
	numbers := make([]uint64, 0, len(o.marks))
	for _, m := range o.marks {
		numbers = append(numbers, max(m.hard, m.soft))
	}
	slices.Sort(numbers)
	o.all.hard = max(o.all.hard, numbers[len(numbers)/2])
	o.lengths = nil
	for hash, m := range o.marks {
		if max(m.hard, m.soft) <= o.all.hard {
			delete(o.marks, hash)
		} else if m.length > 0 {
			o.lengths = append(o.lengths, m.length)
		}
	}
	slices.SortFunc(o.lengths, cmp.Compare[int])
	o.lengths = slices.Compact(o.lengths)
}

func (r *Rulings) revoke(v *weir.Revocation, at time.Time) {
	r.revoking.Store(true)
	until := max(v.Until.Unix(), at.Unix())
	o := r.of(v.Organisation)
	if o == nil {
		r.closed = max(r.closed, until)
		return
	}
	names, name := o.sessions, v.Session
	switch {
	case v.Subject != "":
		names, name = o.subjects, v.Subject
	case v.Session == "":
		o.epoch, o.ends = max(o.epoch, v.Epoch.Unix()), max(o.ends, until)
		return
	}
	if _, known := names[name]; !known && len(o.sessions)+len(o.subjects) >= maxRevoked && o.swept < at.Unix() {
		o.sweep(at.Unix())
	}
	if _, known := names[name]; !known && len(o.sessions)+len(o.subjects) >= maxRevoked {
		o.closed = max(o.closed, until)
		return
	}
	names[name] = max(names[name], until)
}

// Revoked says whether a verified ticket was revoked. It allocates nothing.
//
// If more sessions and subjects of an organisation are revoked at once than are kept, all tickets of the organisation are
// refused until what did not fit can be forgotten: a revocation also holds for tickets issued later, so nothing less is sure
// to refuse them.
func (r *Rulings) Revoked(t *weir.Ticket) bool {
	if !r.revoking.Load() {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed > 0 {
		return true
	}
	o := r.organisations[t.Organisation]
	if o == nil {
		return false
	}
	// A ticket of version 1 has the zero time, which is before any epoch.
	if o.closed > 0 || o.epoch > 0 && t.Issued.Unix() < o.epoch {
		return true
	}
	if _, revoked := o.sessions[t.Session]; revoked {
		return true
	}
	_, revoked := o.subjects[t.Subject]
	return revoked
}

// Sweep forgets revocations that no living ticket needs. What nothing is known of costs nothing after it.
func (r *Rulings) Sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unix := now.Unix()
	if r.closed <= unix {
		r.closed = 0
	}
	revoking := r.closed > 0
	for name, o := range r.organisations {
		o.sweep(unix)
		revokes := o.closed > 0 || o.epoch > 0 || len(o.sessions)+len(o.subjects) > 0
		revoking = revoking || revokes
		if !revokes && len(o.marks) == 0 && o.all == (mark{}) {
			delete(r.organisations, name)
		}
	}
	r.revoking.Store(revoking)
}

func (o *organisation) sweep(unix int64) {
	o.swept = unix
	if o.closed <= unix {
		o.closed = 0
	}
	if o.ends <= unix {
		o.epoch, o.ends = 0, 0
	}
	for _, names := range []map[string]int64{o.sessions, o.subjects} {
		for name, until := range names {
			if until <= unix {
				delete(names, name)
			}
		}
	}
}

// Size is how much is known, for metrics: names purged, sessions and subjects revoked, and organisations whose tickets are all
// refused because more was revoked than is kept (all of them, if of too many organisations).
func (r *Rulings) Size() (purged, revoked, closed int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, o := range r.organisations {
		purged += len(o.marks)
		revoked += len(o.sessions) + len(o.subjects)
		if o.closed > 0 || r.closed > 0 {
			closed++
		}
	}
	return purged, revoked, closed
}
