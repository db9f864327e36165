package token_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/edge/token"
)

// forgetful is a Replay that has seen nothing.
type forgetful struct{}

func (forgetful) Seen(string, time.Time) bool { return false }

// rights is what must not change when a token does. An outer, unsigned part may change without a harm.
type rights struct {
	organisation, session, subject, prefix string
	expires                                time.Time
	client                                 netip.Prefix
}

func rightsOf(g token.Grant) rights {
	return rights{g.Organisation, g.Session, g.Subject, g.Prefix, g.Expires, g.Client}
}

// good are the accepted vectors of a format whose token is in the query.
func good(t testing.TB, pattern string) (all []vector, by []token.Verifiers, want []rights) {
	for _, file := range load(t, pattern) {
		v, err := token.ParseConfig(file.Config, forgetful{})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range file.Vectors {
			if one.Want != "ok" || one.Query == "" {
				continue
			}
			g, err := v.Verify(one.request(), one.now())
			if err != nil {
				t.Fatalf("%s: %v", one.Name, err)
			}
			all, by, want = append(all, one), append(by, v), append(want, rightsOf(g))
		}
	}
	return all, by, want
}

// changed verifies a vector with another query and fails if that opens anything that the vector does not.
func changed(t *testing.T, v vector, by token.Verifiers, want rights, query string) {
	t.Helper()
	v.Query = query
	g, err := by.Verify(v.request(), v.now())
	if err == nil && rightsOf(g) != want {
		t.Fatalf("%s: the query %q was accepted with %+v, not %+v", v.Name, query, rightsOf(g), want)
	}
}

// Bytes of every accepted token are changed in several ways, at full size each: none opens anything else.
func TestChangedByteOpensNothingElse(t *testing.T) {
	for _, pattern := range []string{"cat-*.json", "urisigning-*.json", "cloudfront-*.json", "edgeauth-*.json", "securelink-*.json"} {
		all, by, want := good(t, pattern)
		for i, v := range all {
			step := 1
			if i > 0 && os.Getenv("WEIR_TEST_SCALE") != "1" {
				step = 5
			}
			for at := i % step; at < len(v.Query); at += step {
				for _, to := range []byte{v.Query[at] ^ 1, v.Query[at] ^ 32, 'A', '%', 0} {
					if to == v.Query[at] {
						continue
					}
					b := []byte(v.Query)
					b[at] = to
					changed(t, v, by[i], want[i], string(b))
				}
			}
		}
	}
}

func fuzz(f *testing.F, pattern string) {
	all, by, want := good(f, pattern)
	for i, v := range all {
		f.Add(i, v.Path, v.Query, 0, byte(1))
		f.Add(i, v.Path, v.Query, len(v.Query)/2, byte(4))
	}
	f.Fuzz(func(t *testing.T, i int, path, query string, at int, flip byte) {
		if i < 0 || i >= len(all) {
			return
		}
		v := all[i]
		b := []byte(v.Query)
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		changed(t, v, by[i], want[i], string(b))
		// Whatever the path and query: no panic, and a grant's prefix is above its plain path.
		v.Path, v.Query = path, query
		g, err := by[i].Verify(v.request(), v.now())
		if err == nil && (g.Prefix != "" && !strings.HasPrefix(g.Path, "/"+g.Prefix) || strings.ContainsAny(g.Path, "%;\\ ") || strings.Contains(g.Path, "/.")) {
			t.Fatalf("grant %+v of path %q", g, path)
		}
	})
}

func FuzzCAT(f *testing.F)        { fuzz(f, "cat-*.json") }
func FuzzURISigning(f *testing.F) { fuzz(f, "urisigning-*.json") }
func FuzzCloudFront(f *testing.F) { fuzz(f, "cloudfront-*.json") }
func FuzzEdgeAuth(f *testing.F)   { fuzz(f, "edgeauth-*.json") }
func FuzzSecureLink(f *testing.F) { fuzz(f, "securelink-*.json") }

func FuzzConfig(f *testing.F) {
	for _, file := range load(f, "*.json") {
		f.Add([]byte(file.Config))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := token.ParseConfig(data, nil)
		if err == nil {
			_, _ = v.Verify(vector{Client: "192.0.2.1", Path: "/a/b", Query: "CAT=x&md5=x&expires=1"}.request(), time.Unix(1, 0))
		}
	})
}

func benchmark(b *testing.B, pattern, name string) {
	all, by, _ := good(b, pattern)
	for i, v := range all {
		if v.Name != name {
			continue
		}
		r, now := v.request(), v.now()
		b.ReportAllocs()
		b.SetBytes(int64(len(v.Query)))
		for b.Loop() {
			if _, err := by[i].Verify(r, now); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.Fatalf("no vector %q", name)
}

func BenchmarkVerify(b *testing.B) {
	for _, one := range [][2]string{{"cat-hs256.json", "path prefix"}, {"cat-sign1.json", "path e"}, {"cat-sign1.json", "path d"}, {"cat-sign1.json", "path p"},
		{"urisigning-pyjwt.json", "regex a"}, {"urisigning-pyjwt.json", "regex e"}, {"cloudfront-botocore.json", "custom KTESTRSA"},
		{"cloudfront-botocore.json", "custom KTESTEC"}, {"edgeauth-plain.json", "acl a"}, {"securelink-nginx.json", "good 0 a"}} {
		b.Run(strings.TrimSuffix(one[0], ".json")+"/"+strings.ReplaceAll(one[1], " ", "-"), func(b *testing.B) { benchmark(b, one[0], one[1]) })
	}
}
