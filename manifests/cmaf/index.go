package cmaf

import (
	"bytes"

	"github.com/Eyevinn/mp4ff/mp4"

	weir "github.com/weirstream/weir"
)

// maxReferences is what one sidx can count.
const maxReferences = 1<<16 - 1

// TrackIndex is what precedes a track's segments in track.mp4: the init segment and one sidx (ISO/IEC 14496-12 section
// 8.16.3) over all segments, so that its bytes followed by every segment's are one valid fragmented file. Offsets of the
// segments are not used. Errors are of kind Internal: there are no segments, or more than a sidx can hold.
func TrackIndex(init []byte, t weir.Track, segments []weir.Segment) ([]byte, error) {
	if len(segments) == 0 || len(segments) > maxReferences {
		return nil, bad("index of %d segments, want 1 to %d", len(segments), maxReferences)
	}
	sidx := mp4.CreateSidx(uint64(segments[0].Start))
	sidx.EarliestPresentationTime = uint64(segments[0].Start)
	sidx.ReferenceID = trackID
	sidx.Timescale = uint32(t.Timescale)
	sidx.SidxRefs = make([]mp4.SidxRef, len(segments))
	for i, s := range segments {
		if s.Length < 1 || s.Length > weir.MaxSegmentBytes || s.Duration < 1 || s.Duration > 1<<32-1 {
			return nil, bad("segment %d of the index is out of bounds", i)
		}
		sidx.SidxRefs[i] = mp4.SidxRef{ReferencedSize: uint32(s.Length), SubSegmentDuration: uint32(s.Duration),
			StartsWithSAP: 1, SAPType: 1}
	}
	b := bytes.NewBuffer(make([]byte, 0, len(init)+int(sidx.Size())))
	b.Write(init)
	if err := sidx.Encode(b); err != nil {
		return nil, bad("write sidx: %w", err)
	}
	return b.Bytes(), nil
}
