package consul_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/consul"
)

func TestEscape(t *testing.T) {
	f := func(key, want string) {
		t.Helper()
		if got := consul.Escape(key); got != want {
			t.Errorf("escape(%q) = %q, want %q", key, got, want)
		}
		if got, ok := consul.Unescape(want); got != key || !ok {
			t.Errorf("unescape(%q) = %q, %t, want %q", want, got, ok, key)
		}
	}
	f("keys/tickets/default", "keys/tickets/default")
	f("with space", "with%20space")
	f("%41", "%2541")
	f("a//b", "a%2F%2Fb")
	f("/a/", "%2Fa%2F")
	f("../a/./.b..", "%2E%2E/a/%2E/.b..")
	f("ü\x00", "%C3%BC%00")
	for _, foreign := range []string{"", "with space", "%4", "%41", "%2f", "a//b", "a/", "..", "ü"} {
		if got, ok := consul.Unescape(foreign); ok {
			t.Errorf("unescape(%q) = %q, want none", foreign, got)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{"a/b", "%2F", "a%2F%2Fb", "..", "%", "%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key, ok := consul.Unescape(text); ok && consul.Escape(key) != text {
			t.Errorf("unescape(%q) = %q, whose escape is %q", text, key, consul.Escape(key))
		}
		if key, ok := consul.Unescape(consul.Escape(text)); text != "" && (!ok || key != text) {
			t.Errorf("unescape(escape(%q)) = %q, %t", text, key, ok)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("1", `{"service":"edge",`, `"id":"a"}`)
	f.Add("", "", "")
	f.Add("x", "{", "}")
	f.Fuzz(func(t *testing.T, since, first, second string) {
		consul.Read(map[string]string{"weir-since": since, "weir-0": first, "weir-1": second})
	})
}

func FuzzPieces(f *testing.F) {
	f.Add("plain")
	f.Add(strings.Repeat("ü€😀", 50))
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		all := consul.Pieces(text, 16)
		if strings.Join(all, "") != text {
			t.Errorf("pieces(%q) = %q", text, all)
		}
		for _, p := range all {
			if len(p) > 16 || !utf8.ValidString(p) {
				t.Errorf("pieces(%q) holds %q", text, p)
			}
		}
	})
}

func TestParse(t *testing.T) {
	f := func(url, wantAddress, wantPrefix string) {
		t.Helper()
		if a, p, err := consul.Parse(url); a != wantAddress || p != wantPrefix || err != nil {
			t.Errorf("parse(%q) = %q, %q, %v, want %q, %q", url, a, p, err, wantAddress, wantPrefix)
		}
	}
	f("consul://127.0.0.1:8501", "127.0.0.1:8501", "weir/")
	f("consul://consul.internal/", "consul.internal:8500", "weir/")
	f("consul://[::1]?prefix=", "[::1]:8500", "")
	f("consul://c?prefix=a/b&token=t&datacenter=dc1&tls=true&grace=1s", "c:8500", "a/b/")

	g := func(url, sentence string) {
		t.Helper()
		_, _, err := consul.Parse(url)
		if weir.KindOf(err) != weir.Invalid || !strings.Contains(weir.Detail(err), sentence) || strings.Contains(weir.Detail(err), "secret") {
			t.Errorf("parse(%q) = %v, want Invalid with %q", url, err, sentence)
		}
	}
	for _, url := range []string{"", "consul:", "consul://", "http://c:1", "consul://secret@c", "consul://c/path", "consul://c:port", "consul://c#f"} {
		g(url, "consul://HOST:PORT")
	}
	g("consul://c?tokn=secret", "possible are token, datacenter, prefix, tls and grace")
	g("consul://c?token=secret&token=secret", "given 2 times")
	g("consul://c?tls=secret", "tls is true or false")
	g("consul://c?grace=secret", "grace is a duration")
	g("consul://c?grace=-1s", "grace is a duration")
	g("consul://c?prefix=sec%20ret", "prefix is folders")
	g("consul://c?prefix=/a", "prefix is folders")
	g("consul://c?prefix="+strings.Repeat("a", 200), "prefix is folders")
	g("consul://c?token=secret;x", "cannot be read")
}
