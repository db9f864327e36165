package weir_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
)

func TestKindSurvivesWrapping(t *testing.T) {
	cause := weir.Errorf(weir.NotFound, "no asset %q: %w", "a1", io.EOF)
	err := fmt.Errorf("open: %w", cause)
	if got := weir.KindOf(err); got != weir.NotFound {
		t.Errorf("KindOf(%v) = %v, want not-found", err, got)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the cause of %v is lost", err)
	}
	if got, want := weir.Detail(err), `no asset "a1": EOF`; got != want {
		t.Errorf("Detail = %q, want %q", got, want)
	}
}

func TestInternalTextStaysInside(t *testing.T) {
	for _, err := range []error{errors.New("dial 10.0.0.1"), weir.Errorf(weir.Internal, "secret"), nil} {
		if got := weir.Detail(err); got != "" {
			t.Errorf("Detail(%v) = %q, want nothing", err, got)
		}
	}
}

func TestKindOfContextErrors(t *testing.T) {
	if got := weir.KindOf(fmt.Errorf("read: %w", context.DeadlineExceeded)); got != weir.Timeout {
		t.Errorf("KindOf(deadline) = %v, want timeout", got)
	}
	if got := weir.KindOf(context.Canceled); got != weir.Unavailable {
		t.Errorf("KindOf(canceled) = %v, want unavailable", got)
	}
}

func TestIDsSortByTime(t *testing.T) {
	last := ""
	for i := range 50 {
		id := weir.NewID(noon.Add(time.Duration(i) * time.Millisecond))
		if !weir.ValidID(id) || len(id) != 26 || id <= last {
			t.Fatalf("NewID #%d = %q after %q, want a valid id of 26 that sorts behind", i, id, last)
		}
		last = id
	}
}

