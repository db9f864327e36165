package transcode_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

var (
	noon    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	testJob = weir.Job{ID: "job", Organisation: "default", Asset: "asset", Revision: 1}
)

// testPlan has 10 segments in chunks of 1, 2, 4 and 3, two video renditions, one audio track and a still: tasks 1 to 4
// are video, 5 is audio, 6 the still.
func testPlan() transcode.Plan {
	rate := weir.Rational{Num: 25, Den: 1}
	p := transcode.Plan{Version: 1, Tool: "tool", Preset: "veryfast",
		Source: transcode.Source{SHA256: strings.Repeat("5a", 32), Demuxer: "mov", OriginDen: 1,
			Video: &transcode.VideoSource{Width: 1280, Height: 720, Rate: rate, Frames: 1000}, Audio: []transcode.AudioSource{{Index: 1}}},
		Grid: transcode.Grid{Rate: rate, Frames: 1000, SegmentFrames: 100},
		Video: []transcode.Video{
			{ID: "high", Rung: weir.Rung{Name: "720p", Codec: "h264", Width: 1280, Height: 720, MaxRate: 3_000_000, BufferSize: 6_000_000}},
			{ID: "low", Rung: weir.Rung{Name: "360p", Codec: "h264", Width: 640, Height: 360, MaxRate: 800_000, BufferSize: 1_600_000}}},
		Audio: []transcode.Audio{{ID: "stereo", Rung: weir.Rung{Name: "stereo", Codec: "aac", Channels: 2, SampleRate: 48000, MaxRate: 128_000},
			Samples: 40 * 48000, Language: "en", Default: true}}}
	first := 0
	for i, n := range []int{1, 2, 4, 3} {
		p.Chunks = append(p.Chunks, transcode.Chunk{FirstFrame: int64(first) * 100, Frames: int64(n) * 100, FirstSegment: first, Segments: n})
		p.Tasks = append(p.Tasks, transcode.Spec{Kind: weir.TaskVideo, Chunk: i, Total: int64(n) * 100})
		first += n
	}
	p.Tasks = append(p.Tasks, transcode.Spec{Kind: weir.TaskAudio, Total: 40 * 48000}, transcode.Spec{Kind: weir.TaskStill, At: 100, Total: 1})
	return p
}

// output is chunk n of a rendition of testPlan, and its page goes into pages.
func output(pages map[string]weir.Page, p transcode.Plan, rendition string, n int) transcode.Output {
	c := p.Chunks[n]
	key := weir.ChunkKey("default", "asset", rendition, n, fmt.Sprintf("%064x", n+1))
	o := transcode.Output{Rendition: rendition, Chunk: n, Object: key, Init: "media/default/asset/" + rendition + "/init.mp4",
		Page: weir.PageRef{Key: weir.PageKey(key), First: c.FirstSegment + 1, Count: c.Segments}, Codec: "avc1.64001f"}
	page := weir.Page{Version: 1, Object: key, Init: o.Init, First: o.Page.First}
	duration, length := 4*p.Grid.Timescale(), int64(50_000)
	if rendition == "stereo" {
		o.Codec, o.EditOffset, o.SampleRate, o.Channels = "mp4a.40.2", 1024, 48000, 2
		duration, length = 4*48000, 8_000
	}
	for i := range c.Segments {
		page.Segments = append(page.Segments, weir.Segment{Offset: page.Length, Length: length, Duration: duration,
			Start: int64(c.FirstSegment+i) * duration})
		page.Length += length
	}
	pages[o.Page.Key] = page
	return o
}

// recordsOf are all records of testPlan in the order of task and seq, with their pages.
func recordsOf(t testing.TB, p transcode.Plan) ([]weir.Record, func(string) (weir.Page, error)) {
	t.Helper()
	var list []weir.Record
	pages := map[string]weir.Page{}
	add := func(task, seq int, r transcode.Result) {
		body, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, weir.Record{Job: "job", Task: task, Seq: seq, Body: body})
	}
	for n := range p.Chunks {
		add(n+1, 0, transcode.Result{Outputs: []transcode.Output{output(pages, p, "high", n), output(pages, p, "low", n)}})
	}
	for n := range p.Chunks {
		add(5, n, transcode.Result{Outputs: []transcode.Output{output(pages, p, "stereo", n)}})
	}
	add(6, 0, transcode.Result{Still: &weir.Still{Key: "media/default/asset/stills/a.jpg", Length: 9, Width: 640, Height: 360}})
	return list, func(key string) (weir.Page, error) {
		page, ok := pages[key]
		if !ok {
			return weir.Page{}, weir.Errorf(weir.NotFound, "no page %s", key)
		}
		return page, nil
	}
}

