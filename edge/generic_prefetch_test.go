package edge_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/cmcd"
	"github.com/weirstream/weir/edge/overload"
)

func calm(e *edge.Server) { edge.SetLoad(e, func() overload.Load { return overload.Load{} }) }

func TestGenericPrefetch(t *testing.T) {
	ended := make(chan struct{}, 8)
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("CMCD-Request") != "" && r.URL.Path != "/v/1.ts" {
			t.Errorf("%s came with another object's CMCD", r.URL.Path)
		}
		w.Header().Set("Cache-Control", map[bool]string{true: "no-store", false: "max-age=100"}[strings.Contains(r.URL.Path, "private")])
		_, _ = io.WriteString(w, "bytes of "+r.RequestURI)
	}, calm, func(e *edge.Server) {
		e.At = func(point string) {
			if point == "edge.prefetched" {
				ended <- struct{}{}
			}
		}
	})
	nor := func(path string) string { return `CMCD-Request: nor="` + url.QueryEscape(path) + `"` }
	m.do("GET", "/v/1.ts", nor("2.ts?x=1"), "Range: bytes=0-1") // asks for a part
	m.do("HEAD", "/v/1.ts", nor("2.ts?x=1"))
	m.do("GET", "/v/1.ts", nor("/v/2.ts"))
	m.do("GET", "/v/1.ts", nor("http://elsewhere/2.ts"))
	m.do("GET", "/v/1.ts", nor("../../2.ts"))
	m.do("GET", "/v/1.ts", nor("1.ts"))
	m.do("GET", "/v/1.ts", nor("2.ts?x=1"))
	wait(t, ended, 1)
	if code, header, body := m.do("GET", "/v/2.ts?x=1"); code != 200 || !strings.HasPrefix(header.Get(status), hit) || body != "bytes of /v/2.ts?x=1" {
		t.Errorf("what was named: %d %q %q", code, header.Get(status), body)
	}
	m.do("GET", "/v/1.ts", nor("../private/3.ts"))
	wait(t, ended, 1)
	if code, header, _ := m.do("GET", "/private/3.ts"); code != 200 || strings.HasPrefix(header.Get(status), hit) {
		t.Errorf("what must not be stored: %d %q", code, header.Get(status))
	}
	want := []string{"GET /v/1.ts", "GET /v/2.ts?x=1", "GET /private/3.ts", "GET /private/3.ts"}
	if d := cmp.Diff(want, m.asked()); d != "" {
		t.Errorf("the origin was asked (-want +got):\n%s", d)
	}
}

func TestGenericPrefetchByTicket(t *testing.T) {
	mint := func(prefix string, flags weir.TicketFlags) string {
		now := time.Now().Truncate(time.Second)
		text, err := weir.Ticket{Session: "s", Prefix: prefix, Issued: now, Expires: now.Add(time.Hour), Flags: flags}.Sign(testKey)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	ended := make(chan struct{}, 8)
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=100")
		_, _ = io.WriteString(w, "bytes")
	}, calm, func(e *edge.Server) {
		e.Generic.Tickets = true
		e.At = func(string) { ended <- struct{}{} }
	})
	m.do("GET", "/t/"+mint("v/", weir.FlagNoPrefetch)+"/v/1.ts", `CMCD-Request: nor="2.ts"`)
	m.do("GET", "/t/"+mint("v/", 0)+"/v/1.ts", `CMCD-Request: nor="..%2Fw%2F2.ts"`)
	m.do("GET", "/t/"+mint("v/", 0)+"/v/1.ts", `CMCD-Request: nor="3.ts"`)
	wait(t, ended, 1)
	if d := cmp.Diff([]string{"GET /v/1.ts", "GET /v/3.ts"}, m.asked()); d != "" {
		t.Errorf("the origin was asked (-want +got):\n%s", d)
	}
}

func TestNextTarget(t *testing.T) {
	f := func(prefix, nor, want string) {
		t.Helper()
		if got, _ := edge.NextTarget("/a/b/1.ts", prefix, cmcd.Next{Path: []byte(nor)}); got != want {
			t.Errorf("NextTarget(%q, below %q) = %q, want %q", nor, prefix, got, want)
		}
	}
	f("/", "2.ts", "/a/b/2.ts")
	f("/", "2.ts?x=y&z", "/a/b/2.ts?x=y&z")
	f("/", "../c/2.ts", "/a/c/2.ts")
	f("a/b/", "../c/2.ts", "")
	f("a/", "../../x", "")
	for _, bad := range []string{"", "?x", "/x", "//x/y", "http://x", "../../../x", "2.ts?a b", "2.ts?a#b", "2.ts?\xff", "a;b", "%2e%2e/x", "x/..", `a\b`} {
		f("/", bad, "")
	}
}

// FuzzNextTarget: whatever a player names is on the same host, and what the ticket opens.
func FuzzNextTarget(f *testing.F) {
	for _, nor := range []string{"2.ts", "../c/2.ts?x=1", "http://x/", "../../../..", "a//b", "?", "x?y#z"} {
		f.Add("/a/b/1.ts", "a/", []byte(nor))
	}
	f.Fuzz(func(t *testing.T, path, prefix string, nor []byte) {
		target, ok := edge.NextTarget(path, prefix, cmcd.Next{Path: nor})
		if !ok {
			return
		}
		rest, _, _ := strings.Cut(target, "?")
		if !strings.HasPrefix(rest, "/") || !weir.Covers(prefix, rest[1:]) || strings.ContainsAny(target, " #\r\n") {
			t.Fatalf("%q below %q names %q", nor, prefix, target)
		}
	})
}
