package edge_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/edge"
)

func TestParseRange(t *testing.T) {
	f := func(field string, size int64, wantResult string, want ...[2]int64) {
		t.Helper()
		got, result := edge.ParseRange(field, size)
		if diff := cmp.Diff(want, got); diff != "" || result != wantResult {
			t.Errorf("ParseRange(%q, %d) = %v, %s, want %v, %s", field, size, got, result, want, wantResult)
		}
	}
	f("bytes=0-0", 100, "ok", [2]int64{0, 1})
	f("bytes=0-", 100, "ok", [2]int64{0, 100})
	f("BYTES=10-19", 100, "ok", [2]int64{10, 10})
	f("bytes=90-200", 100, "ok", [2]int64{90, 10})
	f("bytes=-10", 100, "ok", [2]int64{90, 10})
	f("bytes=-1000", 100, "ok", [2]int64{0, 100})
	f("bytes=99-99999999999999999999999", 100, "ok", [2]int64{99, 1})
	f("bytes=50-59, 0-9 ,,\t-1", 100, "ok", [2]int64{50, 10}, [2]int64{0, 10}, [2]int64{99, 1})
	f("bytes=100-,5-6", 100, "ok", [2]int64{5, 2})

	f("bytes=100-", 100, "none")
	f("bytes=100-200,300-", 100, "none")
	f("bytes=-0", 100, "none")
	f("bytes=0-", 0, "none")
	f("bytes=99999999999999999999-", 100, "none")

	f("", 100, "ignored")
	f("bytes=", 100, "ignored")
	f("bytes=,", 100, "ignored")
	f("bytes", 100, "ignored")
	f("items=0-1", 100, "ignored")
	f("bytes=a-b", 100, "ignored")
	f("bytes=5", 100, "ignored")
	f("bytes=-", 100, "ignored")
	f("bytes=9-5", 100, "ignored")
	f("bytes=0-1,x", 100, "ignored")
	f("bytes=1--2", 100, "ignored")
	f("bytes=0-59,0-59", 100, "ignored")                       // more than there is
	f("bytes="+strings.Repeat("1-1,", 17), 100, "ignored")     // too many
	f("bytes="+strings.Repeat("200-300,", 17), 100, "ignored") // too many, none of which exists
}

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=1-2,3-4", "bytes=99999999999999999999-", "x=1-2", "bytes=,,"} {
		f.Add(seed, int64(100))
	}
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size < 0 {
			return
		}
		spans, result := edge.ParseRange(field, size)
		if (result == "ok") != (len(spans) > 0) || len(spans) > 16 {
			t.Fatalf("ParseRange(%q, %d) = %v, %s", field, size, spans, result)
		}
		var total int64
		for _, s := range spans {
			if s[0] < 0 || s[1] < 1 || s[0] > size-s[1] {
				t.Fatalf("ParseRange(%q, %d) gives %v, which is outside", field, size, s)
			}
			total += s[1]
		}
		if total > size {
			t.Fatalf("ParseRange(%q, %d) gives %d bytes", field, size, total)
		}
	})
}

func TestConditions(t *testing.T) {
	f := func(field string, weak, want bool) {
		t.Helper()
		if got := edge.Matches(field, `"abc"`, weak); got != want {
			t.Errorf("Matches(%q, weak %v) = %v, want %v", field, weak, got, want)
		}
	}
	f(`"abc"`, false, true)
	f(`"abc"`, true, true)
	f(`W/"abc"`, true, true)
	f(`W/"abc"`, false, false)
	f(`"x", "abc"`, false, true)
	f(`"x","y" , W/"abc"`, true, true)
	f(` * `, false, true)
	f(`"x"`, true, false)
	f(`abc`, true, false)
	f(`"abc`, true, false)
	f(``, true, false)
	f(`"x" * "abc"`, true, false)

	g := func(field string, want bool) {
		t.Helper()
		if got := edge.AcceptsGzip(field); got != want {
			t.Errorf("AcceptsGzip(%q) = %v, want %v", field, got, want)
		}
	}
	g("gzip", true)
	g("br, GZIP;q=0.5", true)
	g("gzip; q=1", true)
	g("gzip;q=0", false)
	g("gzip; Q=0.000", false)
	g("br, identity", false)
	g("", false)
}
