package edge

import (
	"io"
	"net"
	"sort"
	"time"
)

// track is a whole track as one file, which is stored nowhere: the init segment and one sidx, then every segment. Its
// byte ranges are found by arithmetic on the index.
type track struct {
	index    []byte   // init segment and sidx
	segments []object // in order
	ends     []int64  // ends[i] is where segment i ends in the file
}

func newTrack(index []byte, segments []object) *track {
	t := &track{index: index, segments: segments, ends: make([]int64, len(segments))}
	end := int64(len(index))
	for i, s := range segments {
		end += s.key.Length
		t.ends[i] = end
	}
	return t
}

func (t *track) size() int64 {
	if len(t.ends) == 0 {
		return int64(len(t.index))
	}
	return t.ends[len(t.ends)-1]
}

// at returns the segment that holds byte off of the file, and where it starts; the index is segment -1.
func (t *track) at(off int64) (segment int, start int64) {
	if off < int64(len(t.index)) {
		return -1, 0
	}
	i := sort.Search(len(t.ends), func(i int) bool { return t.ends[i] > off })
	return i, t.ends[i] - t.segments[i].key.Length
}

// trackReader reads bytes off to end of a track, each segment through the cache as its turn comes. A slow client has the
// write timeout for each segment, not for the whole. When a segment cannot be had the read fails, which closes the
// connection: a short answer is seen as one.
type trackReader struct {
	handler  *handler
	track    *track
	conn     net.Conn
	off, end int64
	rest     []byte // of the piece Read is in
}

var _ io.WriterTo = (*trackReader)(nil)

// piece returns the next bytes: at most what is left of one segment.
func (r *trackReader) piece() ([]byte, error) {
	if r.off >= r.end {
		return nil, io.EOF
	}
	i, start := r.track.at(r.off)
	data := r.track.index
	if i >= 0 {
		o := r.track.segments[i]
		var ok bool
		if data, ok = r.handler.lookup(o.key); !ok {
			var err error
			if data, _, err = r.handler.fill(o); err != nil {
				return nil, err
			}
		}
	}
	data = data[r.off-start:]
	data = data[:min(int64(len(data)), r.end-r.off)]
	r.off += int64(len(data))
	return data, r.conn.SetWriteDeadline(time.Now().Add(r.handler.config.WriteTimeout))
}

// Read reads the next bytes.
func (r *trackReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		var err error
		if r.rest, err = r.piece(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.handler.metrics.bytes[wholeTrack].Add(float64(n))
	return n, nil
}

// WriteTo writes what is left without copying it.
func (r *trackReader) WriteTo(w io.Writer) (written int64, err error) {
	for {
		b := r.rest
		if r.rest = nil; len(b) == 0 {
			if b, err = r.piece(); err == io.EOF {
				return written, nil
			} else if err != nil {
				return written, err
			}
		}
		n, err := w.Write(b)
		written += int64(n)
		r.handler.metrics.bytes[wholeTrack].Add(float64(n))
		if err != nil {
			return written, err
		}
	}
}
