package cmaf_test

import (
	"bytes"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests/cmaf"
)

func TestTrackIndex(t *testing.T) {
	spec := cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, Frames: 24, SegmentStarts: []int64{0, 8, 16}, FirstSegment: 1}
	var media bytes.Buffer
	packed, err := cmaf.PackVideo(bytes.NewReader(encodeVideo(t, "25", 24, 8)), &media, spec)
	if err != nil {
		t.Fatal(err)
	}
	checkTrack(t, packed.Init, weir.Track{Timescale: 90000}, packed.Segments, media.Bytes(), 24)

	info, segments := pack(t, encodeAudio(t, 96000), cmaf.AudioSpec{Boundaries: []int64{0, 48000, 96000}, FirstSegment: 1})
	media.Reset()
	var index []weir.Segment
	for _, s := range segments {
		media.Write(s.Data)
		index = append(index, s.Segment)
	}
	checkTrack(t, info.Init, weir.Track{Timescale: 48000, EditOffset: 1024}, index, media.Bytes(), int(info.Packets))
}

// checkTrack reads init, index and media as one file.
func checkTrack(t *testing.T, init []byte, track weir.Track, segments []weir.Segment, media []byte, want int) {
	t.Helper()
	head, err := cmaf.TrackIndex(init, track, segments)
	if err != nil {
		t.Fatal(err)
	}
	file, err := mp4.DecodeFile(bytes.NewReader(append(head, media...)))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Sidx.SidxRefs) != len(segments) || file.Sidx.AnchorPoint != uint64(len(head)) {
		t.Errorf("sidx has %d references from byte %d, want %d from %d", len(file.Sidx.SidxRefs), file.Sidx.AnchorPoint, len(segments), len(head))
	}
	path := write(t, "track.mp4", head, media)
	if got := len(packets(t, path)); got != want {
		t.Errorf("ffprobe reads %d packets of track.mp4, want %d", got, want)
	}
	// Seeking by the index lands on a later segment.
	last := segments[len(segments)-1]
	at := float64(last.Start) / float64(track.Timescale)
	run(t, "ffmpeg", "-v", "error", "-nostdin", "-ss", formatSeconds(at), "-i", path, "-f", "null", "-")
}

func TestTrackIndexRefuses(t *testing.T) {
	f := func(segments ...weir.Segment) {
		t.Helper()
		if _, err := cmaf.TrackIndex(nil, weir.Track{Timescale: 1}, segments); weir.KindOf(err) != weir.Internal || err == nil {
			t.Errorf("TrackIndex of %d segments = %v, want an error", len(segments), err)
		}
	}
	f()
	f(weir.Segment{Length: 0, Duration: 1})
	f(weir.Segment{Length: 1, Duration: 1 << 33})
	f(make([]weir.Segment, 1<<16)...)
}
