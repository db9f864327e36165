package cmaf_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests/cmaf"
)

func TestPackVideo(t *testing.T) {
	f := func(rate string, spec cmaf.VideoSpec, gop int, more ...string) {
		t.Helper()
		in := encodeVideo(t, rate, int(spec.Frames), gop, more...)
		var out bytes.Buffer
		got, err := cmaf.PackVideo(bytes.NewReader(in), &out, spec)
		if err != nil {
			t.Fatalf("PackVideo(%s, %+v): %v", rate, spec, err)
		}
		checkSegments(t, got, out.Bytes(), spec)
		path := write(t, "packed.mp4", got.Init, out.Bytes())
		// ffmpeg (5.1) presents a fragmented track without an edit list late by its most negative composition offset, so
		// that decode times and differences are what can be compared.
		pts := framePTS(t, path)
		delay := pts[0] - spec.FirstFrame*spec.FrameDuration
		var want []int64
		for i := range spec.Frames {
			want = append(want, delay+(spec.FirstFrame+i)*spec.FrameDuration)
		}
		if diff := cmp.Diff(want, pts); diff != "" {
			t.Errorf("PackVideo(%s, %+v): presentation times (-want +got)\n%s", rate, spec, diff)
		}
		if dts := packets(t, path)[0].DTS; dts != spec.FirstFrame*spec.FrameDuration {
			t.Errorf("PackVideo(%s, %+v): first decode time %d, want %d", rate, spec, dts, spec.FirstFrame*spec.FrameDuration)
		}
		if diff := cmp.Diff(pictures(t, write(t, "in.mp4", in)), pictures(t, path)); diff != "" {
			t.Errorf("PackVideo(%s, %+v): pictures (-encoder +packed)\n%s", rate, spec, diff)
		}
	}
	f("25", cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, Frames: 24, SegmentStarts: []int64{0, 8, 16}, FirstSegment: 1}, 8)
	// The last segment takes a short tail and so has two IDR frames.
	f("25", cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, FirstFrame: 96, Frames: 19, SegmentStarts: []int64{96, 104}, FirstSegment: 13}, 8)
	f("30000/1001", cmaf.VideoSpec{Timescale: 30000, FrameDuration: 1001, FirstFrame: 12, Frames: 12, SegmentStarts: []int64{12}, FirstSegment: 2}, 12)
	f("24000/1001", cmaf.VideoSpec{Timescale: 24000, FrameDuration: 1001, Frames: 9, SegmentStarts: []int64{0, 6}, FirstSegment: 1}, 6, "-video_track_timescale", "48000")
	f("25", cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, Frames: 3, SegmentStarts: []int64{0, 1, 2}, FirstSegment: 1}, 1)
	// Decode times past 32 bits.
	f("50", cmaf.VideoSpec{Timescale: 90000, FrameDuration: 1800, FirstFrame: 1 << 23, Frames: 8, SegmentStarts: []int64{1 << 23, 1<<23 + 4}, FirstSegment: 70000}, 4)
}

// checkSegments checks the index that PackVideo made against the bytes it wrote.
func checkSegments(t *testing.T, got cmaf.Packed, out []byte, spec cmaf.VideoSpec) {
	t.Helper()
	sum := sha256.Sum256(out)
	if got.SHA256 != hex.EncodeToString(sum[:]) || got.Length != int64(len(out)) {
		t.Errorf("PackVideo says %d bytes %s, wrote %d bytes %x", got.Length, got.SHA256, len(out), sum)
	}
	if len(got.Segments) != len(spec.SegmentStarts) {
		t.Fatalf("PackVideo made %d segments, want %d", len(got.Segments), len(spec.SegmentStarts))
	}
	var offset int64
	for i, s := range got.Segments {
		end := spec.FirstFrame + spec.Frames
		if i+1 < len(spec.SegmentStarts) {
			end = spec.SegmentStarts[i+1]
		}
		start := spec.SegmentStarts[i]
		b := out[s.Offset : s.Offset+s.Length]
		want := weir.Segment{Offset: offset, Length: s.Length, Start: start * spec.FrameDuration, KeyBytes: s.KeyBytes,
			Duration: (end - start) * spec.FrameDuration, CRC32C: crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("segment %d (-want +got)\n%s", i, diff)
		}
		offset += s.Length
		checkFragment(t, b, s.KeyBytes, spec.FirstSegment+i, want.Start)
	}
}

// checkFragment reads one segment with mp4ff and checks what players rely on.
func checkFragment(t *testing.T, b []byte, keyBytes int64, number int, decode int64) {
	t.Helper()
	file, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("segment %d: %v", number, err)
	}
	if len(file.Segments) != 1 || len(file.Segments[0].Fragments) != 1 {
		t.Fatalf("segment %d is not one fragment", number)
	}
	f := file.Segments[0].Fragments[0]
	traf := f.Moof.Traf
	if f.Moof.Mfhd.SequenceNumber != uint32(number) || int64(traf.Tfdt.BaseMediaDecodeTime()) != decode ||
		traf.Tfdt.Version != 1 || traf.Trun.Version != 1 {
		t.Errorf("segment %d: sequence %d, tfdt %d v%d, trun v%d", number, f.Moof.Mfhd.SequenceNumber,
			traf.Tfdt.BaseMediaDecodeTime(), traf.Tfdt.Version, traf.Trun.Version)
	}
	first := traf.Trun.Samples[0]
	if want := int64(len(b)) - int64(traf.Trun.SizeOfData()) + int64(first.Size); keyBytes != want || first.CompositionTimeOffset != 0 {
		t.Errorf("segment %d: key bytes %d (want %d), first composition offset %d", number, keyBytes, want, first.CompositionTimeOffset)
	}
}

