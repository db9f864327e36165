package transcode_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/ladder"
	"github.com/weirstream/weir/transcode/probe"
	"github.com/weirstream/weir/transcode/sandbox"
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

// planOf plans a master in segments of a second and chunks of two.
func planOf(t *testing.T, path string) transcode.Plan {
	t.Helper()
	facts, err := probe.Probe(t.Context(), sandbox.Run, path, t.TempDir())
	if err != nil {
		t.Fatalf("Probe(%s): %v", filepath.Base(path), err)
	}
	p, err := transcode.MakePlan(strings.Repeat("ab", 32), facts, transcode.Policy{Ladder: ladder.Policy{MaxHeight: 240}, SegmentSeconds: 1, ChunkSeconds: 2}, "tool 1")
	if err != nil {
		t.Fatalf("MakePlan(%s): %v", filepath.Base(path), err)
	}
	return p
}

// hashes are the md5 sums of the normalised frames, and their grid numbers from 0, of a run of ffmpeg.
func hashes(t *testing.T, path string, args []string) []string {
	t.Helper()
	var out bytes.Buffer
	if err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: args, Dir: t.TempDir(), Input: path, Stdout: &out}); err != nil {
		t.Fatalf("ffmpeg %s: %v", strings.Join(args, " "), err)
	}
	return md5s(out.String())
}

func md5s(framemd5 string) []string {
	var sums []string
	for line := range strings.Lines(framemd5) {
		if f := strings.Fields(line); len(f) == 6 && !strings.HasPrefix(line, "#") {
			sums = append(sums, f[5])
		}
	}
	return sums
}

// checkChunked compares each chunk's frames, decoded after a seek, with the same stretch of one whole decode.
func checkChunked(t *testing.T, path string) (transcode.Plan, []string) {
	t.Helper()
	p := planOf(t, path)
	r := p.Video[0].Rung
	whole := hashes(t, path, ffmpeg.FramesArgs(p.Normalise(path, transcode.Chunk{Frames: p.Grid.Frames}), r.Width, r.Height))
	if int64(len(whole)) != p.Grid.Frames {
		t.Fatalf("the whole has %d frames, the plan %d", len(whole), p.Grid.Frames)
	}
	if len(p.Chunks) < 3 {
		t.Fatalf("%d chunks are too few to test: %v", len(p.Chunks), p)
	}
	sought := false
	for i, c := range p.Chunks {
		sought = sought || c.Seek != nil
		got := hashes(t, path, ffmpeg.FramesArgs(p.Normalise(path, c), r.Width, r.Height))
		if int64(len(got)) != c.Frames {
			t.Errorf("chunk %d has %d frames, want %d", i, len(got), c.Frames)
			continue
		}
		for k := range got {
			if got[k] != whole[c.FirstFrame+int64(k)] {
				t.Errorf("chunk %d (from frame %d, seek %+v): frame %d differs from the whole", i, c.FirstFrame, c.Seek, c.FirstFrame+int64(k))
				break
			}
		}
	}
	if !sought {
		t.Errorf("no chunk seeks")
	}
	return p, whole
}

// expected puts the frames of a plain decode on the grid without any of the filters under test: a slot shows the last
// picture whose time, to the nearest frame, is not later.
func expected(t *testing.T, path string, p transcode.Plan) []string {
	t.Helper()
	n := p.Normalise(path, transcode.Chunk{})
	r := p.Video[0].Rung
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-copyts", "-threads", "1", "-i", path, "-map", fmt.Sprintf("0:%d", n.Input.Stream),
		"-vf", fmt.Sprintf("settb=1/%d,scale=%d:%d:flags=bicubic:out_range=tv,setsar=1,format=yuv420p", n.Input.Origin.Den, r.Width, r.Height),
		"-enc_time_base", fmt.Sprintf("1/%d", n.Input.Origin.Den), "-fps_mode", "passthrough", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	sums := make([]string, p.Grid.Frames)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), " ", ""), ",")
		if strings.HasPrefix(line, "#") || len(f) != 6 {
			continue
		}
		pts, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			t.Fatalf("framemd5 says %q", line)
		}
		at, unit := (pts-n.Input.Origin.Num)*p.Grid.Rate.Num, n.Input.Origin.Den*p.Grid.Rate.Den
		if slot := (2*at + unit) / (2 * unit); at >= 0 && slot < int64(len(sums)) {
			sums[slot] = f[5]
		}
	}
	first := slices.IndexFunc(sums, func(s string) bool { return s != "" })
	for i := range sums {
		if i < first {
			sums[i] = sums[first]
		} else if sums[i] == "" {
			sums[i] = sums[i-1]
		}
	}
	return sums
}

