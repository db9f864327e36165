package cmaf

import (
	"bytes"
	"errors"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	weir "github.com/weirstream/weir"
)

// Bounds of what source believes of a box header.
const (
	maxMoovBytes = 1 << 20
	maxMoofBytes = 8 << 20
	maxMdatBytes = weir.MaxSegmentBytes
)

// source reads a fragmented MP4 of one track, box by box. It keeps nothing of a fragment that was returned.
type source struct {
	r     io.Reader
	track *mp4.TrakBox
	trex  *mp4.TrexBox
}

// sample is one coded frame. Times are in the source's timescale.
type sample struct {
	decode  int64
	present int64
	length  int64 // duration
	sync    bool
	data    []byte
}

// boxHeader is the size and type of a top-level box.
type boxHeader struct {
	kind string
	body int64 // bytes that follow the header; -1 is to the end of the stream
	raw  []byte
}

func bad(format string, args ...any) error { return weir.Errorf(weir.Internal, format, args...) }

// openSource reads up to and including the moov.
func openSource(r io.Reader) (*source, error) {
	s := &source{r: r}
	for s.track == nil {
		h, err := s.header()
		if errors.Is(err, io.EOF) {
			return nil, bad("stream has no moov")
		}
		if err != nil {
			return nil, err
		}
		switch h.kind {
		case "moov":
			if err := s.readMoov(h); err != nil {
				return nil, err
			}
		case "moof", "mdat":
			return nil, bad("stream has media before its moov: it is not fragmented")
		default:
			if err := s.skip(h); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// fragment returns the samples of the next moof and mdat in decode order, or io.EOF. Their data share one new array.
func (s *source) fragment() ([]sample, error) {
	for {
		h, err := s.header()
		if err != nil {
			return nil, err
		}
		switch h.kind {
		case "moof":
			return s.readFragment(h)
		case "mdat", "moov":
			return nil, bad("stream has a %s out of place", h.kind)
		}
		if err := s.skip(h); err != nil {
			return nil, err
		}
	}
}

// header reads a box header. It returns io.EOF only at a box boundary.
func (s *source) header() (boxHeader, error) {
	raw := make([]byte, 16)
	if _, err := io.ReadFull(s.r, raw[:8]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return boxHeader{}, bad("stream ends inside a box header")
		}
		return boxHeader{}, err
	}
	h := boxHeader{kind: string(raw[4:8]), raw: raw[:8]}
	size, n := int64(be32(raw)), int64(8)
	switch size {
	case 0:
		h.body = -1
		return h, nil
	case 1:
		if _, err := io.ReadFull(s.r, raw[8:16]); err != nil {
			return boxHeader{}, bad("read size of %q: %w", h.kind, cutShort(err))
		}
		h.raw, n = raw, 16
		size = int64(be32(raw[8:]))<<32 | int64(be32(raw[12:]))
	}
	if size < n {
		return boxHeader{}, bad("box %q claims %d bytes", h.kind, size)
	}
	h.body = size - n
	return h, nil
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func (s *source) skip(h boxHeader) error {
	if h.body < 0 {
		_, err := io.Copy(io.Discard, s.r)
		return err
	}
	if _, err := io.CopyN(io.Discard, s.r, h.body); err != nil {
		return bad("skip box %q: %w", h.kind, cutShort(err))
	}
	return nil
}

// cutShort keeps an end inside a box apart from the io.EOF between boxes.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read returns the body of a box of at most limit bytes. Memory grows as bytes arrive, whatever the header claims.
func (s *source) read(h boxHeader, limit int64) ([]byte, error) {
	if h.body < 0 || h.body > limit {
		return nil, bad("box %q claims %d bytes, more than %d", h.kind, h.body, limit)
	}
	var b bytes.Buffer
	b.Grow(int(min(h.body, 1<<20)) + bytes.MinRead)
	if _, err := io.CopyN(&b, s.r, h.body); err != nil {
		return nil, bad("read box %q: %w", h.kind, cutShort(err))
	}
	return b.Bytes(), nil
}

// decode reads and decodes a whole box. mp4ff checks sizes as it goes; what it misses becomes an error here.
func (s *source) decode(h boxHeader, limit int64) (box mp4.Box, err error) {
	body, err := s.read(h, limit)
	if err != nil {
		return nil, err
	}
	defer recoverTo(&err)
	if len(h.raw) != 8 {
		return nil, bad("box %q has a 64-bit size", h.kind)
	}
	box, err = mp4.DecodeBoxSR(0, bits.NewFixedSliceReader(append(h.raw, body...)))
	if err != nil {
		return nil, bad("decode %s: %w", h.kind, err)
	}
	return box, nil
}

// recoverTo turns a panic over malformed boxes into an error.
func recoverTo(err *error) {
	if p := recover(); p != nil {
		*err = bad("malformed boxes: %v", p)
	}
}

func (s *source) readMoov(h boxHeader) (err error) {
	box, err := s.decode(h, maxMoovBytes)
	if err != nil {
		return err
	}
	defer recoverTo(&err)
	moov := box.(*mp4.MoovBox)
	if len(moov.Traks) != 1 || moov.Mvex == nil || moov.Mvex.Trex == nil {
		return bad("moov has %d tracks, want one, fragmented", len(moov.Traks))
	}
	if len(moov.Trak.Mdia.Minf.Stbl.Stsd.Children) != 1 || moov.Trak.Mdia.Mdhd.Timescale == 0 {
		return bad("track has %d sample entries, want one", len(moov.Trak.Mdia.Minf.Stbl.Stsd.Children))
	}
	s.track, s.trex = moov.Trak, moov.Mvex.Trex
	return nil
}

func (s *source) timescale() int64 { return int64(s.track.Mdia.Mdhd.Timescale) }

// readFragment reads the rest of a moof and the mdat that must follow it.
func (s *source) readFragment(h boxHeader) (samples []sample, err error) {
	box, err := s.decode(h, maxMoofBytes)
	if err != nil {
		return nil, err
	}
	mdat, err := s.header()
	if err != nil || mdat.kind != "mdat" {
		return nil, bad("a moof is not followed by its mdat (%q)", mdat.kind)
	}
	data, err := s.read(mdat, maxMdatBytes)
	if err != nil {
		return nil, err
	}
	return s.samples(box, int64(len(mdat.raw)), data)
}

// samples lays the sample table of a moof over the mdat behind it.
func (s *source) samples(box mp4.Box, mdatHeader int64, data []byte) (samples []sample, err error) {
	defer recoverTo(&err)
	moof := box.(*mp4.MoofBox)
	if len(moof.Trafs) != 1 || moof.Traf.Tfdt == nil || moof.Traf.Tfhd.HasBaseDataOffset() {
		return nil, bad("moof has %d track fragments, want one with a tfdt and offsets from the moof", len(moof.Trafs))
	}
	decode := moof.Traf.Tfdt.BaseMediaDecodeTime()
	if decode > 1<<52 {
		return nil, bad("decode time %d is out of bounds", decode)
	}
	at, base := int64(0), int64(moof.Size())+mdatHeader
	for _, trun := range moof.Traf.Truns {
		if trun.HasDataOffset() && int64(trun.DataOffset) != base+at {
			return nil, bad("trun's data is at %d, want it at %d", trun.DataOffset, base+at)
		}
		trun.AddSampleDefaultValues(moof.Traf.Tfhd, s.trex)
		for _, t := range trun.Samples {
			end := at + int64(t.Size)
			if end > int64(len(data)) {
				return nil, bad("samples reach %d bytes into an mdat of %d", end, len(data))
			}
			samples = append(samples, sample{
				decode:  int64(decode),
				present: int64(decode) + int64(t.CompositionTimeOffset),
				length:  int64(t.Dur),
				sync:    t.Flags&mp4.NonSyncSampleFlags == 0,
				data:    data[at:end:end],
			})
			at, decode = end, decode+uint64(t.Dur)
		}
	}
	return samples, nil
}
