package transcode_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/ladder"
	"github.com/weirstream/weir/transcode/probe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	sum  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	tool = "ffmpeg 5.1 / libx264 core 164"
)

// filmFacts are of so many frames of 640x360 at 25 a second with a key picture every 50, and as much sound.
func filmFacts(frames int64) probe.Facts {
	f := probe.Facts{Demuxer: "mov", OriginNum: 1024, OriginDen: 12800,
		Video: &probe.Video{Codec: "h264", Width: 640, Height: 360, CodedWidth: 640, CodedHeight: 360, Rate: rate(25, 1), Frames: frames},
		Audio: []probe.Audio{{Index: 1, Codec: "aac", Channels: 2, SampleRate: 44100, Language: "en", Default: true, EndUS: frames * 40_000}}}
	for at := int64(0); at < frames; at += 50 {
		f.Video.Keys = append(f.Video.Keys, probe.Key{At: at * 512, Slot: at, PTS: at*40_000 + 80_000, DTS: at * 40_000})
	}
	return f
}

func mustPlan(t *testing.T, f probe.Facts, p transcode.Policy) transcode.Plan {
	t.Helper()
	plan, err := transcode.MakePlan(sum, f, p, tool)
	if err != nil {
		t.Fatalf("MakePlan(): %v", err)
	}
	return plan
}

func TestMakePlanGolden(t *testing.T) {
	f := func(name string, facts probe.Facts, policy transcode.Policy) {
		t.Helper()
		got := append(mustPlan(t, facts, policy).Encode(), '\n')
		path := filepath.Join("testdata", "plans", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), ","), strings.Split(string(got), ",")); diff != "" {
			t.Errorf("%s differs (-want +got): stored plans and rendition ids of version %d change with it\n%s", name, transcode.PlanVersion, diff)
		}
		again, err := transcode.ParsePlan(want)
		if err != nil || !bytes.Equal(append(again.Encode(), '\n'), want) {
			t.Errorf("%s does not survive ParsePlan and Encode: %v", name, err)
		}
	}
	f("film.json", filmFacts(2600), transcode.Policy{})
	broadcast := filmFacts(900)
	broadcast.Demuxer, broadcast.Video.Interlaced, broadcast.Video.HDR, broadcast.Audio = "mpegts", true, "hlg", nil
	f("broadcast.json", broadcast, transcode.Policy{Ladder: ladder.Policy{MaxHeight: 240}, Preset: "fast", SegmentSeconds: 2, ChunkSeconds: 8})
	f("sound.json", probe.Facts{Demuxer: "flac", OriginDen: 44100, Audio: []probe.Audio{{Codec: "flac", Channels: 2, SampleRate: 44100, EndUS: 61_000_000}}}, transcode.Policy{})
}

func TestMakePlanChunks(t *testing.T) {
	f := func(frames, pictures int64, policy transcode.Policy, want string) {
		t.Helper()
		facts := filmFacts(pictures)
		facts.Audio[0].EndUS = frames * 40_000
		var got []string
		for _, c := range mustPlan(t, facts, policy).Chunks {
			got = append(got, fmt.Sprint(c.Segments))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%d frames with %d pictures are chunks of %s segments, want %s", frames, pictures, got, want)
		}
	}
	f(100, 100, transcode.Policy{}, "1")
	f(149, 149, transcode.Policy{}, "1")
	f(150, 150, transcode.Policy{}, "2") // a tail shorter than a segment, though it is one
	f(200, 200, transcode.Policy{}, "1 1")
	f(700, 700, transcode.Policy{}, "1 2 2 2")
	f(4000, 4000, transcode.Policy{}, "1 2 4 9 6 5 4 3 2 2 2")
	f(2160, 2160, transcode.Policy{}, "1 2 4 4 3 2 2 2 2")
	f(2160, 1500, transcode.Policy{}, "1 2 4 4 3 8") // nothing to decode at 1500
	f(2160, 700, transcode.Policy{}, "1 2 19")
	f(60000, 60000, transcode.Policy{}, "1 2 4"+strings.Repeat(" 15", 36)+" 14 10 8 6 4 3 2 2 2 2")
	f(2160, 1, transcode.Policy{}, "22")
	f(250, 250, transcode.Policy{SegmentSeconds: 1, ChunkSeconds: 2}, "1 2 2 2 2 1")
	f(250, 250, transcode.Policy{SegmentSeconds: 4, ChunkSeconds: 1}, "1 2")
}

