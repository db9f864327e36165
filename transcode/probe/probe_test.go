package probe_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/probe"
	"github.com/weirstream/weir/transcode/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Child()
	os.Exit(m.Run())
}

const (
	picture = "testsrc2=size=64x48:rate=25:duration="
	sound   = "sine=sample_rate=48000:duration="
)

// clip makes a tiny master with ffmpeg run by hand.
func clip(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(append([]string{"-nostdin", "-v", "error", "-y"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return path
}

func film(more ...string) []string {
	return append([]string{"-f", "lavfi", "-i", picture + "4", "-f", "lavfi", "-i", sound + "4", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"}, more...)
}

func edit(t *testing.T, path string, change func([]byte) []byte) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProbe(t *testing.T) {
	f := func(name string, want probe.Facts, args ...string) {
		t.Run(name, func(t *testing.T) {
			got, err := probe.Probe(t.Context(), sandbox.Run, clip(t, name, args...), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(probe.Video{}, "Keys")); diff != "" {
				t.Errorf("Probe(%s) (-want +got):\n%s", name, diff)
			}
			if got.Video != nil && len(got.Video.Keys) == 0 {
				t.Errorf("Probe(%s) found no key picture", name)
			}
		})
	}
	pal := weir.Rational{Num: 25, Den: 1}
	video := probe.Video{Codec: "h264", Width: 64, Height: 48, CodedWidth: 64, CodedHeight: 48, Rate: pal, Frames: 100}
	with := func(change func(*probe.Video)) *probe.Video {
		v := video
		change(&v)
		return &v
	}
	aac := probe.Audio{Index: 1, Codec: "aac", Channels: 1, SampleRate: 48000, Default: true, EndUS: 4_000_000}
	f("plain.mp4", probe.Facts{Demuxer: "mov", Video: &video, Audio: []probe.Audio{aac}, OriginDen: 12800}, film()...)

	german, english := aac, aac
	german.Language, english.Language, english.Index, english.Default = "ger", "eng", 2, false
	f("languages.mp4", probe.Facts{Demuxer: "mov", Video: &video, Audio: []probe.Audio{german, english}, OriginDen: 12800},
		film("-map", "0:v", "-map", "1:a", "-map", "1:a", "-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng", "-disposition:a:1", "0")...)
	f("silent.mp4", probe.Facts{Demuxer: "mov", Video: &video, OriginDen: 12800}, film("-an")...)

	flat := []string{"-f", "lavfi", "-i", picture + "4", "-c:v", "libx264", "-preset", "ultrafast"}
	hdr := append(flat, "-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_trc")
	f("hdr10.mkv", probe.Facts{Demuxer: "matroska", Video: with(func(v *probe.Video) { v.HDR = "pq" }), OriginDen: 1000}, append(hdr, "smpte2084")...)
	f("hlg.mkv", probe.Facts{Demuxer: "matroska", Video: with(func(v *probe.Video) { v.HDR = "hlg" }), OriginDen: 1000}, append(hdr, "arib-std-b67")...)
	f("anamorphic.mkv", probe.Facts{Demuxer: "matroska", Video: with(func(v *probe.Video) { v.Width = 85 }), OriginDen: 1000}, append(flat, "-vf", "setsar=4/3")...)
	f("rgb.mov", probe.Facts{Demuxer: "mov", Video: with(func(v *probe.Video) { v.Codec, v.RGB = "qtrle", true }), OriginDen: 12800}, append(flat, "-c:v", "qtrle")...)
	f("interlaced.ts", probe.Facts{Demuxer: "mpegts", Video: with(func(v *probe.Video) { v.Codec, v.Interlaced = "mpeg2video", true }), OriginNum: 129600, OriginDen: 90000},
		append(flat, "-c:v", "mpeg2video", "-flags", "+ildct+ilme")...)
	f("one.mp4", probe.Facts{Demuxer: "mov", Video: with(func(v *probe.Video) { v.Frames = 1 }), OriginDen: 12800}, append(flat, "-frames:v", "1")...)
	f("slow.mp4", probe.Facts{Demuxer: "mov", Video: with(func(v *probe.Video) { v.Frames, v.Rate.Num = 30, 5 }), OriginDen: 16384}, append(flat, "-r", "1")...)

	mono := []string{"-f", "lavfi", "-i", sound + "4"}
	f("sound.wav", probe.Facts{Demuxer: "wav", OriginDen: 48000, Audio: []probe.Audio{{Codec: "pcm_s16le", Channels: 1, SampleRate: 48000, EndUS: 4_000_000}}}, mono...)
	f("cover.mp3", probe.Facts{Demuxer: "mp3", OriginNum: 324870, OriginDen: 14112000, Audio: []probe.Audio{{Codec: "mp3", Channels: 1, SampleRate: 48000, EndUS: 4_008_980}}},
		append(mono, "-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=0.04", "-map", "0", "-map", "1", "-c:v", "png", "-c:a", "libmp3lame", "-disposition:v", "attached_pic")...)
}

func TestProbeTurnedPictures(t *testing.T) {
	upright := clip(t, "upright.mp4", film("-an")...)
	for degrees, want := range map[string][3]int{"90": {90, 48, 64}, "180": {180, 64, 48}, "270": {270, 48, 64}} {
		path := clip(t, "turned.mp4", "-i", upright, "-c", "copy", "-metadata:s:v", "rotate="+degrees)
		got, err := probe.Probe(t.Context(), sandbox.Run, path, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if v := got.Video; v.Rotation != want[0] || v.Width != want[1] || v.Height != want[2] {
			t.Errorf("turned by %s: %d degrees, %dx%d, want %v", degrees, v.Rotation, v.Width, v.Height, want)
		}
	}
}

// TestProbeRefuses holds the sentences that people read when their file is refused.
func TestProbeRefuses(t *testing.T) {
	f := func(name, want, path string) {
		t.Run(name, func(t *testing.T) {
			got, err := probe.Probe(t.Context(), sandbox.Run, path, t.TempDir())
			if weir.KindOf(err) != weir.Unprocessable || !strings.Contains(weir.Detail(err), want) {
				t.Errorf("Probe(%s) = %+v, %v, want a refusal with %q", name, got, err, want)
			}
			if strings.Contains(weir.Detail(err), filepath.Dir(path)) {
				t.Errorf("Probe(%s): the reason %q names a path of this machine", name, weir.Detail(err))
			}
		})
	}
	written := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	half := func(b []byte) []byte { return b[:len(b)/2] }
	f("empty.mp4", "empty", written("empty.mp4", ""))
	f("text.mp4", "text file", written("text.mp4", "Dear Sir or Madam"))
	f("playlist.mp4", "playlist", written("playlist.mp4", "#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"))
	f("photo.mp4", "still picture", clip(t, "photo.png", "-f", "lavfi", "-i", "color=size=64x64", "-frames:v", "1"))
	f("damaged.mp4", "damaged", written("damaged.mp4", "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41\xff\xff\xff\xff"+strings.Repeat("\xa5", 9000)))
	f("moov at the end, cut", "moov", edit(t, clip(t, "cut.mp4", film()...), half))
	f("mdat cut", "cut off: 1 s of 4 s", edit(t, clip(t, "cut.mp4", film("-movflags", "faststart", "-b:v", "100k")...), func(b []byte) []byte { return b[:len(b)*4/10] }))
	f("matroska cut", "cut off: 2 s of 4 s", edit(t, clip(t, "cut.mkv", film()...), func(b []byte) []byte { return b[:len(b)*6/10] }))
	f("avi cut", "cut off: 60% of it is there", edit(t, clip(t, "cut.avi", film("-c:v", "mpeg4", "-c:a", "mp2")...), func(b []byte) []byte { return b[:len(b)*6/10] }))
	f("1x1", "1x1 pixels, smaller", clip(t, "dot.mkv", "-f", "lavfi", "-i", "color=size=2x2:duration=1", "-vf", "scale=1:1", "-c:v", "ffv1"))
	f("10,000 px wide", "10000x16 pixels, larger", clip(t, "wide.mkv", "-f", "lavfi", "-i", "color=size=10000x16", "-frames:v", "1", "-c:v", "ffv1"))
	f("36 million pixels", "larger", clip(t, "vast.mkv", "-f", "lavfi", "-i", "color=size=8192x4400", "-frames:v", "1", "-c:v", "ffv1", "-level", "3"))
	f("subtitles alone", "no picture and no sound", clip(t, "words.mkv", "-i", written("words.srt", "1\n00:00:00,000 --> 00:00:02,000\nWords\n\n")))
	f("faster than light", "pictures a second", clip(t, "fast.mkv", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-vf", "settb=1/1000000,setpts=N*300",
		"-fps_mode", "passthrough", "-enc_time_base", "1/1000000", "-c:v", "ffv1", "-f", "mov"))
	f("three days", "span 72 hours", clip(t, "long.mkv", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=1:duration=3", "-vf", "setpts=N*129600/TB", "-fps_mode", "passthrough", "-c:v", "ffv1"))
}
