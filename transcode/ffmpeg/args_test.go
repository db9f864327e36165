package ffmpeg_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares an argument list, one argument a line, with testdata/name.
func golden(t *testing.T, name string, args []string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got := strings.Join(args, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

var (
	rung480 = weir.Rung{Name: "480p", Codec: "h264", Width: 854, Height: 480, CRF: 23, MaxRate: 1_400_000, BufferSize: 1_400_000}
	rung240 = weir.Rung{Name: "240p", Codec: "h264", Width: 426, Height: 240, CRF: 23, MaxRate: 400_000, BufferSize: 400_000}
	stereo  = weir.Rung{Name: "stereo", Codec: "aac", MaxRate: 128_000, Channels: 2, SampleRate: 48000}
)

// later is a chunk in the middle of an NTSC transport stream.
func later() ffmpeg.Normalise {
	return ffmpeg.Normalise{
		Input: ffmpeg.Input{Path: "/masters/m", Demuxer: "mpegts", Stream: 1, Origin: ffmpeg.Time{Num: 133200, Den: 90000},
			Seek: &ffmpeg.Seek{US: -250_000, From: 216000}},
		Rate: weir.Rational{Num: 30000, Den: 1001}, First: 120, Frames: 240,
	}
}

func TestArgs(t *testing.T) {
	first := ffmpeg.Normalise{Input: ffmpeg.Input{Path: "/masters/m", Demuxer: "mov", Origin: ffmpeg.Time{Den: 12800}},
		Rate: weir.Rational{Num: 25, Den: 1}, Frames: 100}
	encode := ffmpeg.Encode{Preset: "veryfast", SegmentFrames: 100, Outputs: []ffmpeg.Output{{Rung: rung480, File: "v0.mp4"}}}
	golden(t, "chunk-first.txt", ffmpeg.ChunkArgs(first, encode))

	encode.SegmentFrames = 120
	encode.Outputs = append(encode.Outputs, ffmpeg.Output{Rung: rung240, File: "v1.mp4"})
	golden(t, "chunk-later.txt", ffmpeg.ChunkArgs(later(), encode))

	difficult := later()
	difficult.Interlaced, difficult.Width, difficult.Height, difficult.Colour = true, 1920, 1080, ffmpeg.ColourHLG
	golden(t, "still.txt", ffmpeg.StillArgs(difficult, 640, 360, "still.jpg"))

	difficult.Colour = ffmpeg.ColourRGB
	golden(t, "frames.txt", ffmpeg.FramesArgs(difficult, 160, 90))

	golden(t, "audio.txt", ffmpeg.AudioArgs(ffmpeg.Audio{Input: later().Input, Rung: stereo, Samples: 480_480}))
}

func TestSlot(t *testing.T) {
	f := func(ticks, den int64, rate weir.Rational, want int64) {
		t.Helper()
		if got := ffmpeg.Slot(ticks, den, rate); got != want {
			t.Errorf("Slot(%d, %d, %s) = %d, want %d", ticks, den, rate, got, want)
		}
	}
	pal, ntsc := weir.Rational{Num: 25, Den: 1}, weir.Rational{Num: 30000, Den: 1001}
	f(0, 1, pal, 0)
	f(512, 12800, pal, 1)
	f(-512, 12800, pal, -1)
	f(19, 1000, pal, 0)
	f(20, 1000, pal, 1) // halfway goes up
	f(1502, 1000, ntsc, 45)
	f(86_400_000_000_000, 1_000_000_000, ntsc, 2_589_411)
	f(1<<40, 1, pal, 25<<40)
}