func TestMakePlanSeeks(t *testing.T) {
	f := func(demuxer string, interlaced bool, want string) {
		t.Helper()
		facts := filmFacts(700)
		facts.Demuxer, facts.Video.Interlaced = demuxer, interlaced
		var got []string
		for _, c := range mustPlan(t, facts, transcode.Policy{}).Chunks {
			s := "start"
			if c.Seek != nil {
				s = fmt.Sprintf("%dus from %d", c.Seek.US, c.Seek.From/512)
			}
			got = append(got, s)
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%s: chunks seek to %s, want %s", demuxer, got, want)
		}
	}
	f("mov", false, "start, 4080000us from 100, 12080000us from 300, 20080000us from 500")
	f("mov", true, "start, 2080000us from 50, 10080000us from 250, 18080000us from 450")
	f("mpegts", false, "start, 1000000us from 50, 9000000us from 250, 17000000us from 450")
	f("mpegts", true, "start, start, 7000000us from 200, 15000000us from 400")
}

func TestMakePlanTasks(t *testing.T) {
	p := mustPlan(t, filmFacts(2600), transcode.Policy{})
	var got []string
	for _, task := range p.LedgerTasks("job") {
		got = append(got, fmt.Sprintf("%d %s %d", task.N, task.Kind, task.Total))
		if task.Job != "job" || task.Tool != tool || task.State != weir.TaskReady || task.Order != task.N-1 {
			t.Errorf("LedgerTasks() has %+v", task)
		}
	}
	want := "1 still 1, 2 video 100, 3 audio 4992000, 4 video 200, 5 video 400, 6 video 500, 7 video 400, 8 video 300, 9 video 200, 10 video 200, 11 video 200, 12 video 100"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("LedgerTasks() = %s, want %s", got, want)
	}
	if p.Tasks[0].At != 250 || p.Tasks[0].Seek.From != 250*512 {
		t.Errorf("the poster is %+v, want frame 250", p.Tasks[0])
	}
}

// TestRenditionIDs are equal exactly when the bytes may be.
func TestRenditionIDs(t *testing.T) {
	base := mustPlan(t, filmFacts(700), transcode.Policy{})
	if id := base.Video[0].ID; len(id) != 24 || !weir.ValidID(id) || id == base.Video[1].ID || id == base.Audio[0].ID {
		t.Errorf("ids are %q, %q and %q, want 24 digits, all different", id, base.Video[1].ID, base.Audio[0].ID)
	}
	same := func(name string, p transcode.Plan, video, audio bool) {
		t.Helper()
		last := len(p.Video) - 1
		if got := p.Video[last].ID == base.Video[len(base.Video)-1].ID; got != video {
			t.Errorf("%s: the same video id: %v, want %v", name, got, video)
		}
		if got := p.Audio[0].ID == base.Audio[0].ID; got != audio {
			t.Errorf("%s: the same audio id: %v, want %v", name, got, audio)
		}
	}
	same("the same again", mustPlan(t, filmFacts(700), transcode.Policy{}), true, true)
	same("a lower ladder", mustPlan(t, filmFacts(700), transcode.Policy{Ladder: ladder.Policy{MaxHeight: 240}}), true, true)
	same("other chunks", mustPlan(t, filmFacts(700), transcode.Policy{ChunkSeconds: 8}), true, true)
	same("another CRF", mustPlan(t, filmFacts(700), transcode.Policy{Ladder: ladder.Policy{CRF: 20}}), false, true)
	same("another preset", mustPlan(t, filmFacts(700), transcode.Policy{Preset: "fast"}), false, true)
	same("another rate of sound", mustPlan(t, filmFacts(700), transcode.Policy{Ladder: ladder.Policy{AudioRate: 96000}}), true, false)
	same("other segments", mustPlan(t, filmFacts(700), transcode.Policy{SegmentSeconds: 2}), false, false)
	late := filmFacts(700)
	late.Audio = append([]probe.Audio{late.Audio[0]}, probe.Audio{Index: 2, Codec: "aac", Channels: 2, SampleRate: 48000, EndUS: 28_000_000})
	same("one more track of sound", mustPlan(t, late, transcode.Policy{}), true, true)
	moved := filmFacts(700)
	moved.OriginNum++
	same("another origin", mustPlan(t, moved, transcode.Policy{}), false, false)
	other, err := transcode.MakePlan(strings.Repeat("0", 64), filmFacts(700), transcode.Policy{}, tool)
	if err != nil {
		t.Fatal(err)
	}
	same("another master", other, false, false)
	if other, err = transcode.MakePlan(sum, filmFacts(700), transcode.Policy{}, tool+" r1"); err != nil {
		t.Fatal(err)
	}
	same("another tool", other, false, false)
}