func TestPackVideoInit(t *testing.T) {
	spec := cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, Frames: 4, SegmentStarts: []int64{0}, FirstSegment: 1}
	pack := func(more ...string) cmaf.Packed {
		t.Helper()
		got, err := cmaf.PackVideo(bytes.NewReader(encodeVideo(t, "25", 4, 4, more...)), io.Discard, spec)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	plain := pack()
	if plain.Codec != "avc1.64000a" || plain.Width != 64 || plain.Height != 36 || plain.Colour != nil {
		t.Errorf("PackVideo = %s %dx%d %v, want avc1.64000a 64x36 and no colour", plain.Codec, plain.Width, plain.Height, plain.Colour)
	}
	if again := pack("-vf", "negate"); !bytes.Equal(plain.Init, again.Init) {
		t.Error("two chunks of one rendition have different init segments")
	}
	f := func(want *weir.Colour, more ...string) {
		t.Helper()
		got := pack(more...)
		if diff := cmp.Diff(want, got.Colour); diff != "" {
			t.Errorf("colour of %v (-want +got)\n%s", more, diff)
		}
		file, err := mp4.DecodeFile(bytes.NewReader(got.Init))
		if err != nil {
			t.Fatal(err)
		}
		if edts := file.Init.Moov.Trak.Edts; edts != nil {
			t.Error("the video init has an edit list")
		}
	}
	f(&weir.Colour{Primaries: 1, Transfer: 1, Matrix: 1}, "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
	f(&weir.Colour{Primaries: 9, Transfer: 16, Matrix: 9, HDR: "pq"}, "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
	f(&weir.Colour{Primaries: 9, Transfer: 18, Matrix: 9, HDR: "hlg"}, "-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc")
	f(&weir.Colour{Primaries: 2, Transfer: 2, Matrix: 2, FullRange: true}, "-color_range", "pc")
}

func TestPackVideoRefuses(t *testing.T) {
	spec := cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, Frames: 16, SegmentStarts: []int64{0, 8}, FirstSegment: 1}
	good := encodeVideo(t, "25", 16, 8)
	f := func(want string, in []byte, change func(*cmaf.VideoSpec)) {
		t.Helper()
		s := spec
		if change != nil {
			change(&s)
		}
		_, err := cmaf.PackVideo(bytes.NewReader(in), io.Discard, s)
		if err == nil || !strings.Contains(err.Error(), want) || weir.KindOf(err) != weir.Internal {
			t.Errorf("PackVideo error = %v, want %q", err, want)
		}
	}
	f("want 17", good, func(s *cmaf.VideoSpec) { s.Frames = 17 })
	f("more than 8 frames", good, func(s *cmaf.VideoSpec) { s.Frames, s.SegmentStarts = 8, []int64{0} })
	f("segment 1 is not closed", good, func(s *cmaf.VideoSpec) { s.SegmentStarts = []int64{0, 7} })
	f("segment 2 does not start with an IDR", encodeVideo(t, "25", 16, 16, "-bf", "0"), nil)
	f("segment 1 is not closed", encodeVideo(t, "25", 16, 8, "-x264-params", "open-gop=1:bframes=3:b-adapt=0"), nil)
	f("out of bounds", good, func(s *cmaf.VideoSpec) { s.SegmentStarts = []int64{1, 8} })
	f("segment 2 has no frames", good, func(s *cmaf.VideoSpec) { s.SegmentStarts = []int64{0, 16} })
	f("cannot count frames", good, func(s *cmaf.VideoSpec) { s.FrameDuration = 3601 })
	f("not closed", good, func(s *cmaf.VideoSpec) { s.FrameDuration = 1800 })
	f("not H.264", encodeAudio(t, 4000), nil)
	f("square", encodeVideo(t, "25", 16, 8, "-vf", "setsar=4/3"), nil)
	f("no moov", nil, nil)
	f("not fragmented", []byte("\x00\x00\x00\x08mdat"), nil)
	f("claims", []byte("\x7f\xff\xff\xffmoov"), nil)
	for cut := range len(good) / 97 {
		f("", good[:cut*97], nil)
	}
}

func TestPackVideoChecksEveryTime(t *testing.T) {
	spec := cmaf.VideoSpec{Timescale: 90000, FrameDuration: 3600, Frames: 16, SegmentStarts: []int64{0, 8}, FirstSegment: 1}
	good := encodeVideo(t, "25", 16, 8)
	const step = 512 // one frame in ffmpeg's timescale of 12800
	f := func(want string, change func(first []mp4.Sample)) {
		t.Helper()
		file, err := mp4.DecodeFile(bytes.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		change(file.Segments[0].Fragments[0].Moof.Traf.Trun.Samples)
		var in bytes.Buffer
		file.FragEncMode = mp4.EncModeBoxTree
		if err := file.Encode(&in); err != nil {
			t.Fatal(err)
		}
		_, err = cmaf.PackVideo(&in, io.Discard, spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("PackVideo error = %v, want %q", err, want)
		}
	}
	f("off the grid", func(s []mp4.Sample) { s[3].CompositionTimeOffset++ })
	f("twice", func(s []mp4.Sample) { s[3].CompositionTimeOffset = s[2].CompositionTimeOffset - step })
	f("not closed", func(s []mp4.Sample) { s[7].CompositionTimeOffset += 9 * step })
	f("not closed", func(s []mp4.Sample) { s[0].CompositionTimeOffset -= step })
	f("into an mdat", func(s []mp4.Sample) { s[7].Size += 1 << 20 })
}