func TestAssemble(t *testing.T) {
	plan := testPlan()
	all, page := recordsOf(t, plan)
	pick := func(task ...int) []weir.Record {
		var list []weir.Record
		for _, i := range task {
			list = append(list, all[i])
		}
		return list
	}
	// In all: 0 to 3 are video chunks, 4 to 7 audio chunks, 8 the still.
	for _, tt := range []struct {
		name     string
		records  []weir.Record
		segments int
		state    weir.RevisionState
	}{
		{"nothing", nil, 0, ""},
		{"video only so far", pick(0, 1), 0, ""},
		{"audio only so far", pick(4, 5, 6, 7), 0, ""},
		{"a poster is no segment", pick(8), 0, ""},
		{"second chunk first", pick(1, 4, 5), 0, ""},
		{"first segment of every track", pick(0, 4), 1, weir.Growing},
		{"audio ahead", pick(0, 4, 5, 6), 1, weir.Growing},
		{"video ahead", pick(0, 1, 2, 4, 5), 3, weir.Growing},
		{"a hole in the video", pick(0, 1, 3, 4, 5, 6, 7), 3, weir.Growing},
		{"all but the poster", pick(0, 1, 2, 3, 4, 5, 6, 7), 10, weir.Growing},
		{"everything", all, 10, weir.Complete},
	} {
		got, err := transcode.Assemble(plan, testJob, tt.records, page, nil, noon)
		if err != nil {
			t.Fatalf("%s: Assemble: %v", tt.name, err)
		}
		if got.Head.Segments != tt.segments || got.Head.State != tt.state || got.Playable != (tt.segments > 0) ||
			got.Changed != got.Playable || got.Complete != (tt.state == weir.Complete) {
			t.Errorf("%s: %d segments, state %q, playable %v, changed %v, complete %v; want %d segments, state %q", tt.name,
				got.Head.Segments, got.Head.State, got.Playable, got.Changed, got.Complete, tt.segments, tt.state)
		}
	}
}

