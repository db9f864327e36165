package manifests_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/manifeststest"
)

func TestLookups(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		a := manifeststest.Random(r)
		_, pages := a.Index()
		p := a.Presentation(t)
		for _, track := range p.Tracks {
			for n := -1; n <= a.Segments+2; n++ {
				span, s, ok := p.Segment(track.Rendition, n)
				if want := n >= 1 && n <= a.Listed; ok != want {
					t.Fatalf("Segment(%s, %d) of %d listed = %v, want %v", track.Rendition, n, a.Listed, ok, want)
				}
				if !ok {
					continue
				}
				page := pages[weir.PageKey(span.Object)]
				if diff := cmp.Diff(page.Segments[n-page.First], s); diff != "" {
					t.Fatalf("Segment(%s, %d) (-page +got)\n%s", track.Rendition, n, diff)
				}
				init, ok := p.Init(track.Rendition, track.Inits[span.Init].Name)
				if !ok || init.Key != page.Init {
					t.Fatalf("segment %d of %s has init %+v, its page %s", n, track.Rendition, init, page.Init)
				}
			}
		}
		if _, _, ok := p.Segment("other", 1); ok {
			t.Error("Segment of an unknown rendition was found")
		}
		if _, ok := p.Init(p.Tracks[0].Rendition, "init-999.mp4"); ok {
			t.Error("Init of an unknown name was found")
		}
	}
}

// Segments tile and stop at the extent, also in the middle of a page.
func TestBuildListsTheExtentOnly(t *testing.T) {
	f := func(listed, spans, inits int) {
		t.Helper()
		a := manifeststest.Film(20)
		a.Listed, a.PageSegments, a.InitEvery = listed, 4, 2
		for _, track := range a.Presentation(t).Tracks {
			if len(track.Segments) != listed || len(track.Spans) != spans || len(track.Inits) != inits {
				t.Errorf("with %d listed: %d segments in %d spans with %d inits, want %d spans, %d inits", listed, len(track.Segments),
					len(track.Spans), len(track.Inits), spans, inits)
			}
			next := 1
			for _, s := range track.Spans {
				if s.First != next {
					t.Errorf("span starts at %d, want %d", s.First, next)
				}
				next += s.Count
			}
		}
	}
	f(0, 0, 0)
	f(1, 1, 1)
	f(4, 1, 1)
	f(6, 2, 1)
	f(9, 3, 2)
	f(20, 5, 3)
}

func TestInitNames(t *testing.T) {
	a := manifeststest.Film(6)
	a.PageSegments, a.InitEvery = 1, 2
	var names []string
	for _, in := range a.Presentation(t).Tracks[0].Inits {
		names = append(names, in.Name)
	}
	if diff := cmp.Diff([]string{"init.mp4", "init-2.mp4", "init-3.mp4"}, names); diff != "" {
		t.Errorf("init names (-want +got)\n%s", diff)
	}
}

func TestBuildRefuses(t *testing.T) {
	f := func(want weir.Kind, change func(h *weir.Head, pages map[string]weir.Page)) {
		t.Helper()
		h, pages := manifeststest.Film(40).Index()
		change(&h, pages)
		_, err := manifests.Build(h, func(key string) (weir.Page, bool) {
			p, ok := pages[key]
			return p, ok
		})
		if err == nil || weir.KindOf(err) != want {
			t.Errorf("Build error = %v, want one that is %v", err, want)
		}
	}
	second := func(h *weir.Head) string { return h.Tracks[0].Pages[1].Key }
	f(weir.Gone, func(h *weir.Head, _ map[string]weir.Page) { h.State = weir.Deleted })
	f(weir.Internal, func(h *weir.Head, pages map[string]weir.Page) { delete(pages, second(h)) })
	f(weir.Internal, func(h *weir.Head, pages map[string]weir.Page) {
		p := pages[second(h)]
		p.First++
		pages[second(h)] = p
	})
	f(weir.Internal, func(h *weir.Head, pages map[string]weir.Page) {
		p := pages[second(h)]
		p.Segments = p.Segments[1:]
		pages[second(h)] = p
	})
	f(weir.Internal, func(h *weir.Head, pages map[string]weir.Page) { pages[second(h)].Segments[0].Start++ })
	f(weir.Internal, func(h *weir.Head, _ map[string]weir.Page) { h.Segments++ })
	f(weir.Internal, func(h *weir.Head, _ map[string]weir.Page) { h.Tracks[0].Pages[0].First = 2 })
}

