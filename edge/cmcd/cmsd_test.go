package cmcd_test

import (
	"testing"

	"github.com/dunglas/httpsfv"

	"github.com/weirstream/weir/edge/cmcd"
)

// Expected values of names and numbers are those that @svta/cml-cmsd writes, in this order.
func TestStatic(t *testing.T) {
	f := func(s cmcd.Static, want string) {
		t.Helper()
		got := string(s.Append(nil))
		if got != want {
			t.Errorf("Append of %+v = %s, want %s", s, got, want)
		}
		dict, err := httpsfv.UnmarshalDictionary([]string{got})
		if err != nil {
			t.Errorf("%s is no dictionary: %v", got, err)
			return
		}
		if again, err := httpsfv.Marshal(dict); err != nil || again != replaceCommas(want) {
			t.Errorf("%s is written again as %s: %v", got, again, err)
		}
	}
	f(cmcd.Static{}, "")
	f(cmcd.Static{ObjectType: "v", Format: "h", StreamType: "v", Duration: 5000, Bitrate: 2000, Name: "OriginProviderA"},
		`br=2000,d=5000,n="OriginProviderA",ot=v,sf=h,st=v`)
	f(cmcd.Static{Available: 1764053356000, Held: 30, Startup: true, ObjectType: "x", Name: "a\"b\\c\x01é"},
		`at=1764053356000,ht=30,n="a\"b\\c???",su`)
	f(cmcd.Static{Bitrate: -1, Duration: 1 << 60}, "")
	if got := string(cmcd.Static{Bitrate: 1}.Append([]byte("X: "))); got != "X: br=1" {
		t.Errorf("Append behind other bytes = %q", got)
	}
}

func TestDynamic(t *testing.T) {
	f := func(d cmcd.Dynamic, want string) {
		t.Helper()
		got := string(d.Append(nil))
		if got != want {
			t.Errorf("Append of %+v = %s, want %s", d, got, want)
		}
		list, err := httpsfv.UnmarshalList([]string{`"origin";etp=96;rtt=8`, got})
		if err != nil || len(list) != 2 {
			t.Errorf("%s is no list: %v", got, err)
			return
		}
		item := list[1].(httpsfv.Item)
		if item.Value != d.Name {
			t.Errorf("%s names %v, want %s", got, item.Value, d.Name)
		}
	}
	f(cmcd.Dynamic{Name: "CDNB-3ak1", Throughput: 96, RTT: 8}, `"CDNB-3ak1";etp=96;rtt=8`)
	f(cmcd.Dynamic{Name: `x"y`, Throughput: 76, Duress: true, MaxBitrate: 5000, Delay: 100}, `"x\"y";du;etp=76;mb=5000;rd=100`)
	if got := (cmcd.Dynamic{RTT: 1}).Append(nil); len(got) != 0 {
		t.Errorf("without a name %q is written", got)
	}
}

// replaceCommas puts the space behind each comma that httpsfv writes; no text of these tests has one.
func replaceCommas(s string) string {
	var b []byte
	for i := range len(s) {
		b = append(b, s[i])
		if s[i] == ',' {
			b = append(b, ' ')
		}
	}
	return string(b)
}
