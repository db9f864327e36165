package peer_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/edge/peer"
)

func example() peer.Request {
	return peer.Request{Live: true, Expires: time.Unix(1_800_000_015, 0),
		Part: origin.Part{Key: "media/default/01jz/video/3-0011223344556677.cmf", Off: 123, Length: 4567, Sum: 0xfedcba98}}
}

func TestRequestRoundTrip(t *testing.T) {
	still := peer.Request{Expires: time.Unix(1_800_000_015, 0), Part: origin.Part{Key: "media/default/01jz/stills/0011.jpg", Length: 100, Still: true}}
	for _, q := range []peer.Request{example(), still} {
		q.Sign(secret, "edge-a")
		got, err := peer.Parse([]byte(q.Path()))
		if diff := cmp.Diff(q, got); err != nil || diff != "" {
			t.Errorf("Parse(%s): %v (-want +got):\n%s", q.Path(), err, diff)
		}
		if err := got.Check(secret, "GET", "edge-a", q.Expires.Add(-15*time.Second)); err != nil {
			t.Errorf("Check = %v", err)
		}
	}
}

func TestForgedRequests(t *testing.T) {
	now := example().Expires.Add(-15 * time.Second)
	f := func(name string, change func(q *peer.Request), secret []byte, method, self string, now time.Time) {
		t.Helper()
		q := example()
		q.Sign(bytes.Repeat([]byte("s"), peer.SecretBytes), "edge-a")
		change(&q)
		if err := q.Check(secret, method, self, now); weir.KindOf(err) != weir.Forbidden {
			t.Errorf("%s: Check = %v, want Forbidden", name, err)
		}
	}
	same := func(*peer.Request) {}
	f("another secret", same, bytes.Repeat([]byte("x"), peer.SecretBytes), "GET", "edge-a", now)
	f("no secret", same, nil, "GET", "edge-a", now)
	f("another edge", same, secret, "GET", "edge-b", now)
	f("another method", same, secret, "HEAD", "edge-a", now)
	f("expired", same, secret, "GET", "edge-a", now.Add(15*time.Second))
	f("of the future", same, secret, "GET", "edge-a", now.Add(-16*time.Second))
	f("key", func(q *peer.Request) { q.Part.Key += "f" }, secret, "GET", "edge-a", now)
	f("off", func(q *peer.Request) { q.Part.Off++ }, secret, "GET", "edge-a", now)
	f("length", func(q *peer.Request) { q.Part.Length++ }, secret, "GET", "edge-a", now)
	f("sum", func(q *peer.Request) { q.Part.Sum++ }, secret, "GET", "edge-a", now)
	f("still", func(q *peer.Request) { q.Part.Still = true }, secret, "GET", "edge-a", now)
	f("live", func(q *peer.Request) { q.Live = false }, secret, "GET", "edge-a", now)
	f("expiry", func(q *peer.Request) { q.Expires = q.Expires.Add(time.Second) }, secret, "GET", "edge-a", now)
	f("no MAC", func(q *peer.Request) { q.MAC = "" }, secret, "GET", "edge-a", now)
	short := example()
	short.Sign(secret[:5], "edge-a")
	if err := short.Check(secret[:5], "GET", "edge-a", now); err == nil {
		t.Errorf("a short secret signs")
	}
}

func TestProofIsOfOneAnswer(t *testing.T) {
	q := example()
	q.Sign(secret, "edge-a")
	other := example()
	other.Part.Off++
	other.Sign(secret, "edge-a")
	seen := map[string]bool{}
	for _, proof := range []string{q.Proof(secret, 1, nil), q.Proof(secret, 2, nil), q.Proof(secret, 1, []byte("channel")), other.Proof(secret, 1, nil),
		q.Proof(bytes.Repeat([]byte("x"), peer.SecretBytes), 1, nil), q.MAC} {
		if seen[proof] {
			t.Errorf("two answers have the same proof")
		}
		seen[proof] = true
	}
}

func TestParseBounds(t *testing.T) {
	q := example()
	q.Sign(secret, "edge-a")
	good := q.Path()
	f := func(path string) {
		t.Helper()
		if got, err := peer.Parse([]byte(path)); weir.KindOf(err) != weir.Forbidden {
			t.Errorf("Parse(%q) = %+v, %v, want Forbidden", path, got, err)
		}
	}
	f("")
	f(peer.PathPrefix)
	f(strings.Repeat("/", 50))
	f(good + "/")
	f(good + "?a=b")
	f(strings.Replace(good, "/peer/1/", "/peer/2/", 1))
	f(strings.Replace(good, "/123/", "/0123/", 1))
	f(strings.Replace(good, "/123/", "/-123/", 1))
	f(strings.Replace(good, "/123/", "/9999999999999999/", 1))
	f(strings.Replace(good, "/4567/", "/0/", 1))
	f(strings.Replace(good, "/4567/", "/67108865/", 1))
	f(strings.Replace(good, "/4567/", "//", 1))
	f(strings.Replace(good, "/2/", "/4/", 1))
	f(strings.Replace(good, "/2/", "/1/", 1)) // a still does not begin in the middle
	f(strings.Replace(good, "/4275878552/", "/4294967296/", 1))
	f(strings.Replace(good, "media/", "masters/", 1))
	f(strings.Replace(good, "/01jz/", "/../", 1))
	f(strings.Replace(good, "/default/01jz/video", "", 1))
	f(good + strings.Repeat("x", 512))
}

func FuzzParse(f *testing.F) {
	q := example()
	q.Sign(secret, "edge-a")
	f.Add([]byte(q.Path()))
	q.Part = origin.Part{Key: "media/default/01jz/stills/0011.jpg", Length: 100, Still: true}
	q.Sign(secret, "edge-a")
	f.Add([]byte(q.Path()))
	f.Add([]byte("/peer/1/1/2/3/4/5/" + strings.Repeat("a", 43) + "/media/a/b/c"))
	f.Add([]byte("/peer/1//////"))
	f.Fuzz(func(t *testing.T, path []byte) {
		q, err := peer.Parse(path)
		if err != nil {
			if weir.KindOf(err) != weir.Forbidden {
				t.Errorf("Parse(%q) = %v", path, err)
			}
			return
		}
		if got := q.Path(); got != string(path) {
			t.Errorf("Parse(%q).Path() = %q", path, got)
		}
		if !weir.ValidKey(q.Part.Key) || !strings.HasPrefix(q.Part.Key, "media/") || q.Part.Length < 1 || q.Part.Length > weir.MaxSegmentBytes || q.Part.Off < 0 {
			t.Errorf("Parse(%q) = %+v", path, q)
		}
		if q.Check(secret, "GET", "edge-x", q.Expires.Add(-time.Second)) == nil {
			t.Errorf("%q was signed by nobody", path)
		}
	})
}
