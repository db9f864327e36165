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

// maxReferences bounds the bodies that are kept to compare with.
const maxReferences = 4096

func (r *Run) reference(t Target) *reference {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref, ok := r.ref[t.URL.Path]
	if !ok {
		ref = &reference{}
		if size, ours := ownSize(t.URL.Path); ours {
			ref.body = Body(t.URL.Path, size)
		}
		if len(r.ref) >= maxReferences {
			clear(r.ref) // they are made again
		}
		r.ref[t.URL.Path] = ref
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
