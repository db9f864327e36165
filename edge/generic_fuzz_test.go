package edge_test

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/edge"
)

// FuzzUnambiguous: what passes for unambiguous is the same path for one who decodes and cleans it once or twice.
func FuzzUnambiguous(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a/../b", "/a/%2e%2E/b", "/a//b", "/a/%20/b", "/%C3%A4", "/%c0%ae", "/a/..", "/a\\..", "/%25", "/..a/b..", "/...", "/a;/.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.HasPrefix(s, "/") || !edge.Unambiguous(s) {
			return
		}
		once, err := url.PathUnescape(s)
		if err != nil {
			t.Fatalf("%q does not decode", s)
		}
		if twice, err := url.PathUnescape(once); err == nil && twice != once {
			t.Fatalf("%q decodes to %q, and that to %q", s, once, twice)
		}
		if clean := path.Clean(once); clean != once && clean+"/" != once || slices.Contains(strings.Split(once, "/"), "..") {
			t.Fatalf("%q is %q, which cleans to %q", s, once, clean)
		}
		if strings.Count(s, "/") != strings.Count(once, "/") || strings.Contains(once, `\`) {
			t.Fatalf("%q has other segments than %q", s, once)
		}
	})
}

// FuzzGenericFields: what is cut out of a query or a cookie is gone, and all else is left in its order.
func FuzzGenericFields(f *testing.F) {
	for _, s := range []string{"", "ticket=x", "a=1&ticket=x&b", "ticket&ticket=", "a;ticket=1; b=2", "=&;= ticket=", "xticket=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want []string
		for pair := range strings.SplitSeq(s, "&") {
			if name, _, _ := strings.Cut(pair, "="); name != "ticket" || !strings.Contains(s, "ticket=") {
				want = append(want, pair)
			}
		}
		if got := edge.WithoutValue(s, "ticket"); got != strings.Join(want, "&") {
			t.Fatalf("WithoutValue(%q) = %q, want %q", s, got, strings.Join(want, "&"))
		}
		for pair := range strings.SplitSeq(edge.WithoutCookie(s, "ticket"), ";") {
			if name, _, _ := strings.Cut(strings.TrimSpace(pair), "="); name == "ticket" {
				t.Fatalf("WithoutCookie(%q) = %q", s, edge.WithoutCookie(s, "ticket"))
			}
		}
	})
}