func TestValidIDAndKey(t *testing.T) {
	for s, want := range map[string]bool{"a": true, "a-1": true, "": false, "-a": false, "A": false, "a/b": false, "..": false, strings.Repeat("a", 65): false} {
		if got := weir.ValidID(s); got != want {
			t.Errorf("ValidID(%q) = %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]bool{"a/b.mp4": true, "a": true, "": false, "/a": false, "a/": false, "a//b": false, "a/../b": false, ".tmp/a": false, "a b": false, "a\x00": false,
		"a/" + strings.Repeat("n", 255): true, "a/" + strings.Repeat("n", 256): false, strings.Repeat("a/", 256): false, strings.Repeat("a/", 256) + "b": false} {
		if got := weir.ValidKey(s); got != want {
			t.Errorf("ValidKey(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	chunk := weir.ChunkKey("default", "a1", "r1", 3, sum)
	for got, want := range map[string]string{
		chunk:                                    "media/default/a1/r1/3-abababababababab.cmf",
		weir.PageKey(chunk):                      "media/default/a1/r1/3-abababababababab.json",
		weir.InitKey("default", "a1", "r1", sum): "media/default/a1/r1/init-abababababababab.mp4",
		weir.HeadKey("default", "a1", 2):         "media/default/a1/heads/2.json",
		weir.StillKey("default", "a1", sum):      "media/default/a1/stills/abababababababab.jpg",
		weir.MasterKey("m1"):                     "masters/m1",
	} {
		if got != want || !weir.ValidKey(got) {
			t.Errorf("key = %q, want %q, a valid one", got, want)
		}
	}
}

func sampleHead() weir.Head {
	return weir.Head{Version: 1, Organisation: "default", Asset: "a1", Revision: 1, State: weir.Growing, FirstSegment: 1,
		Segments: 3, TargetDuration: 4, Duration: weir.Rational{Num: 10, Den: 1}, Anchor: noon,
		Periods: []weir.Period{{ID: "p0", Start: weir.Rational{Num: 0, Den: 1}, FirstSegment: 1}},
		Tracks: []weir.Track{{Rendition: "r1", Kind: weir.Video, Codec: "avc1.64001e", Timescale: 90000, Width: 640, Height: 360,
			FrameRate: weir.Rational{Num: 25, Den: 1}, Cap: 800000,
			Pages: []weir.PageRef{{Key: "k1", First: 1, Count: 1}, {Key: "k2", First: 2, Count: 2}}}}}
}

func TestHeadRoundTripAndUnknownFields(t *testing.T) {
	want := sampleHead()
	b, err := weir.EncodeHead(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := weir.ParseHead([]byte(strings.Replace(string(b), "{", `{"later":{"x":[1]},`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ParseHead(EncodeHead(h)) differs (-want +got):\n%s", d)
	}
}

func TestHeadRefusals(t *testing.T) {
	f := func(name string, change func(*weir.Head)) {
		t.Helper()
		h := sampleHead()
		change(&h)
		b, err := weir.EncodeHead(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := weir.ParseHead(b); err == nil {
			t.Errorf("ParseHead accepts a head with %s", name)
		}
	}
	f("a later version", func(h *weir.Head) { h.Version = 2 })
	f("a hole", func(h *weir.Head) { h.Tracks[0].Pages[1].First = 3 })
	f("an overlap", func(h *weir.Head) { h.Tracks[0].Pages[1].First = 1 })
	f("an extent past its pages", func(h *weir.Head) { h.Segments = 4 })
	f("no duration", func(h *weir.Head) { h.Duration = weir.Rational{} })
	f("an unknown state", func(h *weir.Head) { h.State = "odd" })
	f("no timescale", func(h *weir.Head) { h.Tracks[0].Timescale = 0 })
	f("an endless target duration", func(h *weir.Head) { h.TargetDuration = 1 << 40 })
	f("a first segment past 32 bits", func(h *weir.Head) { h.FirstSegment = 1 << 33 })
	f("a poster outside of its keys", func(h *weir.Head) { h.Poster = &weir.Still{Key: "../x", Length: 1} })
	f("a bad rendition", func(h *weir.Head) { h.Tracks[0].Rendition = "../x" })
}

func samplePage() weir.Page {
	return weir.Page{Version: 1, Object: "o", SHA256: "ff", Length: 30, Init: "i", First: 2, Segments: []weir.Segment{
		{Offset: 0, Length: 10, Start: 0, Duration: 5, KeyBytes: 4, CRC32C: 1}, {Offset: 10, Length: 20, Start: 5, Duration: 5}}}
}

func TestPageRoundTripAndRefusals(t *testing.T) {
	want := samplePage()
	b, err := weir.EncodePage(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := weir.ParsePage(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ParsePage(EncodePage(p)) differs (-want +got):\n%s", d)
	}
	for name, change := range map[string]func(*weir.Page){
		"a hole":            func(p *weir.Page) { p.Segments[1].Offset = 11 },
		"too few bytes":     func(p *weir.Page) { p.Length = 29 },
		"no segment":        func(p *weir.Page) { p.Segments = nil },
		"an empty segment":  func(p *weir.Page) { p.Segments[0].Length = 0 },
		"a negative start":  func(p *weir.Page) { p.Segments[0].Start = -1 },
		"too many keybytes": func(p *weir.Page) { p.Segments[0].KeyBytes = 11 },
	} {
		p := samplePage()
		change(&p)
		b, err := weir.EncodePage(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := weir.ParsePage(b); err == nil {
			t.Errorf("ParsePage accepts a page with %s", name)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	b, err := weir.EncodeHead(sampleHead())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := weir.ParseHead(b)
		if err != nil {
			return
		}
		again, err := weir.EncodeHead(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := weir.ParseHead(again); err != nil {
			t.Errorf("ParseHead(EncodeHead(h)) = %v", err)
		}
	})
}

func FuzzParsePage(f *testing.F) {
	b, err := weir.EncodePage(samplePage())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := weir.ParsePage(b); err == nil && p.Segments[len(p.Segments)-1].Offset+p.Segments[len(p.Segments)-1].Length > p.Length {
			t.Error("a page lists bytes its object does not have")
		}
	})
}

func TestFactEnvelope(t *testing.T) {
	f, err := weir.NewFact(noon, weir.FactMasterReady, "ingest", "default", "a1", 1, map[string]int{"x": 1})
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != "ingest.master.ready" || f.Subject != "a1" || string(f.Data) != `{"x":1}` || f.Revision != 1 {
		t.Errorf("NewFact = %+v", f)
	}
	if _, err := weir.NewFact(noon, "t", "s", "o", "x", 1, func() {}); err == nil {
		t.Error("NewFact accepts data that is not JSON")
	}
}

func TestRational(t *testing.T) {
	if got := (weir.Rational{Num: 60000, Den: 2002}).Reduced(); got != (weir.Rational{Num: 30000, Den: 1001}) {
		t.Errorf("Reduced = %v", got)
	}
	if (weir.Rational{}).Known() || (weir.Rational{}).Float() != 0 {
		t.Error("the zero value is unknown and 0")
	}
}
