package bench

import (
	"bytes"
	"hash/crc32"
	"sync"
)

// reference is what a URL's body should be: the bytes themselves if the origin is bench's own, else the length and sum of
// the first body that came.
type reference struct {
	body []byte // never changed

	mu   sync.Mutex // guards what follows
	seen bool
	size int64
	sum  uint32
}

// maxReferences bounds the bodies that are kept to compare with, maxReferenceBytes their bytes.
const (
	maxReferences     = 4096
	maxReferenceBytes = 256 << 20
)

// checkBodies makes the run's client one that compares every body.
func (r *Run) checkBodies() {
	r.Client = Check
	r.Setting("client", Check)
}

func (r *Run) reference(t Target) *reference {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref, ok := r.ref[t.URL.Path]
	if !ok {
		ref = &reference{}
		if size, ours := ownSize(t.URL.Path); ours {
			ref.body = Body(t.URL.Path, size)
		}
		if len(r.ref) >= maxReferences || r.refBytes+int64(len(ref.body)) > maxReferenceBytes {
			clear(r.ref) // they are made again
			r.refBytes = 0
		}
		r.ref[t.URL.Path] = ref
		r.refBytes += int64(len(ref.body))
	}
	return ref
}

// checker compares one body as it comes.
type checker struct {
	ref   *reference
	n     int64
	sum   uint32
	wrong bool
}

func (r *Run) checker(t Target) *checker { return &checker{ref: r.reference(t)} }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c *checker) add(b []byte) {
	if c.ref.body == nil {
		c.sum = crc32.Update(c.sum, castagnoli, b)
	} else if end := c.n + int64(len(b)); end > int64(len(c.ref.body)) || !bytes.Equal(c.ref.body[c.n:end], b) {
		c.wrong = true
	}
	c.n += int64(len(b))
}

// end judges a body that ended as its answer said.
func (c *checker) end() error {
	if c.ref.body != nil {
		switch {
		case c.wrong:
			return errCorrupt
		case c.n < int64(len(c.ref.body)):
			return errSilent
		}
		return nil
	}
	c.ref.mu.Lock()
	defer c.ref.mu.Unlock()
	if !c.ref.seen {
		c.ref.seen, c.ref.size, c.ref.sum = true, c.n, c.sum
	}
	switch {
	case c.n < c.ref.size:
		return errSilent
	case c.n != c.ref.size || c.sum != c.ref.sum:
		return errCorrupt
	}
	return nil
}