func TestAssembleDescribesTracks(t *testing.T) {
	plan := testPlan()
	all, page := recordsOf(t, plan)
	got, err := transcode.Assemble(plan, testJob, all, page, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	h := got.Head
	if h.TargetDuration != 4 || h.Duration != (weir.Rational{Num: 40, Den: 1}) || h.Anchor != noon || h.Poster == nil || h.FirstSegment != 1 {
		t.Errorf("head %+v", h)
	}
	if len(h.Tracks) != 3 {
		t.Fatalf("%d tracks, want 3", len(h.Tracks))
	}
	a := h.Tracks[2]
	a.Pages = nil
	want := weir.Track{Rendition: "stereo", Kind: weir.Audio, Name: "stereo", Codec: "mp4a.40.2", Timescale: 48000, EditOffset: 1024,
		Language: "en", Default: true, SampleRate: 48000, Channels: 2, Cap: 144_000, Peak: 16_000, Average: 16_000}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("audio track (-want +got):\n%s", diff)
	}
	if v := h.Tracks[0]; v.Timescale != 90000 || v.FrameRate != plan.Grid.Rate || v.Cap != 6_000_000 || v.Peak != 100_000 || v.Average != 100_000 {
		t.Errorf("video track %+v", v)
	}
	b, err := weir.EncodeHead(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := weir.ParseHead(b); err != nil {
		t.Errorf("ParseHead of an assembled head: %v", err)
	}
}

func TestAssembleKeepsWhatIsListed(t *testing.T) {
	plan := testPlan()
	all, page := recordsOf(t, plan)
	at := func(records []weir.Record, prev *weir.Head, now time.Time) transcode.Assembly {
		t.Helper()
		got, err := transcode.Assemble(plan, testJob, records, page, prev, now)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := at([]weir.Record{all[0], all[1], all[4], all[5]}, nil, noon).Head
	if got := at([]weir.Record{all[0], all[4]}, &first, noon.Add(time.Hour)); got.Changed || got.Head.Segments != 3 {
		t.Errorf("older records: changed %v, %d segments; want the head as it was", got.Changed, got.Head.Segments)
	}
	if got := at([]weir.Record{all[0], all[1], all[4], all[5]}, &first, noon.Add(time.Hour)); got.Changed {
		t.Error("the same records changed the head")
	}
	last := at(all, &first, noon.Add(time.Hour))
	if !last.Changed || last.Head.Anchor != noon {
		t.Errorf("changed %v, anchor %v; want the first anchor", last.Changed, last.Head.Anchor)
	}
	if got := at(all[:1], &last.Head, noon); got.Changed || !got.Complete || !got.Playable {
		t.Errorf("complete head: %+v", got)
	}
	buried := first
	buried.State = weir.Deleted
	if got := at(all, &buried, noon); got.Changed || got.Playable || got.Complete {
		t.Errorf("deleted head: changed %v, playable %v, complete %v; want none", got.Changed, got.Playable, got.Complete)
	}
}

func TestAssembleRefusesOtherBytes(t *testing.T) {
	plan := testPlan()
	all, page := recordsOf(t, plan)
	got, err := transcode.Assemble(plan, testJob, all[:5], page, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	prev := got.Head
	prev.Tracks[0].Pages[0].Key = "media/default/asset/high/0-other.json"
	if _, err := transcode.Assemble(plan, testJob, all, page, &prev, noon); err == nil {
		t.Error("Assemble replaced a listed page")
	}
	if _, err := transcode.Assemble(plan, testJob, []weir.Record{{Task: 1, Body: []byte("{")}}, page, nil, noon); err == nil {
		t.Error("Assemble took a damaged record")
	}
	missing := func(string) (weir.Page, error) { return weir.Page{}, weir.Errorf(weir.NotFound, "gone") }
	if _, err := transcode.Assemble(plan, testJob, all, missing, nil, noon); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Assemble without pages: %v, want NotFound", err)
	}
}

// TestAssembleAnyOrder gives the records in many orders, some twice, and asks that every head follows from the one before
// and that the last is the same.
func TestAssembleAnyOrder(t *testing.T) {
	plan := testPlan()
	all, page := recordsOf(t, plan)
	want, err := transcode.Assemble(plan, testJob, all, page, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var given []weir.Record
		var prev *weir.Head
		order := rnd.Perm(2 * len(all))
		for _, i := range order {
			given = append(given, all[i%len(all)])
			rnd.Shuffle(len(given), func(i, j int) { given[i], given[j] = given[j], given[i] })
			got, err := transcode.Assemble(plan, testJob, given, page, prev, noon.Add(time.Duration(rnd.IntN(9))*time.Second))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if got.Changed {
				follows(t, prev, got.Head)
				prev = &got.Head
			}
		}
		got := *prev
		got.Anchor = noon
		if diff := cmp.Diff(want.Head, got); diff != "" {
			t.Fatalf("seed %d: last head (-want +got):\n%s", seed, diff)
		}
	}
}

// BenchmarkAssemble is one step of a two-hour asset that is nearly done: what a sweep costs.
func BenchmarkAssemble(b *testing.B) {
	plan := testPlan()
	plan.Chunks, plan.Tasks = nil, nil
	for i := range 120 {
		plan.Chunks = append(plan.Chunks, transcode.Chunk{FirstSegment: 15 * i, Segments: 15})
		plan.Tasks = append(plan.Tasks, transcode.Spec{Kind: weir.TaskVideo, Chunk: i})
	}
	plan.Grid.Frames = 121 * 1500
	pages := map[string]weir.Page{}
	var records []weir.Record
	for n := range plan.Chunks {
		for task, outputs := range [][]transcode.Output{{output(pages, plan, "high", n), output(pages, plan, "low", n)}, {output(pages, plan, "stereo", n)}} {
			body, err := transcode.Result{Outputs: outputs}.Encode()
			if err != nil {
				b.Fatal(err)
			}
			records = append(records, weir.Record{Task: task*(n+1) + n + 1, Seq: n, Body: body})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		got, err := transcode.Assemble(plan, testJob, records, nil, nil, noon)
		if err != nil || got.Head.Segments != 1800 {
			b.Fatalf("Assemble listed %d segments, %v", got.Head.Segments, err)
		}
	}
}

// follows checks that next lists all that prev does, and no segment twice.
func follows(t *testing.T, prev *weir.Head, next weir.Head) {
	t.Helper()
	for i, tr := range next.Tracks {
		n := 1
		for _, p := range tr.Pages {
			if p.First != n {
				t.Fatalf("track %s lists segment %d where %d follows", tr.Rendition, p.First, n)
			}
			n += p.Count
		}
		if n-1 < next.Segments {
			t.Fatalf("track %s has %d segments, the extent is %d", tr.Rendition, n-1, next.Segments)
		}
		if prev != nil && !cmp.Equal(prev.Tracks[i].Pages, tr.Pages[:len(prev.Tracks[i].Pages)]) {
			t.Fatalf("track %s lost a listed page", tr.Rendition)
		}
	}
	if prev != nil && (next.Segments < prev.Segments || next.Anchor != prev.Anchor || prev.State != weir.Growing) {
		t.Fatalf("head of %d segments became one of %d", prev.Segments, next.Segments)
	}
}
