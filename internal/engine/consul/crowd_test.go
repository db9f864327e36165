package consul_test

import (
	"testing"
	"time"

	"github.com/weirstream/weir/internal/engine/consul"
)

func TestCrowd(t *testing.T) {
	const outage = true
	type step struct {
		at    int // seconds
		fresh string
		doubt bool
		want  string // "-" is no news
		again int    // seconds
	}
	f := func(name string, steps ...step) {
		t.Helper()
		c := consul.NewCrowd(15 * time.Second)
		for n, s := range steps {
			got, again := c.Take(s.fresh, s.doubt, time.Unix(int64(s.at), 0))
			if got != s.want || again != time.Duration(s.again)*time.Second {
				t.Errorf("%s, step %d: take(%q, %t, %d s) = %q, %s, want %q, %d s", name, n, s.fresh, s.doubt, s.at, got, again, s.want, s.again)
			}
		}
	}
	f("healthy", step{0, "", false, "", 0}, step{1, "a", false, "a", 0}, step{2, "a", false, "-", 0}, step{3, "ab", false, "ab", 0},
		step{4, "b", false, "b", 0}, step{5, "", false, "", 0})
	f("blip", step{0, "ab", false, "ab", 0}, step{1, "ab", outage, "-", 0}, step{2, "b", false, "b", 0})
	f("empty after it was away", step{0, "ab", false, "ab", 0}, step{10, "", outage, "-", 15}, step{12, "b", false, "-", 13},
		step{13, "ab", false, "-", 0}, step{14, "", false, "", 0})
	f("one never comes back", step{0, "ab", false, "ab", 0}, step{10, "b", outage, "-", 15}, step{24, "b", false, "-", 1}, step{25, "b", false, "b", 0})
	f("one new", step{0, "a", false, "a", 0}, step{10, "c", outage, "ac", 15}, step{25, "c", false, "c", 0})
	f("who came back may go at once", step{0, "ab", false, "ab", 0}, step{10, "", outage, "-", 15}, step{11, "a", false, "-", 14},
		step{12, "", false, "b", 13}, step{25, "", false, "", 0})
	f("away again", step{0, "a", false, "a", 0}, step{10, "", outage, "-", 15}, step{20, "", outage, "-", 15}, step{35, "", false, "", 0})
	f("away at first", step{0, "", outage, "", 0}, step{1, "a", false, "a", 0})
}

func TestNextIndex(t *testing.T) {
	f := func(asked, answered, want uint64) {
		t.Helper()
		if got := consul.Next(asked, answered); got != want {
			t.Errorf("next(%d, %d) = %d, want %d", asked, answered, got, want)
		}
	}
	f(0, 7, 7)
	f(7, 7, 7)
	f(7, 8, 8)
	f(8, 7, 0) // Consul began anew
	f(0, 0, 1) // 0 would not block
	f(5, 0, 0)
}
