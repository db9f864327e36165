package rulings

import (
	"bytes"
	"hash/maphash"
	"strconv"
)

// Object is what a cached thing is called in purges. Its slices are only read, and not kept.
type Object struct {
	Organisation string
	Asset        []byte // id; empty for what belongs to no asset
	Revision     int    // 0 if it may be of any revision of the asset: then a purge of one of them purges it
	Path         []byte // as requested: without ticket and leading slash, with "?query" if there is one; may be empty
	Keys         []byte // surrogate keys as the origin sent them, parted by spaces; may be empty
}

// Purged says whether what was fetched at stamp (see Number) is purged: hard, so that it must not be served, or soft, so that
// it is stale and must be validated as if its lifetime were over. It allocates nothing.
func (r *Rulings) Purged(o *Object, stamp uint64) (hard, soft bool) {
	if stamp >= r.newest.Load() {
		return false, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if stamp < r.floor {
		return true, true
	}
	known := r.organisations[o.Organisation]
	if known == nil {
		return false, false
	}
	m := known.all
	if len(known.marks) > 0 {
		r.names(known, o, &m)
	}
	return stamp < m.hard, stamp < m.soft || stamp < m.hard
}

// names adds what is known of each of the object's names to m.
func (r *Rulings) names(known *organisation, o *Object, m *mark) {
	add := func(hash uint64) {
		found := known.marks[hash]
		m.hard, m.soft = max(m.hard, found.hard), max(m.soft, found.soft)
	}
	if len(o.Asset) > 0 {
		add(maphash.Bytes(r.seeds[kindAsset], o.Asset))
		if o.Revision == 0 {
			add(maphash.Bytes(r.seeds[kindAnyRevision], o.Asset))
		} else {
			var buf [96]byte
			name := append(append(buf[:0], o.Asset...), '/')
			add(maphash.Bytes(r.seeds[kindRevision], strconv.AppendInt(name, int64(o.Revision), 10)))
		}
	}
	if len(o.Path) > 0 {
		add(maphash.Bytes(r.seeds[kindURL], o.Path))
		if path, _, has := bytes.Cut(o.Path, []byte{'?'}); has {
			add(maphash.Bytes(r.seeds[kindURL], path))
		}
		r.prefixes(known, o.Path, add)
	}
	for keys := o.Keys; len(keys) > 0; {
		var key []byte
		key, keys, _ = bytes.Cut(keys, []byte{' '})
		if len(key) > 0 {
			add(maphash.Bytes(r.seeds[kindKey], key))
		}
	}
}

// prefixes adds each prefix of path that is as long as a purged one, in one pass over the path.
func (r *Rulings) prefixes(known *organisation, path []byte, add func(uint64)) {
	if len(known.lengths) == 0 {
		return
	}
	var h maphash.Hash
	h.SetSeed(r.seeds[kindPrefix])
	done := 0
	for _, n := range known.lengths {
		if n > len(path) {
			return
		}
		_, _ = h.Write(path[done:n]) // never fails
		done = n
		add(h.Sum64())
	}
}
