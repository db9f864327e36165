package dash_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"
	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/dash"
	"github.com/weirstream/weir/manifests/manifeststest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// now is a little after the first segment was listed.
var now = manifeststest.Anchor.Add(2500 * time.Millisecond)

func write(t *testing.T, p manifests.Presentation) []byte {
	t.Helper()
	b, err := dash.MPD(p, now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

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
	validate(t, got)
}

// small is an asset of 29.97 frames a second.
func small(listed int) manifeststest.Asset {
	return manifeststest.Asset{Rate: weir.Rational{Num: 30000, Den: 1001}, SegmentFrames: 120, Segments: 5, Listed: listed,
		PageSegments: 2, Heights: []int{720, 360}, Languages: []string{"en", "de", "not a language"}, Seed: 3}
}

func TestGolden(t *testing.T) {
	golden(t, "growing.mpd", write(t, small(3).Presentation(t)))
	golden(t, "complete.mpd", write(t, small(5).Presentation(t)))

	audio := small(5)
	audio.Heights = nil
	golden(t, "audio.mpd", write(t, audio.Presentation(t)))

	// The last page has an init segment of its own, and there is a discontinuity before segment 4.
	periods := small(5)
	periods.InitEvery, periods.Languages = 2, []string{"en"}
	p := periods.Presentation(t)
	p.Head.Periods = append(p.Head.Periods, weir.Period{ID: "2", FirstSegment: 4, Discontinuity: 1})
	p.Tracks[0].Timescale = 30000
	golden(t, "periods.mpd", write(t, p))
}

func TestNothingToPlay(t *testing.T) {
	if _, err := dash.MPD(small(0).Presentation(t), now); weir.KindOf(err) != weir.NotFound {
		t.Errorf("MPD of nothing = %v, want not-found", err)
	}
}

// A complete MPD does not depend on when it is written; a growing one depends on nothing else.
func TestClock(t *testing.T) {
	f := func(listed int, want bool) {
		t.Helper()
		p := small(listed).Presentation(t)
		again, err := dash.MPD(p, now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if same := string(again) == string(write(t, p)); same != want {
			t.Errorf("with %d segments listed, an hour later the MPD is the same: %v, want %v", listed, same, want)
		}
	}
	f(5, true)
	f(3, false)
}

// Every listed segment is available when it is listed: that is before it could have been played in real time.
func TestAvailability(t *testing.T) {
	p := small(3).Presentation(t)
	m, err := mpd.MPDFromBytes(write(t, p))
	if err != nil {
		t.Fatal(err)
	}
	start, err := time.Parse(time.RFC3339Nano, string(m.AvailabilityStartTime))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := mpd.MPDFromBytes(write(t, small(5).Presentation(t))); err != nil || *m.MaxSegmentDuration < *all.MaxSegmentDuration {
		t.Errorf("maxSegmentDuration %v is less than the %v that come: %v", m.MaxSegmentDuration, all.MaxSegmentDuration, err)
	}
	last := p.Tracks[0].Segments[2]
	if end := start.Add(time.Duration(last.Start+last.Duration) * time.Second / time.Duration(p.Tracks[0].Timescale)); end.After(manifeststest.Anchor) {
		t.Errorf("segment 3 is available at %v, listed at %v", end, manifeststest.Anchor)
	}
}

func TestHostileNames(t *testing.T) {
	p := small(5).Presentation(t)
	p.Tracks[2].Name = "<b>\x00\"&'\xff]]>"
	b := write(t, p)
	validate(t, b)
	if !strings.Contains(string(b), "<Label>&lt;b&gt;") {
		t.Errorf("MPD wrote\n%s", b)
	}
}

// Every MPD is valid and says, read back, exactly where each segment of each track is in time, whatever its Periods.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var documents [][]byte
	for range 100 {
		p := manifeststest.Random(r).Presentation(t)
		b := write(t, p)
		documents = append(documents, b)
		m, err := mpd.MPDFromBytes(b)
		if err != nil {
			t.Fatalf("MPDFromBytes: %v\n%s", err, b)
		}
		for _, track := range p.Tracks {
			checkTrack(t, p, m, track)
		}
		if m.GetType() == "static" {
			last := p.Tracks[0].Segments[p.Head.Segments-1]
			end := float64(last.Start+last.Duration) / float64(p.Tracks[0].Timescale)
			if got := time.Duration(*m.MediaPresentationDuration).Seconds(); got < end || got > end+0.002 {
				t.Errorf("mediaPresentationDuration is %f, want %f", got, end)
			}
		}
	}
	validate(t, documents...)
}

func checkTrack(t *testing.T, p manifests.Presentation, m *mpd.MPD, track manifests.Track) {
	t.Helper()
	n := p.Head.FirstSegment
	for _, period := range m.Periods {
		r := find(period, track.Rendition)
		if r == nil {
			t.Fatalf("period %s has no %s", period.Id, track.Rendition)
		}
		template := r.GetSegmentTemplate()
		if int(*template.StartNumber) != n || template.Media != "../$RepresentationID$/$Number$.m4s" {
			t.Fatalf("%s in period %s starts at %d, want %d", track.Rendition, period.Id, *template.StartNumber, n)
		}
		if _, ok := p.Init(track.Rendition, strings.TrimPrefix(template.Initialization, "../$RepresentationID$/")); !ok {
			t.Fatalf("%s in period %s: no init %s", track.Rendition, period.Id, template.Initialization)
		}
		offset := int64(0)
		if template.PresentationTimeOffset != nil {
			offset = int64(*template.PresentationTimeOffset)
		}
		at := int64(*template.SegmentTimeline.S[0].T)
		for _, s := range template.SegmentTimeline.S {
			for range s.R + 1 {
				want := track.Segments[n-p.Head.FirstSegment]
				// What a player computes: Period@start + (t - presentationTimeOffset) / timescale.
				got := time.Duration(*period.Start).Seconds() + float64(at-offset)/float64(track.Timescale)
				tick := 1 / float64(track.Timescale)
				if exact := float64(want.Start) * tick; at != want.Start || got-exact > tick || exact-got > tick {
					t.Fatalf("%s segment %d is presented at %f (t %d), want %f (%d)", track.Rendition, n, got, at, exact, want.Start)
				}
				at, n = at+int64(s.D), n+1
			}
		}
	}
	if n != p.Head.FirstSegment+p.Head.Segments {
		t.Fatalf("%s lists segments to %d, want %d", track.Rendition, n, p.Head.Segments)
	}
}

func find(period *mpd.Period, id string) *mpd.RepresentationType {
	for _, set := range period.AdaptationSets {
		for _, r := range set.Representations {
			if r.Id == id {
				return r
			}
		}
	}
	return nil
}

func BenchmarkMPD(b *testing.B) {
	p := manifeststest.Film(2700).Presentation(b)
	for i := range p.Tracks {
		p.Tracks[i].Peak, p.Tracks[i].Average = 2, 1
	}
	out, err := dash.MPD(p, now)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(out)))
	for b.Loop() {
		if _, err := dash.MPD(p, now); err != nil {
			b.Fatal(err)
		}
	}
}
