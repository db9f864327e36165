package cmaf_test

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests/cmaf"
)

// pack runs PackAudio and collects what it hands out, checking the order of calls.
func pack(t *testing.T, in []byte, spec cmaf.AudioSpec) (cmaf.AudioInfo, []cmaf.AudioSegment) {
	t.Helper()
	var early cmaf.AudioInfo
	var segments []cmaf.AudioSegment
	info, err := cmaf.PackAudio(bytes.NewReader(in), spec, func(i cmaf.AudioInfo) error {
		if len(segments) > 0 {
			t.Error("onInit came after a segment")
		}
		early = i
		return nil
	}, func(s cmaf.AudioSegment) error {
		segments = append(segments, s)
		return nil
	})
	if err != nil {
		t.Fatalf("PackAudio(%+v): %v", spec, err)
	}
	if diff := cmp.Diff(early, info); diff != "" {
		t.Errorf("onInit's info differs from PackAudio's\n%s", diff)
	}
	return info, segments
}

func TestPackAudio(t *testing.T) {
	f := func(boundaries ...int64) {
		t.Helper()
		end := boundaries[len(boundaries)-1]
		spec := cmaf.AudioSpec{Boundaries: boundaries, FirstSegment: 5}
		info, segments := pack(t, encodeAudio(t, end), spec)
		if info.Codec != "mp4a.40.2" || info.SampleRate != 48000 || info.Channels != 2 || info.EditOffset != 1024 {
			t.Errorf("PackAudio info = %+v", info)
		}
		var data [][]byte
		next := int64(0)
		for i, s := range segments {
			data = append(data, s.Data)
			want := weir.Segment{Length: int64(len(s.Data)), Start: next, Duration: s.Segment.Duration,
				CRC32C: crc32.Checksum(s.Data, crc32.MakeTable(crc32.Castagnoli))}
			if diff := cmp.Diff(want, s.Segment); diff != "" || s.Number != 5+i {
				t.Errorf("segment %d is number %d (-want +got)\n%s", i, s.Number, diff)
			}
			// A packet belongs where its presentation starts: the first one at or after the boundary opens the segment.
			if i > 0 && (s.Segment.Start < boundaries[i] || s.Segment.Start >= boundaries[i]+1024) {
				t.Errorf("segment %d starts at %d, want the first packet from %d", i, s.Segment.Start, boundaries[i])
			}
			next += s.Segment.Duration
		}
		if len(segments) != len(boundaries)-1 || next != end {
			t.Errorf("PackAudio(%v) made %d segments of %d samples", boundaries, len(segments), next)
		}
		path := write(t, "packed.mp4", append([][]byte{info.Init}, data...)...)
		got := packets(t, path)
		if int64(len(got)) != info.Packets || info.Packets != (end+1024+1023)/1024 {
			t.Errorf("ffprobe sees %d packets, PackAudio says %d of %d samples", len(got), info.Packets, end)
		}
		for k, p := range got {
			if p.PTS != int64(k)*1024-1024 {
				t.Fatalf("packet %d is at %d", k, p.PTS)
			}
		}
		if n := mediaDuration(t, data); n != end+1024 {
			t.Errorf("the packets last %d samples, want %d", n, end+1024)
		}
		// ffmpeg (5.1) does not trim fragmented sound: whole packets come out, the priming first.
		if n := samplesOf(t, path); n != info.Packets*1024 {
			t.Errorf("ffmpeg decodes %d samples, want %d", n, info.Packets*1024)
		}
	}
	f(0, 48000, 96000, 144000)
	f(0, 24000, 48000, 70001)
	f(0, 5000)
	f(0, 1024, 2048, 3072)
	f(0, 192192, 200200) // 4.004 s: the 29.97 grid
}

// mediaDuration sums the sample durations and checks that segments tile on the media timeline.
func mediaDuration(t *testing.T, segments [][]byte) int64 {
	t.Helper()
	var total uint64
	for _, b := range segments {
		file, err := mp4.DecodeFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		traf := file.Segments[0].Fragments[0].Moof.Traf
		if at := traf.Tfdt.BaseMediaDecodeTime(); at != total {
			t.Errorf("tfdt is %d, want %d", at, total)
		}
		total += traf.Trun.AddSampleDefaultValues(traf.Tfhd, nil)
	}
	return int64(total)
}

func TestPackAudioIsOneEncode(t *testing.T) {
	in := encodeAudio(t, 96000)
	info, segments := pack(t, in, cmaf.AudioSpec{Boundaries: []int64{0, 31000, 62000, 96000}, FirstSegment: 1})
	b := [][]byte{info.Init}
	for _, s := range segments {
		b = append(b, s.Data)
	}
	hash := func(path string) string {
		return string(run(t, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-c", "copy", "-f", "streamhash", "-hash", "md5", "-"))
	}
	if got, want := hash(write(t, "out.mp4", b...)), hash(write(t, "in.mp4", in)); got != want {
		t.Errorf("packed packets hash to %s, the encoder's to %s", got, want)
	}
}

func TestPackAudioEmitsEarly(t *testing.T) {
	in := encodeAudio(t, 144000)
	r, w := io.Pipe()
	stop := errors.New("enough")
	go func() {
		// The encoder has written two thirds and not ended: segment 1 must come out.
		_, err := w.Write(in[:len(in)*2/3])
		_ = w.CloseWithError(err)
	}()
	_, err := cmaf.PackAudio(r, cmaf.AudioSpec{Boundaries: []int64{0, 48000, 96000, 144000}, FirstSegment: 1}, nil,
		func(s cmaf.AudioSegment) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("PackAudio = %v, want emit's own error", err)
	}
	_ = r.Close()
}

func TestPackAudioRefuses(t *testing.T) {
	spec := cmaf.AudioSpec{Boundaries: []int64{0, 24000, 48000}, FirstSegment: 1}
	good := encodeAudio(t, 48000)
	f := func(want string, in []byte, boundaries ...int64) {
		t.Helper()
		s := spec
		if boundaries != nil {
			s.Boundaries = boundaries
		}
		_, err := cmaf.PackAudio(bytes.NewReader(in), s, nil, func(cmaf.AudioSegment) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) || weir.KindOf(err) != weir.Internal {
			t.Errorf("PackAudio(%v) error = %v, want %q", s.Boundaries, err, want)
		}
	}
	f("3 of 51 packets are missing", good, 0, 24000, 50200)
	f("runs on", good, 0, 24000)
	f("holds no packet", good, 0, 24000, 24001, 48000)
	f("holds no packet", good, 0, 47998, 48000)
	f("segment 2 is empty", good, 0, 24000, 24000, 48000)
	f("out of bounds", good, 0)
	f("out of bounds", good, 1, 48000)
	f("no edit list", encodeAudio(t, 48000, "-movflags", "empty_moov+default_base_moof"))
	f("not AAC", encodeVideo(t, "25", 4, 4))
	f("object type", encodeAudio(t, 48000, "-c:a", "aac", "-profile:a", "aac_main"))
	for cut := range len(good) / 97 {
		f("", good[:cut*97])
	}
}