func TestMakePlanRefuses(t *testing.T) {
	f := func(want weir.Kind, facts probe.Facts, policy transcode.Policy, tool string) {
		t.Helper()
		if p, err := transcode.MakePlan(sum, facts, policy, tool); weir.KindOf(err) != want {
			t.Errorf("MakePlan() = %v, %v, want kind %s", p, err, want)
		}
	}
	still := filmFacts(1)
	still.Audio[0].EndUS = 20 * 3_600_000_000
	f(weir.Unprocessable, still, transcode.Policy{}, tool) // one chunk of 18,000 segments
	f(weir.Unprocessable, probe.Facts{Demuxer: "mov", OriginDen: 1}, transcode.Policy{}, tool)
	f(weir.Invalid, filmFacts(100), transcode.Policy{Preset: "placebo -i /etc/passwd"}, tool)
	f(weir.Invalid, filmFacts(100), transcode.Policy{SegmentSeconds: 31}, tool)
	f(weir.Invalid, filmFacts(100), transcode.Policy{ChunkSeconds: 601}, tool)
	f(weir.Invalid, filmFacts(100), transcode.Policy{Ladder: ladder.Policy{MaxHeight: 100}}, tool)
	f(weir.Invalid, filmFacts(100), transcode.Policy{Ladder: ladder.Policy{CRF: 52}}, tool)
}

func TestParsePlanRefuses(t *testing.T) {
	f := func(name string, change func(*transcode.Plan)) {
		t.Helper()
		p := mustPlan(t, filmFacts(700), transcode.Policy{})
		change(&p)
		if _, err := transcode.ParsePlan(p.Encode()); err == nil || weir.KindOf(err) != weir.Internal {
			t.Errorf("ParsePlan() of %s = %v, want an error of kind internal", name, err)
		}
	}
	f("a newer version", func(p *transcode.Plan) { p.Version++ })
	f("no tool", func(p *transcode.Plan) { p.Tool = "" })
	f("a strange preset", func(p *transcode.Plan) { p.Preset = "x" })
	f("no rate", func(p *transcode.Plan) { p.Grid.Rate.Den = 0 })
	f("no frames", func(p *transcode.Plan) { p.Grid.Frames = 0 })
	f("a path as demuxer", func(p *transcode.Plan) { p.Source.Demuxer = "../x" })
	f("no master", func(p *transcode.Plan) { p.Source.SHA256 = "" })
	f("pictures from nowhere", func(p *transcode.Plan) { p.Source.Video = nil })
	f("another rate", func(p *transcode.Plan) { p.Source.Video.Rate.Num++ })
	f("an odd rung", func(p *transcode.Plan) { p.Video[0].Rung.Width++ })
	f("a path as id", func(p *transcode.Plan) { p.Video[0].ID = "../x" })
	f("sound of nothing", func(p *transcode.Plan) { p.Audio[0].Source = 1 })
	f("sound too long", func(p *transcode.Plan) { p.Audio[0].Samples++ })
	f("a hole", func(p *transcode.Plan) { p.Chunks[1].FirstSegment++ })
	f("a missing chunk", func(p *transcode.Plan) { p.Chunks = p.Chunks[:2] })
	f("a wild seek", func(p *transcode.Plan) { p.Chunks[1].Seek = &ffmpeg.Seek{US: 1 << 62} })
	f("a task of nothing", func(p *transcode.Plan) { p.Tasks[1].Chunk = 99 })
	f("a poster after the end", func(p *transcode.Plan) { p.Tasks[0].At = 700 })
	f("a strange task", func(p *transcode.Plan) { p.Tasks[0].Kind = "plan" })
	f("too few tasks", func(p *transcode.Plan) { p.Tasks = p.Tasks[:3] })
	for _, b := range []string{"", "{}", "null", "[]", `{"version":1}`, strings.Repeat(" ", 17<<20)} {
		if _, err := transcode.ParsePlan([]byte(b)); err == nil {
			t.Errorf("ParsePlan(%.20q): want an error", b)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	for _, facts := range []probe.Facts{filmFacts(1), filmFacts(700)} {
		p, err := transcode.MakePlan(sum, facts, transcode.Policy{}, tool)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Encode())
	}
	f.Add([]byte(`{"version":1,"grid":{"rate":{"num":1,"den":9223372036854775807},"frames":1,"segment_frames":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := transcode.ParsePlan(b)
		if err != nil {
			return
		}
		again, err := transcode.ParsePlan(p.Encode())
		if err != nil || !bytes.Equal(again.Encode(), p.Encode()) {
			t.Errorf("ParsePlan(%q) does not survive Encode: %v", b, err)
		}
		for _, c := range p.Chunks {
			p.ChunkArgs("m", c, make([]string, len(p.Video)))
		}
		for _, a := range p.Audio {
			p.AudioArgs("m", a)
		}
	})
}
