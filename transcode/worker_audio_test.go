package transcode_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

func TestAudioChunks(t *testing.T) {
	counts := func(p transcode.Plan) (n []int) {
		next := 0
		for _, c := range transcode.AudioChunks(p) {
			if c.FirstSegment != next {
				t.Errorf("chunk starts at segment %d, want %d", c.FirstSegment, next)
			}
			next += c.Segments
			n = append(n, c.Segments)
		}
		if next != p.Grid.Segments() {
			t.Errorf("chunks hold %d of %d segments", next, p.Grid.Segments())
		}
		return n
	}
	f := func(name string, seconds int64, video []int, want ...int) {
		t.Helper()
		p := transcode.Plan{Grid: transcode.Grid{Rate: weir.Rational{Num: 25, Den: 1}, Frames: 25 * seconds, SegmentFrames: 100}}
		for _, n := range video {
			p.Chunks = append(p.Chunks, transcode.Chunk{Segments: n})
		}
		if diff := cmp.Diff(want, counts(p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("one segment", 4, nil, 1)
	f("sound alone", 240, nil, 1, 2, 4, 8, 15, 15, 15)
	f("as the video", 40, []int{1, 2, 4, 3}, 1, 2, 4, 3)
	f("short chunks by policy", 24, []int{1, 1, 1, 1, 1, 1}, 1, 1, 1, 1, 1, 1)
	f("one picture, long sound", 200, []int{50}, 1, 2, 4, 8, 15, 15, 5)
}
