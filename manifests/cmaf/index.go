package cmaf

import weir "github.com/weirstream/weir"

// TrackIndex is what precedes a track's segments in track.mp4: the init segment and one sidx (ISO/IEC 14496-12 section
// 8.16.3) over all segments, so that its bytes followed by every segment's are one valid fragmented file.
func TrackIndex(init []byte, t weir.Track, segments []weir.Segment) ([]byte, error) {
	return nil, weir.Errorf(weir.Internal, "not written yet")
}
