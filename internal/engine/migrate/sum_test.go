package migrate_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/migrate"
)

func TestDigestTellsValuesApart(t *testing.T) {
	lists := [][]any{{}, {""}, {[]byte{}}, {"", ""}, {int64(0)}, {int64(1)}, {int64(-1)}, {"1"}, {[]byte("1")}, {"ab", "c"}, {"a", "bc"}, {"abc"},
		{"a", int64(1)}, {int64(1), "a"}}
	seen := map[[32]byte][]any{}
	for _, values := range lists {
		d, err := migrate.DigestOf(values...)
		if other, twice := seen[d]; err != nil || twice {
			t.Errorf("DigestOf(%#v) = %x, %v, as %#v has", values, d, err, other)
		}
		seen[d] = values
	}
	if _, err := migrate.DigestOf(1.5); weir.KindOf(err) != weir.Internal || err == nil {
		t.Errorf("DigestOf(1.5) = %v", err)
	}
}

func TestSumForgetsOrderOnly(t *testing.T) {
	a, b := [32]byte{7: 0xff, 31: 0xff}, [32]byte{0: 1, 7: 1, 31: 1}
	if got, want := migrate.Sum(a, b), migrate.Sum(b, a); got != want || len(got) != 64 {
		t.Errorf("Sum(a, b) = %s, Sum(b, a) = %s", got, want)
	}
	seen := map[string]bool{}
	for _, digests := range [][][32]byte{{}, {a}, {b}, {a, a}, {b, b}, {a, b}, {a, a, b}} {
		s := migrate.Sum(digests...)
		if seen[s] {
			t.Errorf("Sum(%x) = %s, as of another collection", digests, s)
		}
		seen[s] = true
	}
}

func TestMerge(t *testing.T) {
	f := func(from, to []int, want ...[2]int) {
		t.Helper()
		got, err := migrate.MergeInts(from, to)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("merge of %v and %v: %v (-want +got):\n%s", from, to, err, diff)
		}
	}
	f(nil, nil)
	f([]int{1, 2}, nil, [2]int{1, 0}, [2]int{2, 0})
	f(nil, []int{1, 2}, [2]int{0, 1}, [2]int{0, 2})
	f([]int{1, 3, 4}, []int{2, 3, 5}, [2]int{1, 0}, [2]int{0, 2}, [2]int{3, 3}, [2]int{4, 0}, [2]int{0, 5})
	for _, list := range [][]int{{1, 1}, {2, 1}} {
		if _, err := migrate.MergeInts(list, nil); weir.KindOf(err) != weir.Internal || err == nil {
			t.Errorf("merge of %v = %v, want an error: it does not ascend", list, err)
		}
	}
}

func TestPortable(t *testing.T) {
	for in, want := range map[string]string{
		`{"ID":"a","Storage":{"Path":"/x/a"},"Size":1}`: `{"ID":"a","Size":1}`,
		`{"ID":"a", "Size":1}`:                          `{"ID":"a", "Size":1}`,
		`{"ID":`:                                        `{"ID":`,
		``:                                              ``,
	} {
		if got := string(migrate.Portable([]byte(in))); got != want {
			t.Errorf("portable(%s) = %s, want %s", in, got, want)
		}
	}
}

// FuzzParseState: whatever the progress file holds is an error or progress that is written as it was read.
func FuzzParseState(f *testing.F) {
	for _, seed := range []string{`{}`, `{"version":1}`, `{"version":1,"from":"a","to":"b","done":["objects"],"after":{"objects":"k"},"facts":{"0":7},"complete":true}`,
		`{"version":2}`, `{"version":1,"x":1}`, `{"version":1,"facts":{"a":1}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := migrate.ParseState(text)
		if err != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := migrate.ParseState(out); err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("parseState(%s) = %+v, and of what that is written as %+v, %v", text, s, again, err)
		}
	})
}
