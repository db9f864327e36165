package ffmpeg_test

import (
	"strings"
	"testing"

	"github.com/weirstream/weir/transcode/ffmpeg"
)

const block = `frame=12
fps=0.00
stream_0_0_q=29.0
bitrate=N/A
total_size=44
out_time_us=480000
out_time_ms=480000
out_time=00:00:00.480000
dup_frames=0
drop_frames=0
speed=0.9x
progress=continue`

func TestParseProgress(t *testing.T) {
	f := func(text string, want ffmpeg.Progress, blocks, mine int) {
		t.Helper()
		got, b, m := ffmpeg.ParseProgress(strings.Split(text, "\n")...)
		if got != want || b != blocks || m != mine {
			t.Errorf("ParseProgress(%q) = %+v, %d blocks, %d lines, want %+v, %d, %d", text, got, b, m, want, blocks, mine)
		}
	}
	f(block, ffmpeg.Progress{Frames: 12, OutTimeUS: 480000}, 1, 12)
	f(block+"\nframe=3\nout_time_us=N/A\nprogress=end", ffmpeg.Progress{Frames: 12, OutTimeUS: 480000}, 2, 15)
	f("frame=-1\nout_time_us=-9223372036854775807\nprogress=continue", ffmpeg.Progress{}, 1, 3)
	f("frame=99999999999999999999\nprogress=end", ffmpeg.Progress{}, 1, 2)
	f("frame=5", ffmpeg.Progress{}, 0, 1)
	f("Error: frame=5 is broken\n[mov @ 0x1] key=value\nno equals sign", ffmpeg.Progress{}, 0, 0)
}

func FuzzParseProgress(f *testing.F) {
	f.Add(block)
	f.Add("frame= 1\r\nprogress=end")
	f.Add("out_time_us=9223372036854775807\nprogress=\n=\n==")
	f.Fuzz(func(t *testing.T, text string) {
		p, _, _ := ffmpeg.ParseProgress(strings.Split(text, "\n")...)
		if p.Frames < 0 || p.OutTimeUS < 0 {
			t.Errorf("ParseProgress(%q) = %+v, want nothing negative", text, p)
		}
	})
}
