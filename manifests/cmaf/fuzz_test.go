package cmaf_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests/cmaf"
)

func formatSeconds(s float64) string { return strconv.FormatFloat(s, 'f', 6, 64) }

// Whatever a broken or hostile encoder writes, PackVideo ends with an error of ours or with exactly the frames asked for.
func FuzzPackVideo(f *testing.F) {
	good := encodeVideo(f, "25", 8, 4)
	f.Add(good)
	f.Add(good[:len(good)*2/3])
	f.Add(encodeAudio(f, 3000))
	spec := cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, Frames: 8, SegmentStarts: []int64{0, 4}, FirstSegment: 1}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := cmaf.PackVideo(bytes.NewReader(in), io.Discard, spec)
		if err != nil {
			if weir.KindOf(err) != weir.Internal {
				t.Errorf("PackVideo error %v is %v", err, weir.KindOf(err))
			}
			return
		}
		if len(got.Segments) != 2 || got.Segments[0].Duration+got.Segments[1].Duration != 8*3600 {
			t.Errorf("PackVideo = %+v", got.Segments)
		}
	})
}

func FuzzPackAudio(f *testing.F) {
	good := encodeAudio(f, 5000)
	f.Add(good)
	f.Add(good[:len(good)*2/3])
	f.Add(encodeVideo(f, "25", 2, 2))
	f.Fuzz(func(t *testing.T, in []byte) {
		var samples int64
		_, err := cmaf.PackAudio(bytes.NewReader(in), cmaf.AudioSpec{Boundaries: []int64{0, 2048, 5000}}, nil,
			func(s cmaf.AudioSegment) error {
				samples += s.Segment.Duration
				return nil
			})
		if err == nil && samples != 5000 {
			t.Errorf("PackAudio emitted %d samples, want 5000", samples)
		}
	})
}