func TestMeasure(t *testing.T) {
	f := func(target int, wantPeak, wantAverage int64, segments ...weir.Segment) {
		t.Helper()
		peak, average := manifests.Measure(segments, 10, target)
		if peak != wantPeak || average != wantAverage {
			t.Errorf("Measure(%v, 10, %d) = %d, %d, want %d, %d", segments, target, peak, average, wantPeak, wantAverage)
		}
	}
	s := func(bytes, tenths int64) weir.Segment { return weir.Segment{Length: bytes, Duration: tenths} }
	f(4, 0, 0)
	f(4, 2000, 1500, s(1000, 40), s(500, 40))
	// A set may hold several segments: 2 x 1 s of 1000 bytes is a set, 1 s alone is not.
	f(4, 8000, 4000, s(1000, 10), s(1000, 10), s(1000, 40))
	// A short tail of any rate is no set by itself, but is one with what is before it.
	f(4, 3400, 3400, s(1000, 40), s(870, 4))
	// Longer than one and a half targets is no set: the average stands in.
	f(4, 1000, 1000, s(875, 70))
	f(4, 8, 8, s(1, 10))
	// Rounded up.
	f(1, 3, 3, s(1, 30))
	// No overflow: a terabyte in an hour.
	f(3600, 2222222223, 2222222223, s(1e12, 36000))
}

func TestBandwidth(t *testing.T) {
	a := manifeststest.Film(10)
	p := a.Presentation(t)
	peak, average := p.Bandwidth(p.Tracks[0])
	if wantPeak, wantAverage := manifests.Measure(p.Tracks[0].Segments, 90000, 4); peak != wantPeak || average != wantAverage {
		t.Errorf("Bandwidth = %d, %d, want what is measured: %d, %d", peak, average, wantPeak, wantAverage)
	}
	p.Tracks[0].Peak, p.Tracks[0].Average = 7, 5
	if peak, average := p.Bandwidth(p.Tracks[0]); peak != 7 || average != 5 {
		t.Errorf("Bandwidth = %d, %d, want what the head says: 7, 5", peak, average)
	}
	a.Listed = 9
	p = a.Presentation(t)
	for _, track := range p.Tracks {
		if peak, average := p.Bandwidth(track); peak <= track.Cap || peak > track.Cap+10000 || average != 0 {
			t.Errorf("Bandwidth of a growing %s = %d, %d, want a little over its cap %d, and no average", track.Rendition, peak, average, track.Cap)
		}
	}
}

func ExamplePresentation_Segment() {
	head, pages := manifeststest.Film(100).Index()
	p, err := manifests.Build(head, func(key string) (weir.Page, bool) {
		page, ok := pages[key]
		return page, ok
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	span, s, ok := p.Segment("a0", 17)
	fmt.Println(span.Object, s.Start, s.Duration, ok)
	// Output: media/default/asset/a0/1.cmf 3072000 192512 true
}

func BenchmarkSegment(b *testing.B) {
	p := manifeststest.Film(2700).Presentation(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := p.Segment("a0", 1999); !ok {
			b.Fatal("segment 1999 is not listed")
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	head, pages := manifeststest.Film(2700).Index()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := manifests.Build(head, func(key string) (weir.Page, bool) {
			page, ok := pages[key]
			return page, ok
		}); err != nil {
			b.Fatal(err)
		}
	}
}
