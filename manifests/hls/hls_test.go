package hls_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	eyevinn "github.com/Eyevinn/hls-m3u8/m3u8"
	"github.com/google/go-cmp/cmp"
	"github.com/grafov/m3u8"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/hls"
	"github.com/weirstream/weir/manifests/manifeststest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

// small is an asset of 29.97 frames a second whose last page has an init segment of its own.
func small(listed int) manifeststest.Asset {
	return manifeststest.Asset{Rate: weir.Rational{Num: 30000, Den: 1001}, SegmentFrames: 120, Segments: 5, Listed: listed,
		PageSegments: 2, Heights: []int{720, 360}, Languages: []string{"en", "de", "en"}, InitEvery: 2, Seed: 3}
}

func TestGolden(t *testing.T) {
	f := func(folder string, p manifests.Presentation) {
		t.Helper()
		main, err := hls.Multivariant(p)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, folder+"/main.m3u8", main)
		for _, track := range p.Tracks {
			media, err := hls.Media(p, track.Rendition)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, folder+"/"+track.Rendition+".m3u8", media)
		}
	}
	f("growing", small(3).Presentation(t))
	f("complete", small(5).Presentation(t))

	audio := small(5)
	audio.Heights = nil
	f("audio", audio.Presentation(t))

	video := small(5)
	video.Languages = nil
	p := video.Presentation(t)
	p.Head.Periods = append(p.Head.Periods, weir.Period{ID: "2", FirstSegment: 4, Discontinuity: 1})
	p.Tracks[0].Colour = &weir.Colour{Primaries: 9, Transfer: 18, Matrix: 9, HDR: "hlg"}
	p.Tracks[1].Colour = nil
	f("video", p)
}

func TestNothingToPlay(t *testing.T) {
	p := small(0).Presentation(t)
	_, err := hls.Multivariant(p)
	_, mediaErr := hls.Media(p, "v720")
	_, otherErr := hls.Media(small(5).Presentation(t), "v999")
	for _, err := range []error{err, mediaErr, otherErr} {
		if weir.KindOf(err) != weir.NotFound {
			t.Errorf("error %v is %v, want not-found", err, weir.KindOf(err))
		}
	}
}

// Names come from masters: nothing in them may end a quoted string or a line.
func TestHostileNames(t *testing.T) {
	p := small(5).Presentation(t)
	p.Tracks[2].Name = "a\"\n#EXT-X-ENDLIST\r\u0085\xff"
	p.Tracks[2].Language = "x\"y"
	b, err := hls.Multivariant(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "NAME=\"a#EXT-X-ENDLIST\ufffd\",LANGUAGE=\"xy\"") {
		t.Errorf("Multivariant wrote\n%s", b)
	}
}

// Every playlist of every presentation is read back by two libraries, in their strict modes, with nothing lost.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		a := manifeststest.Random(r)
		p := a.Presentation(t)
		b, err := hls.Multivariant(p)
		if err != nil {
			t.Fatal(err)
		}
		list, kind, err := m3u8.DecodeFrom(bytes.NewReader(b), true)
		if err != nil || kind != m3u8.MASTER {
			t.Fatalf("grafov reads Multivariant(%+v) as %v, %v\n%s", a, kind, err, b)
		}
		if _, _, err := eyevinn.DecodeFrom(bytes.NewReader(b), true); err != nil {
			t.Fatalf("hls-m3u8 reads Multivariant(%+v): %v\n%s", a, err, b)
		}
		variants := list.(*m3u8.MasterPlaylist).Variants
		if want := max(len(a.Heights), 1); len(variants) < want {
			t.Fatalf("Multivariant(%+v) has %d variants, want %d", a, len(variants), want)
		}
		named := map[string]bool{}
		for _, v := range variants {
			named[v.URI] = true
			for _, alt := range v.Alternatives {
				named[alt.URI] = true
			}
		}
		if len(named) != len(p.Tracks) {
			t.Fatalf("Multivariant(%+v) names %d of %d tracks\n%s", a, len(named), len(p.Tracks), b)
		}
		for _, v := range variants {
			checkMedia(t, p, strings.TrimSuffix(v.URI, ".m3u8"))
			for _, alt := range v.Alternatives {
				checkMedia(t, p, strings.TrimSuffix(alt.URI, ".m3u8"))
			}
		}
	}
}

func checkMedia(t *testing.T, p manifests.Presentation, rendition string) {
	t.Helper()
	track, ok := p.Track(rendition)
	if !ok {
		t.Fatalf("Multivariant names %q", rendition)
	}
	b, err := hls.Media(p, rendition)
	if err != nil {
		t.Fatal(err)
	}
	list, kind, err := m3u8.DecodeFrom(bytes.NewReader(b), true)
	if err != nil || kind != m3u8.MEDIA {
		t.Fatalf("grafov reads Media(%s) as %v, %v\n%s", rendition, kind, err, b)
	}
	if _, _, err := eyevinn.DecodeFrom(bytes.NewReader(b), true); err != nil {
		t.Fatalf("hls-m3u8 reads Media(%s): %v\n%s", rendition, err, b)
	}
	media := list.(*m3u8.MediaPlaylist)
	if int(media.Count()) != p.Head.Segments || media.Closed != p.Complete() ||
		!strings.Contains(string(b), fmt.Sprintf("#EXT-X-TARGETDURATION:%d\n", p.Head.TargetDuration)) {
		t.Fatalf("Media(%s) lists %d segments, closed %v; want %d, %v", rendition, media.Count(), media.Closed, p.Head.Segments, p.Complete())
	}
	var at float64
	for i, s := range track.Segments {
		got := media.Segments[i]
		if start := float64(s.Start) / float64(track.Timescale); at-start > 2e-6 || start-at > 2e-6 {
			t.Fatalf("Media(%s): segment %d starts at %f, want %f", rendition, i, at, start)
		}
		if int(got.Duration+0.5) > p.Head.TargetDuration {
			t.Errorf("Media(%s): segment %d lasts %f of a target of %d", rendition, i, got.Duration, p.Head.TargetDuration)
		}
		at += got.Duration
	}
}

func BenchmarkMedia(b *testing.B) {
	p := manifeststest.Film(2700).Presentation(b)
	out, err := hls.Media(p, "v720")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(out)))
	for b.Loop() {
		if _, err := hls.Media(p, "v720"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMultivariant(b *testing.B) {
	p := manifeststest.Film(2700).Presentation(b)
	for i := range p.Tracks {
		p.Tracks[i].Peak, p.Tracks[i].Average = 2, 1
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hls.Multivariant(p); err != nil {
			b.Fatal(err)
		}
	}
}
