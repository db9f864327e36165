package ingest_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
)

func TestParseMetadata(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	f := func(header string, want ingest.Metadata) {
		t.Helper()
		if got, err := ingest.ParseMetadata(header); err != nil || got != want {
			t.Errorf("ParseMetadata(%q) = %+v, %v, want %+v", header, got, err, want)
		}
	}
	f("", ingest.Metadata{Title: "Untitled"})
	f("filename "+b64("a.b.mp4"), ingest.Metadata{Filename: "a.b.mp4", Title: "a.b"})
	f("filename "+b64("../../etc/passwd"), ingest.Metadata{Filename: "passwd", Title: "passwd"})
	f("filename "+b64("/"), ingest.Metadata{Title: "Untitled"})
	f("filename "+b64(".mp4"), ingest.Metadata{Filename: ".mp4", Title: "Untitled"})
	f("title "+b64(" Größe ")+" , sha256 "+b64(strings.ToUpper(sum)), ingest.Metadata{Title: "Größe", SHA256: sum})
	f("filetype "+b64("video/mp4")+",is_confidential", ingest.Metadata{Title: "Untitled"})

	bad := func(header string) {
		t.Helper()
		if got, err := ingest.ParseMetadata(header); weir.KindOf(err) != weir.Invalid {
			t.Errorf("ParseMetadata(%q) = %+v, %v, want invalid", header, got, err)
		}
	}
	bad(",")
	bad("title abc")
	bad("title " + b64("a") + ",title " + b64("b"))
	bad("title " + b64("a\nb"))
	bad("title " + b64("\xff"))
	bad("title " + b64(strings.Repeat("x", 201)))
	bad("sha256 " + b64("abcd"))
	bad("filename " + strings.Repeat("A", 9000))
}

func FuzzParseMetadata(f *testing.F) {
	for _, seed := range []string{"", "filename " + b64("a.mp4"), "title " + b64("x") + ",sha256 " + b64(strings.Repeat("0", 64)), "a,b", "filename  ", "title " + b64("\x00"), "filename " + b64(`\\..\`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		m, err := ingest.ParseMetadata(header)
		if err != nil {
			if weir.KindOf(err) != weir.Invalid {
				t.Errorf("ParseMetadata(%q) = %v, want invalid", header, err)
			}
			return
		}
		if m.Title == "" || len(m.SHA256) != 0 && len(m.SHA256) != 64 || strings.ContainsAny(m.Filename, "/\\\n") || !utf8.ValidString(m.Title+m.Filename) {
			t.Errorf("ParseMetadata(%q) = %+v", header, m)
		}
	})
}
