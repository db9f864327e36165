package token_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/token"
)

// vectors is a file that testdata/make wrote with signers of others.
type vectors struct {
	Signer  string          `json:"signer"`
	Config  json.RawMessage `json:"config"`
	Vectors []vector        `json:"vectors"`
}

type vector struct {
	Name, Want                        string
	Now                               int64
	Method, Scheme, Host, Path, Query string
	Client, Country, ALPN             string
	Headers, Cookies                  map[string]string
	Prefix, Session, Subject          *string
	Renewed                           bool
}

func (v vector) request() token.Request {
	return token.Request{Method: v.Method, Scheme: v.Scheme, Host: v.Host, Path: v.Path, RawQuery: v.Query,
		Client: netip.MustParseAddr(v.Client), Country: v.Country, ALPN: v.ALPN,
		Cookie: func(name string) string { return v.Cookies[name] },
		Header: func(name string) []string {
			for n, value := range v.Headers {
				if strings.EqualFold(n, name) {
					return []string{value}
				}
			}
			return nil
		}}
}

func (v vector) now() time.Time { return time.Unix(v.Now, 0) }

// memory is a Replay in a map.
type memory struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func (m *memory) Seen(id string, until time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, was := m.seen[id]
	m.seen[id] = until
	return was
}

func load(t testing.TB, pattern string) map[string]vectors {
	t.Helper()
	files, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in testdata/%s: %v", pattern, err)
	}
	all := map[string]vectors{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var v vectors
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all[filepath.Base(f)] = v
	}
	return all
}

func verifiers(t testing.TB, v vectors) token.Verifiers {
	t.Helper()
	all, err := token.ParseConfig(v.Config, &memory{seen: map[string]time.Time{}})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every vector of every signer gets the answer that its maker wrote beside it, and each format has enough of both kinds.
func TestVectors(t *testing.T) {
	accepted, refused := map[string]int{}, map[string]int{}
	for name, file := range load(t, "*.json") {
		all := verifiers(t, file)
		format, _, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
		for _, v := range file.Vectors {
			g, err := all.Verify(v.request(), v.now())
			if got := outcome(err); got != v.Want {
				t.Errorf("%s: %s: got %s (%v), want %s", name, v.Name, got, err, v.Want)
				continue
			}
			if err != nil {
				refused[format]++
				noEcho(t, v, err)
				if g != (token.Grant{}) {
					t.Errorf("%s: %s: part of a grant with an error: %+v", name, v.Name, g)
				}
				continue
			}
			accepted[format]++
			checkGrant(t, name, v, g)
		}
	}
	for _, f := range []string{"cat", "urisigning", "cloudfront", "edgeauth", "securelink"} {
		t.Logf("%s: %d accepted, %d refused", f, accepted[f], refused[f])
		if accepted[f] < 10 || refused[f] < 20 {
			t.Errorf("%s: %d accepted, %d refused: want 10 and 20 at least", f, accepted[f], refused[f])
		}
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, token.ErrNone):
		return "none"
	}
	return weir.KindOf(err).String()
}

// noEcho: an error must not hold the token.
func noEcho(t *testing.T, v vector, err error) {
	t.Helper()
	for _, s := range []string{v.Query, v.Cookies["CAT"]} {
		if len(s) > 40 && strings.Contains(err.Error(), s[len(s)-20:]) {
			t.Errorf("%s: the error holds the token: %v", v.Name, err)
		}
	}
}

func checkGrant(t *testing.T, name string, v vector, g token.Grant) {
	t.Helper()
	if v.Prefix != nil && g.Prefix != *v.Prefix {
		t.Errorf("%s: %s: prefix %q, want %q", name, v.Name, g.Prefix, *v.Prefix)
	}
	if v.Session != nil && g.Session != *v.Session {
		t.Errorf("%s: %s: session %q, want %q", name, v.Name, g.Session, *v.Session)
	}
	if v.Subject != nil && g.Subject != *v.Subject {
		t.Errorf("%s: %s: subject %q, want %q", name, v.Name, g.Subject, *v.Subject)
	}
	if v.Renewed != (g.Renewal != nil) {
		t.Errorf("%s: %s: renewal %v, want %v", name, v.Name, g.Renewal, v.Renewed)
	}
	if !weir.ValidID(g.Session) || g.Organisation != "acme" || !g.Expires.After(v.now()) {
		t.Errorf("%s: %s: grant %+v", name, v.Name, g)
	}
	if g.Prefix != "" && !strings.HasPrefix(g.Path, "/"+g.Prefix) {
		t.Errorf("%s: %s: prefix %q of path %q", name, v.Name, g.Prefix, g.Path)
	}
}
