package probe_test

import (
	"fmt"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/probe"
)

// streams is ffprobe's answer about a film of H.264 in the given time base, with more members of its picture.
func streams(timeBase, duration, more string) []byte {
	return fmt.Appendf(nil, `{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":640,"height":360,"time_base":%q%s},
{"index":1,"codec_type":"audio","codec_name":"aac","channels":2,"sample_rate":"48000","time_base":"1/48000"}],
"format":{"start_time":"0.0","duration":%q}}`, timeBase, more, duration)
}

// rows are n pictures, each step ticks after the one before it, jitter ticks early or late in turns.
func rows(n int, start, step float64, jitter int) []byte {
	var b strings.Builder
	for i := range n {
		at := int(start+float64(i)*step) + i%3*jitter
		flags := "__"
		if i%12 == 0 {
			flags = "K_"
		}
		fmt.Fprintf(&b, "0,%d,%d,%d,%s\n", at, at, int(step), flags)
	}
	return []byte(b.String())
}

func TestRate(t *testing.T) {
	f := func(name string, want string, frames int64, streams, rows []byte) {
		t.Helper()
		got, err := probe.Describe("mov", streams, rows, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if got.Video.Rate.String() != want || got.Video.Frames != frames {
			t.Errorf("%s: %d frames at %s, want %d at %s", name, got.Video.Frames, got.Video.Rate, frames, want)
		}
	}
	ms := func(more string) []byte { return streams("1/1000", "0", more) }
	f("25", "25/1", 100, streams("1/12800", "0", ""), rows(100, 0, 512, 0))
	f("an hour of 23.976 in milliseconds", "24000/1001", 86313, ms(""), rows(86313, 0, 1001.0/24, 0))
	f("two seconds of 29.97 in milliseconds, claimed", "30000/1001", 60, ms(`,"r_frame_rate":"30000/1001"`), rows(60, 0, 1001.0/30, 0))
	f("two seconds of 30 in milliseconds", "30/1", 60, ms(`,"r_frame_rate":"1000/1"`), rows(60, 0, 1000.0/30, 0))
	f("an absurd claim", "25/1", 100, streams("1/12800", "0", `,"r_frame_rate":"90000/1","avg_frame_rate":"0/0"`), rows(100, 0, 512, 0))
	f("100", "50/1", 100, ms(""), rows(200, 0, 10, 0))
	f("119.88", "60000/1001", 300, streams("1/120000", "0", ""), rows(600, 0, 1001, 0))
	f("a jittery telephone", "30/1", 301, streams("1/90000", "0", ""), rows(301, 0, 3000, 400))
	f("slides", "5/1", 500, ms(""), rows(10, 0, 10_000, 0))
	f("a late start", "25/1", 100, streams("1/12800", "0", ""), rows(100, 1e6, 512, 0))
	f("a start before zero", "25/1", 100, streams("1/12800", "0", ""), rows(100, -5120, 512, 0))
	f("one picture", "25/1", 1, ms(""), rows(1, 0, 40, 0))
	f("a clock of 1001ths", "30000/1001", 90, streams("1001/30000", "0", ""), rows(90, 0, 1, 0))
}

func TestOrigin(t *testing.T) {
	f := func(name, demuxer, rows string, shown, origin, delay, frames int64) {
		t.Helper()
		got, err := probe.Describe(demuxer, streams("1/25", "0", ""), []byte(rows), shown)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if v := got.Video; got.OriginNum != origin || v.Delay != delay || v.Frames != frames {
			t.Errorf("%s: origin %d, delay %d, %d frames, want %d, %d, %d", name, got.OriginNum, v.Delay, v.Frames, origin, delay, frames)
		}
	}
	f("B-frames", "mov", "0,2,0,1,K_\n0,4,1,1,__\n0,3,2,1,__\n", 0, 2, 0, 3)
	f("skipped by an edit list", "mov", "0,-3,-5,1,KD\n0,-1,-4,1,_D\n0,-2,-3,1,_D\n0,2,-2,1,__\n0,0,-1,1,__\n0,1,0,1,__\n", 0, 0, 0, 3)
	f("pictures led in from before", "mpegts", "0,2,0,1,__\n0,7,3,1,K_\n0,5,4,1,__\n0,6,5,1,__\n0,8,6,1,__\n", 0, 7, 0, 2)
	f("no presentation times", "avi", "0,N/A,0,1,K_\n0,N/A,1,1,__\n0,N/A,2,1,__\n", 1, 0, 1, 3)
	f("few presentation times", "mpeg", "0,N/A,10,1,K_\n0,N/A,11,1,__\n0,12,12,1,__\n", 11, 11, 0, 3)
	f("sound first", "mov", "1,0,0,1024,K_\n0,25,25,1,K_\n0,26,26,1,__\n", 0, 0, 0, 27)
	f("sound first in a broadcast", "mpegts", "1,0,0,1024,K_\n0,25,25,1,K_\n0,26,26,1,__\n", 0, 25, 0, 2)
	f("sound a little first", "mov", "1,0,0,1024,K_\n0,5,5,1,K_\n0,6,6,1,__\n", 0, 5, 0, 2)
	f("a long last picture", "mov", "0,0,0,1,K_\n0,1,1,50,__\n", 0, 0, 0, 51)
}

func TestDescribeRefuses(t *testing.T) {
	f := func(want string, streams []byte, rows string) {
		t.Helper()
		got, err := probe.Describe("mov", streams, []byte(rows), 0)
		if weir.KindOf(err) != weir.Unprocessable || !strings.Contains(weir.Detail(err), want) {
			t.Errorf("Describe() = %+v, %v, want a refusal with %q", got, err, want)
		}
	}
	pal := streams("1/25", "4.0", "")
	f("cut off: 2 s of 4 s", pal, "0,0,0,25,K_\n0,25,25,25,__\n")
	f("not one packet", pal, "")
	f("clock jumps back by 96 s after 100 s", pal, "0,0,0,1,K_\n0,2500,2500,1,__\n0,100,100,1,__\n")
	f("no timestamps", pal, "1,0,0,480000,K_\n0,N/A,N/A,1,K_\n")
	f("no key picture", pal, "0,0,0,100,__\n")
	f("shows no picture", pal, "0,0,0,100,KD\n1,0,0,480000,K_\n")
	f("no clock", streams("0/0", "0", ""), "1,0,0,480000,K_\n")
	f("pictures a second", streams("1/1000000", "0", ""), "0,0,0,1,K_\n0,100,100,1,__\n0,200,200,1,__\n")
	f("hours", streams("1/25", "0", ""), "0,0,0,1,K_\n0,9000000,9000000,1,__\n")
	f("sound ends after 100 hours", streams("1/25", "0", ""), "0,0,0,1,K_\n1,17280000000,17280000000,1024,K_\n")
	f("cannot be decoded here (drac)", streams("1/25", "0", `,"codec_name":"unknown","codec_tag_string":"drac"`), "")
	f("cannot be decoded here (unknown)", streams("1/25", "0", `,"codec_name":"","codec_tag_string":"[0][1]/etc"`), "")
	f("no size", streams("1/25", "0", `,"width":0`), "")
	f("larger", streams("1/25", "0", `,"width":8000,"sample_aspect_ratio":"4:1"`), "")
	f("sound is in a format", []byte(`{"streams":[{"index":0,"codec_type":"audio","codec_name":"unknown","codec_tag_string":"ac-4"}]}`), "")
	f("no picture and no sound", []byte(`{"streams":[{"index":0,"codec_type":"video","codec_name":"png","disposition":{"attached_pic":1}}]}`), "")
	f("129 tracks", []byte(`{"streams":[`+strings.Repeat(`{},`, 128)+`{}]}`), "")
	f("described in more than", pal, "0,"+strings.Repeat("1", 5000))
}

func FuzzDescribe(f *testing.F) {
	f.Add(string(streams("1/25", "4.0", "")), string(rows(9, 0, 1, 0)), int64(0), true)
	f.Add(string(streams("1001/30000", "N/A", `,"side_data_list":[{"rotation":-90}]`)), "0,N/A,0,1,K_\n0,N/A,1,1,__,x\n1,0,0,1024,K_", int64(1), false)
	f.Add(`{"streams":[{"index":0,"codec_type":"audio","codec_name":"mp3","channels":2,"time_base":"1/14112000"}]}`, "0,4503599627370496,0,1,K_\n", int64(-1)<<62, false)
	f.Fuzz(func(t *testing.T, streams, rows string, shown int64, avi bool) {
		demuxer := "mov"
		if avi {
			demuxer = "avi"
		}
		got, err := probe.Describe(demuxer, []byte(streams), []byte(rows), shown)
		if err != nil {
			return
		}
		if got.OriginDen < 1 || got.Video == nil && len(got.Audio) == 0 {
			t.Errorf("Describe() = %+v, want an origin and a track", got)
		}
		if v := got.Video; v != nil && (v.Frames < 1 || !v.Rate.Known() || v.Width < 16 || v.Height < 16 || v.Width > 8192 || v.Height > 8192 || len(v.Keys) == 0) {
			t.Errorf("Describe() has a picture out of bounds: %+v", *v)
		}
	})
}
