package ladder_test

import (
	"fmt"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ladder"
)

func TestMakeSizes(t *testing.T) {
	f := func(maxHeight, width, height int, want string) {
		t.Helper()
		l := ladder.Make(ladder.Policy{MaxHeight: maxHeight}, width, height, weir.Rational{Num: 25, Den: 1})
		var got []string
		for _, r := range l[:len(l)-1] {
			got = append(got, fmt.Sprintf("%s %dx%d", r.Name, r.Width, r.Height))
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("Make(max %d, %dx%d) = %s, want %s", maxHeight, width, height, got, want)
		}
	}
	f(0, 1920, 1080, "1080p 1920x1080, 720p 1280x720, 480p 854x480, 360p 640x360, 240p 426x240")
	f(480, 1920, 1080, "480p 854x480, 360p 640x360, 240p 426x240")
	f(0, 1080, 1920, "1080p 1080x1920, 720p 720x1280, 480p 480x854, 360p 360x640, 240p 240x426")
	f(720, 1920, 804, "720p 1280x536, 480p 854x358, 360p 640x268, 240p 426x178")
	f(0, 1366, 768, "769p 1366x768, 480p 852x480, 360p 640x360, 240p 426x240")
	f(0, 640, 480, "480p 640x480, 360p 480x360, 240p 320x240")
	f(0, 321, 181, "181p 320x180")
	f(0, 64, 64, "64p 64x64")
	f(0, 8192, 4320, "2160p 3840x2026, 1440p 2560x1350, 1080p 1920x1012, 720p 1280x676, 480p 854x450, 360p 640x338, 240p 426x226")
	f(0, 0, 0, "")
}

func TestMakeRates(t *testing.T) {
	f := func(width, height int, rate weir.Rational, want int) {
		t.Helper()
		r := ladder.Make(ladder.Policy{}, width, height, rate)[0]
		if r.MaxRate != want || r.BufferSize != want || r.CRF != 23 {
			t.Errorf("Make(%dx%d at %s): cap %d, buffer %d, CRF %d, want %d, %[6]d, 23", width, height, rate, r.MaxRate, r.BufferSize, r.CRF, want)
		}
	}
	f(1280, 720, weir.Rational{Num: 30000, Den: 1001}, 2_800_000)
	f(1280, 720, weir.Rational{Num: 60000, Den: 1001}, 4_200_000)
	f(960, 540, weir.Rational{Num: 30, Den: 1}, 1_750_000)
	f(3840, 2160, weir.Rational{Num: 24, Den: 1}, 14_000_000)
	f(16, 16, weir.Rational{Num: 24, Den: 1}, 200_000)
}

func TestMakeNeverAboveTheSource(t *testing.T) {
	for width := 16; width < 2400; width += 37 {
		for height := 16; height < 2400; height += 41 {
			seen, last := map[string]bool{}, 1<<30
			for _, r := range ladder.Make(ladder.Policy{}, width, height, weir.Rational{Num: 50, Den: 1}) {
				if seen[r.Name] || r.MaxRate > last {
					t.Fatalf("Make(%dx%d): rung %+v is doubled or out of order", width, height, r)
				}
				seen[r.Name], last = true, r.MaxRate
				if r.Width > width || r.Height > height || r.Width%2 != 0 || r.Height%2 != 0 || r.Codec == "h264" && r.Width*r.Height == 0 {
					t.Fatalf("Make(%dx%d): rung %+v does not fit", width, height, r)
				}
			}
		}
	}
}

func TestMakeSound(t *testing.T) {
	l := ladder.Make(ladder.Policy{AudioRate: 96_000}, 0, 0, weir.Rational{})
	want := weir.Rung{Name: "stereo", Codec: "aac", MaxRate: 96_000, Channels: 2, SampleRate: ladder.SampleRate}
	if len(l) != 1 || l[0] != want {
		t.Errorf("Make(no picture) = %+v, want %+v alone", l, want)
	}
}