const picture = "testsrc2=size=160x90:duration=5:rate="

var x264 = []string{"-c:v", "libx264", "-preset", "ultrafast"}

// source is a picture of so many frames a second, encoded by x264 unless more says otherwise.
func source(rate string, more ...string) []string {
	return append(append([]string{"-f", "lavfi", "-i", picture + rate}, x264...), more...)
}

// TestChunkedFrames holds the promise that everything else rests on: chunks are cut by grid number, so that their frames
// are those of a whole decode whatever the input's GOPs, clock and rate.
func TestChunkedFrames(t *testing.T) {
	pal, ntsc, thirty, sixty := rate(25, 1), rate(30000, 1001), rate(30, 1), rate(60, 1)
	f := func(name string, rate weir.Rational, frames int64, args ...string) {
		t.Run(name, func(t *testing.T) { checkMaster(t, clip(t, name, args...), rate, frames) })
	}
	bare := func(rate string, more ...string) []string {
		return append([]string{"-f", "lavfi", "-i", picture + rate}, more...)
	}
	f("b-frames.mp4", pal, 125, source("25", "-bf", "3", "-g", "40")...)
	f("gop-over-chunk.mp4", pal, 125, source("25", "-bf", "2", "-g", "60")...)
	f("open-gop.mkv", ntsc, 150, source("30000/1001", "-bf", "3", "-x264-params", "open-gop=1:keyint=20:min-keyint=20")...)
	f("late-start.mp4", pal, 125, source("25", "-bf", "2", "-g", "25", "-output_ts_offset", "7.77")...)
	f("transport.ts", ntsc, 150, source("30000/1001", "-bf", "3", "-g", "25")...)
	f("fragmented.mp4", pal, 125, source("25", "-bf", "2", "-g", "25", "-movflags", "frag_keyframe+empty_moov")...)
	f("fast.mp4", sixty, 300, source("120", "-g", "50")...)
	f("vfr.mp4", pal, 123, source("25", "-bf", "2", "-g", "20", "-vf", "select='lt(mod(n,7),4)+gt(mod(n,50),40)'", "-fps_mode", "vfr")...)
	f("vfr.mkv", thirty, 149, source("30", "-bf", "2", "-g", "20", "-vf", "setpts='PTS+mod(N,3)*0.009/TB',select='mod(n,5)'", "-fps_mode", "vfr", "-enc_time_base", "1/1000")...)
	f("flash.flv", pal, 125, source("25", "-bf", "2", "-g", "20")...)
	f("h264-b.avi", pal, 125, source("25", "-bf", "2", "-g", "20")...)
	f("mpeg4-b.avi", pal, 125, bare("25", "-c:v", "mpeg4", "-bf", "2", "-g", "20")...)
	f("program.mpg", pal, 125, bare("25", "-c:v", "mpeg2video", "-bf", "2", "-g", "15")...)
	f("vp8.webm", thirty, 150, bare("30", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "20")...)
	f("theora.ogg", pal, 125, bare("25", "-c:v", "libtheora", "-g", "16")...)
	f("windows.asf", pal, 125, bare("25", "-c:v", "wmv2", "-g", "20")...)
	f("interlaced.ts", pal, 125, bare("50", "-vf", "interlace", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", "15", "-bf", "2")...)
}

func rate(num, den int64) weir.Rational { return weir.Rational{Num: num, Den: den} }

// checkMaster checks chunks against the whole, and the whole against the oracle.
func checkMaster(t *testing.T, path string, rate weir.Rational, frames int64) transcode.Plan {
	t.Helper()
	p, whole := checkChunked(t, path)
	if p.Grid.Rate != rate || p.Grid.Frames != frames {
		t.Errorf("grid of %d frames at %s, want %d at %s", p.Grid.Frames, p.Grid.Rate, frames, rate)
	}
	if p.Source.Video.Interlaced || p.Source.Video.RGB {
		return p // the oracle does not de-interlace, and converts no colours
	}
	for i, want := range expected(t, path, p) {
		if whole[i] != want {
			t.Errorf("frame %d is not the picture shown at its time", i)
			break
		}
	}
	return p
}

// TestChunkedFramesOfCutFiles are masters that start in the middle of something.
func TestChunkedFramesOfCutFiles(t *testing.T) {
	t.Run("edit list", func(t *testing.T) {
		whole := clip(t, "whole.mp4", source("25", "-bf", "3", "-g", "40")...)
		checkMaster(t, clip(t, "edit.mp4", "-ss", "0.6", "-i", whole, "-c", "copy"), rate(25, 1), 110)
	})
	t.Run("transport stream from the middle of a GOP", func(t *testing.T) {
		path := clip(t, "whole.ts", "-f", "lavfi", "-i", "testsrc2=size=160x90:duration=6:rate=25", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "3", "-g", "25")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b[188*20+77:], 0o600); err != nil {
			t.Fatal(err)
		}
		checkMaster(t, path, rate(25, 1), 125)
	})
	t.Run("another size from the middle on", func(t *testing.T) {
		path := clip(t, "small.ts", "-f", "lavfi", "-i", "testsrc2=size=160x90:duration=2.4:rate=25", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30")
		large := clip(t, "large.ts", "-f", "lavfi", "-i", "testsrc2=size=320x240:duration=2.6:rate=25", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-output_ts_offset", "2.4")
		join(t, path, large)
		checkMaster(t, path, rate(25, 1), 125)
	})
	t.Run("a smaller size, interlaced", func(t *testing.T) {
		part := func(name, size, duration string, more ...string) string {
			return clip(t, name, append([]string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=50:duration=" + duration, "-vf", "interlace",
				"-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", "15"}, more...)...)
		}
		path := part("large.ts", "320x240", "2.4")
		join(t, path, part("small.ts", "160x96", "2.6", "-output_ts_offset", "2.4"))
		checkMaster(t, path, rate(25, 1), 124)
	})
	t.Run("picture after the sound", func(t *testing.T) {
		path := clip(t, "late.mkv", "-f", "lavfi", "-i", "sine=duration=5", "-itsoffset", "1.6", "-f", "lavfi", "-i", "testsrc2=size=160x90:duration=3:rate=25",
			"-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-c:a", "flac")
		p := checkMaster(t, path, rate(25, 1), 125)
		if p.Source.Video.Frames != 115 {
			t.Errorf("the picture lasts %d frames, want 115", p.Source.Video.Frames)
		}
	})
}

// join adds the bytes of another file to path.
func join(t *testing.T, path, other string) {
	t.Helper()
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedMasters have noise in them: every chunk still has its frames, and the sound its length.
func TestDamagedMasters(t *testing.T) {
	for _, name := range []string{"damaged.ts", "damaged.mkv", "damaged.mp4"} {
		t.Run(name, func(t *testing.T) {
			path := clip(t, name, "-f", "lavfi", "-i", picture+"25", "-f", "lavfi", "-i", "sine=duration=5", "-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-c:a", "aac", "-movflags", "faststart")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			noise := rand.NewChaCha8([32]byte{1})
			for at := len(b) / 4; at < len(b)-2000; at += len(b) / 5 {
				_, _ = noise.Read(b[at : at+1000])
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			p := planOf(t, path)
			for i, c := range p.Chunks {
				if got := hashes(t, path, ffmpeg.FramesArgs(p.Normalise(path, c), 32, 18)); int64(len(got)) != c.Frames {
					t.Errorf("chunk %d has %d frames, want %d", i, len(got), c.Frames)
				}
			}
			if n := int64(len(encodeSound(t, p, path))); n < p.Audio[0].Samples {
				t.Errorf("sound of %d samples, want at least %d", n, p.Audio[0].Samples)
			}
		})
	}
}

// TestChunkedFramesOfOddSizes are masters whose pixels are not those that are shown.
func TestChunkedFramesOfOddSizes(t *testing.T) {
	f := func(name, size string, args ...string) {
		t.Run(name, func(t *testing.T) {
			p := checkMaster(t, clip(t, name, args...), rate(25, 1), 125)
			r, v := p.Video[0].Rung, p.Source.Video
			if got := fmt.Sprintf("%dx%d as %dx%d", v.Width, v.Height, r.Width, r.Height); got != size {
				t.Errorf("%s is %s, want %s", name, got, size)
			}
		})
	}
	f("odd.mkv", "161x91 as 160x90", source("25", "-vf", "scale=161:91,setsar=1", "-pix_fmt", "yuv444p", "-g", "20")...)
	f("anamorphic.mp4", "240x90 as 240x90", source("25", "-g", "20", "-vf", "setsar=3/2")...)
	f("rgb.mkv", "160x90 as 160x90", source("25", "-c:v", "ffv1", "-pix_fmt", "bgr0", "-g", "20")...)
	f("full-range.mkv", "160x90 as 160x90", source("25", "-pix_fmt", "yuvj420p", "-g", "20")...)
	t.Run("rotated", func(t *testing.T) {
		upright := clip(t, "upright.mp4", source("25", "-g", "20")...)
		f("rotated.mp4", "90x160 as 90x160", "-i", upright, "-c", "copy", "-metadata:s:v", "rotate=90")
	})
}
