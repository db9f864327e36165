package manifeststest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
)

// Anchor is the wall clock of every made head.
var Anchor = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// Asset describes an asset to be made out of numbers. Equal assets give equal indexes.
type Asset struct {
	Rate          weir.Rational // frames a second
	SegmentFrames int64
	Segments      int      // of the whole asset
	Listed        int      // the extent; all of them, and the asset complete, if it equals Segments
	PageSegments  int      // segments a page
	Heights       []int    // of the video tracks
	Languages     []string // of the audio tracks, the first one default
	InitEvery     int      // pages that share an init segment; 0 is all
	Seed          uint64   // of the sizes
}

// Film is a complete asset of n segments of 4 s at 25 frames a second: six video tracks and stereo sound.
func Film(n int) Asset {
	return Asset{Rate: weir.Rational{Num: 25, Den: 1}, SegmentFrames: 100, Segments: n, Listed: n, PageSegments: 15,
		Heights: []int{1080, 720, 540, 432, 360, 234}, Languages: []string{"en"}, Seed: 1}
}

// Random is any asset that a planner could make, growing or complete.
func Random(r *rand.Rand) Asset {
	rates := []weir.Rational{{Num: 25, Den: 1}, {Num: 30000, Den: 1001}, {Num: 24000, Den: 1001}, {Num: 60, Den: 1}, {Num: 15, Den: 2}, {Num: 375, Den: 8}}
	rate := rates[r.IntN(len(rates))]
	a := Asset{Rate: rate, SegmentFrames: max(1, rate.Num*int64(1+r.IntN(6))/rate.Den+r.Int64N(5)), Segments: 1 + r.IntN(60),
		PageSegments: 1 + r.IntN(9), InitEvery: r.IntN(4), Seed: r.Uint64()}
	a.Listed = 1 + r.IntN(a.Segments)
	a.Heights = []int{1080, 720, 480, 240}[r.IntN(5):]
	a.Languages = []string{"en", "de", "", "en"}[r.IntN(5):]
	if len(a.Heights)+len(a.Languages) == 0 {
		a.Languages = []string{"en"}
	}
	return a
}

// timescale and frame duration, as the plan chooses them.
func (a Asset) timescale() (scale, frame int64) {
	if a.Rate.Den == 1 && 90000%a.Rate.Num == 0 {
		return 90000, 90000 / a.Rate.Num
	}
	k := 1 + 9999/a.Rate.Num
	return a.Rate.Num * k, a.Rate.Den * k
}

// Index is the asset's head and its pages by key.
func (a Asset) Index() (weir.Head, map[string]weir.Page) {
	frames := int64(a.Segments) * a.SegmentFrames
	h := weir.Head{Version: weir.HeadVersion, Organisation: weir.DefaultOrganisation, Asset: "asset", Revision: 1,
		State: weir.Growing, FirstSegment: 1, Segments: a.Listed, Anchor: Anchor,
		TargetDuration: max(1, int((2*(a.SegmentFrames+1)*a.Rate.Den+a.Rate.Num)/(2*a.Rate.Num))),
		Duration:       weir.Rational{Num: frames * a.Rate.Den, Den: a.Rate.Num}.Reduced(),
		Periods:        []weir.Period{{ID: "1", Start: weir.Rational{Den: 1}, FirstSegment: 1}}}
	if a.Listed == a.Segments {
		h.State = weir.Complete
	}
	pages := map[string]weir.Page{}
	for _, height := range a.Heights {
		width := (height*16/9 + 1) / 2 * 2
		scale, _ := a.timescale()
		t := weir.Track{Rendition: fmt.Sprintf("v%d", height), Kind: weir.Video, Name: fmt.Sprintf("%dp", height), Codec: "avc1.64001f",
			Timescale: scale, Width: width, Height: height, FrameRate: a.Rate, Cap: int64(width*height) * 6,
			Colour: &weir.Colour{Primaries: 1, Transfer: 1, Matrix: 1}}
		h.Tracks = append(h.Tracks, a.track(t, pages, a.videoStart))
	}
	for i, language := range a.Languages {
		t := weir.Track{Rendition: fmt.Sprintf("a%d", i), Kind: weir.Audio, Name: "Sound", Codec: "mp4a.40.2", Timescale: 48000,
			EditOffset: 1024, Language: language, Default: i == 0, SampleRate: 48000, Channels: 2, Cap: 128000}
		h.Tracks = append(h.Tracks, a.track(t, pages, a.audioStart))
	}
	return h, pages
}

// videoStart is where segment i (from 0) starts, in ticks.
func (a Asset) videoStart(i int) int64 {
	_, frame := a.timescale()
	return int64(i) * a.SegmentFrames * frame
}

// audioStart is the first packet at or after the segment's first frame; the end of the last segment is exact.
func (a Asset) audioStart(i int) int64 {
	at := (int64(i)*a.SegmentFrames*a.Rate.Den*48000*2 + a.Rate.Num) / (2 * a.Rate.Num)
	if i == 0 || i == a.Segments {
		return at
	}
	return (at + 1023) / 1024 * 1024
}

// track fills in t's pages.
func (a Asset) track(t weir.Track, pages map[string]weir.Page, start func(int) int64) weir.Track {
	sizes := rand.New(rand.NewPCG(a.Seed, uint64(t.Cap)))
	for first := 0; first < a.Segments; first += a.PageSegments {
		chunk := first / a.PageSegments
		init := 0
		if a.InitEvery > 0 {
			init = chunk / a.InitEvery
		}
		key := fmt.Sprintf("media/default/asset/%s/%d.cmf", t.Rendition, chunk)
		p := weir.Page{Version: weir.PageVersion, Object: key, SHA256: fmt.Sprintf("%064x", chunk), First: 1 + first,
			Init: fmt.Sprintf("media/default/asset/%s/init-%d.mp4", t.Rendition, init)}
		for i := first; i < min(first+a.PageSegments, a.Segments); i++ {
			s := weir.Segment{Offset: p.Length, Start: start(i), Duration: start(i+1) - start(i)}
			full := t.Cap * s.Duration / t.Timescale / 8
			s.Length = full/2 + sizes.Int64N(full/2+1) + 1
			p.Length += s.Length
			p.Segments = append(p.Segments, s)
		}
		page := weir.PageKey(key)
		pages[page] = p
		t.Pages = append(t.Pages, weir.PageRef{Key: page, First: p.First, Count: len(p.Segments)})
	}
	return t
}

// Presentation is the asset as players see it.
func (a Asset) Presentation(t testing.TB) manifests.Presentation {
	t.Helper()
	return Build(t, a.Index)
}

// Build makes a presentation of an index and fails the test if it cannot be.
func Build(t testing.TB, index func() (weir.Head, map[string]weir.Page)) manifests.Presentation {
	t.Helper()
	head, pages := index()
	p, err := manifests.Build(head, func(key string) (weir.Page, bool) {
		page, ok := pages[key]
		return page, ok
	})
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return p
}
