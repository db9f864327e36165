package bench_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/dash"
	"github.com/weirstream/weir/manifests/hls"
	"github.com/weirstream/weir/manifests/manifeststest"
)

const base = "http://127.0.0.1:1/a/hls/main.m3u8"

func read(t *testing.T, b []byte) bench.Presentation {
	t.Helper()
	p, err := bench.ReadManifest(target(t, base).URL, b)
	if err != nil {
		t.Fatalf("ReadManifest: %v\n%s", err, b)
	}
	return p
}

// What Weir writes of any asset, a player of bench sees whole: every rendition, every segment, at its time.
func TestReadsWhatWeirWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 60 {
		a := manifeststest.Random(r)
		p := a.Presentation(t)
		b, err := hls.Multivariant(p)
		if err != nil {
			t.Fatal(err)
		}
		show := read(t, b)
		if want := max(len(a.Heights), 1); len(show.Rungs) != want {
			t.Fatalf("%d rungs of %+v, want %d\n%s", len(show.Rungs), a, want, b)
		}
		for i, rung := range show.Rungs {
			if i > 0 && rung.Rate < show.Rungs[i-1].Rate {
				t.Fatalf("rates fall: %v", show.Rungs)
			}
			name := strings.TrimSuffix(filepath.Base(rung.Playlist.Path), ".m3u8")
			list, err := hls.Media(p, name)
			if err != nil {
				t.Fatal(err)
			}
			if err := show.Update(target(t, base), &rung, list); err != nil {
				t.Fatal(err)
			}
			same(t, p, name, rung)
			if show.Live == p.Complete() || show.Growing == p.Complete() {
				t.Fatalf("live %v, growing %v of an asset that is complete: %v", show.Live, show.Growing, p.Complete())
			}
		}
		b, err = dash.MPD(p, manifeststest.Anchor.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		show = read(t, b)
		if show.Live == p.Complete() {
			t.Fatalf("the MPD is live: %v", show.Live)
		}
		for _, rung := range show.Rungs {
			parts := strings.Split(rung.Segments[0].URL.Path, "/")
			same(t, p, parts[len(parts)-2], rung)
		}
	}
}

func same(t *testing.T, p manifests.Presentation, rendition string, got bench.Rendition) {
	t.Helper()
	track, ok := p.Track(rendition)
	if !ok || len(got.Segments) != len(track.Segments) {
		t.Fatalf("%d segments of %s, want %d", len(got.Segments), rendition, len(track.Segments))
	}
	for i, s := range track.Segments {
		want := float64(s.Start) / float64(track.Timescale)
		if d := got.Segments[i].Start - want; d > 1e-3 || d < -1e-3 {
			t.Fatalf("segment %d of %s starts at %g, want %g", i, rendition, got.Segments[i].Start, want)
		}
		if got.Segments[i].URL == nil || got.Segments[i].Init == nil || !strings.HasSuffix(got.Segments[i].URL.Path, fmt.Sprintf("/%s/%d.m4s", rendition, i+1)) {
			t.Fatalf("segment %d of %s is at %v after %v", i, rendition, got.Segments[i].URL, got.Segments[i].Init)
		}
	}
}

// A sliding window: what was listed before keeps its time, what is new goes on from there.
func TestSlidingWindow(t *testing.T) {
	list := func(first, n int) []byte {
		var b bytes.Buffer
		fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:%d\n", first)
		for i := range n {
			fmt.Fprintf(&b, "#EXTINF:4.0,\n%d.m4s\n", first+i)
		}
		return b.Bytes()
	}
	p := read(t, list(100, 5))
	r := p.Rungs[0]
	f := func(first, n int, start, end float64) {
		t.Helper()
		if err := p.Update(target(t, base), &r, list(first, n)); err != nil {
			t.Fatal(err)
		}
		if !p.Live || p.Growing || r.Segments[0].Start != start || r.End() != end {
			t.Errorf("after %d+%d: %g to %g, want %g to %g", first, n, r.Segments[0].Start, r.End(), start, end)
		}
	}
	f(100, 5, 0, 20)
	f(102, 5, 8, 28)
	f(110, 2, 40, 48) // some were missed
}

func TestTemplatesByNumber(t *testing.T) {
	p := read(t, []byte(`<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT10S" profiles="x">
<BaseURL>../media/</BaseURL><Period><AdaptationSet mimeType="video/mp4">
<SegmentTemplate timescale="1000" duration="4000" startNumber="5" media="$RepresentationID$/$Number%04d$-$Bandwidth$$$.m4s" initialization="$RepresentationID$/i.mp4"/>
<Representation id="v" bandwidth="1000"/></AdaptationSet></Period></MPD>`))
	s := p.Rungs[0].Segments
	if len(s) != 3 || s[2].URL.Path != "/a/media/v/0007-1000$.m4s" || s[0].Init.Path != "/a/media/v/i.mp4" || s[2].Start != 8 {
		t.Errorf("segments %+v", s)
	}
}

func TestBadManifests(t *testing.T) {
	f := func(text string) {
		t.Helper()
		if _, err := bench.ReadManifest(target(t, base).URL, []byte(text)); weir.KindOf(err) != weir.Unprocessable {
			t.Errorf("ReadManifest(%.40q) = %v, want Unprocessable", text, err)
		}
	}
	f("")
	f("<html>")
	f("#EXTM3U\n")
	f(`<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>`)
	f(`<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation id="v"/></AdaptationSet></Period></MPD>`)
}

func FuzzReadManifest(f *testing.F) {
	for _, pattern := range []string{"../manifests/hls/testdata/*/*.m3u8", "../manifests/dash/testdata/*.mpd"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(names, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	u, err := new(bench.Hosts).Target(f.Context(), base)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := bench.ReadManifest(u.URL, b)
		if err != nil {
			return
		}
		for _, r := range append(p.Rungs, p.Audio...) {
			for _, s := range r.Segments {
				if s.URL == nil {
					t.Fatalf("a segment without a URL in %q", b)
				}
			}
		}
	})
}
