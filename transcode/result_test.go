package transcode_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

func someResult() transcode.Result {
	return transcode.Result{Outputs: []transcode.Output{{Rendition: "v", Chunk: 3, Object: "media/default/a/v/3-0.cmf", SHA256: strings.Repeat("0", 64),
		Length: 9, Init: "media/default/a/v/init-0.mp4", Page: weir.PageRef{Key: "media/default/a/v/3-0.json", First: 8, Count: 2},
		Codec: "avc1.64001e", Width: 640, Height: 360, Colour: &weir.Colour{Primaries: 1, Transfer: 1, Matrix: 1}}},
		Still: &weir.Still{Key: "media/default/a/stills/s.jpg", Length: 5, Width: 640, Height: 360}}
}

func TestResultRoundTrip(t *testing.T) {
	want := someResult()
	b, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := transcode.ParseResult(append(b[:len(b)-1:len(b)-1], `,"later":1}`...))
	want.Version = transcode.ResultVersion
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ParseResult: %v (-want +got):\n%s", err, diff)
	}
}

func TestParseResultRefuses(t *testing.T) {
	f := func(name string, change func(*transcode.Result)) {
		t.Helper()
		r := someResult()
		change(&r)
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transcode.ParseResult(b); err == nil {
			t.Errorf("%s: ParseResult gave no error", name)
		}
	}
	f("rendition", func(r *transcode.Result) { r.Outputs[0].Rendition = "../x" })
	f("object", func(r *transcode.Result) { r.Outputs[0].Object = "" })
	f("init", func(r *transcode.Result) { r.Outputs[0].Init = "/a" })
	f("page", func(r *transcode.Result) { r.Outputs[0].Page.Key = "" })
	f("first segment", func(r *transcode.Result) { r.Outputs[0].Page.First = 0 })
	f("no segments", func(r *transcode.Result) { r.Outputs[0].Page.Count = 0 })
	f("codec", func(r *transcode.Result) { r.Outputs[0].Codec = "" })
	f("still", func(r *transcode.Result) { r.Still.Key = "" })
	for _, text := range []string{"", "{", `{}`, `{"version":99}`} {
		if _, err := transcode.ParseResult([]byte(text)); err == nil {
			t.Errorf("ParseResult(%q) gave no error", text)
		}
	}
}

func FuzzParseResult(f *testing.F) {
	b, err := someResult().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := transcode.ParseResult(b)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transcode.ParseResult(again); err != nil {
			t.Errorf("what was read is refused when written: %v", err)
		}
	})
}
