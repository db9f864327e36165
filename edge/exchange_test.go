package edge_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/token"
)

var foreignKey = bytes.Repeat([]byte("f"), 32)

// takingEdgeAuth configures Akamai EdgeAuth tokens in the query parameter and the cookie hdnts.
func takingEdgeAuth(t testing.TB) func(*edge.Server) {
	t.Helper()
	verifiers, err := token.ParseConfig(fmt.Appendf(nil, `{"tokens": [{"format": "edgeauth", "parameter": "hdnts", "cookie": "hdnts",
		"keys": [{"kid": "f1", "alg": "SHA256", "organisation": %q, "secret": %q}]}]}`, weir.DefaultOrganisation,
		base64.StdEncoding.EncodeToString(foreignKey)), &token.Once{})
	if err != nil {
		t.Fatal(err)
	}
	return func(s *edge.Server) {
		s.Tokens = &edge.Tokens{Verifier: verifiers, SignWith: func(string) (weir.TicketKey, error) { return testKey, nil }}
	}
}

// edgeAuth signs as Akamai's own library does: fields joined by "~", then their HMAC.
func edgeAuth(expires time.Time, acl string) string {
	text := fmt.Sprintf("exp=%d~acl=%s", expires.Unix(), acl)
	sum := hmac.New(sha256.New, foreignKey)
	_, _ = sum.Write([]byte(text))
	return text + "~hmac=" + hex.EncodeToString(sum.Sum(nil))
}

// A foreign token is exchanged once for a ticket, which then opens what it opened and not more.
func TestForeignTokens(t *testing.T) {
	s := start(t, 1000, takingEdgeAuth(t))
	s.list(weir.Complete, 6)
	path := "/" + assetID + "/1/clear/"
	good := edgeAuth(s.now().Add(time.Hour), "/"+assetID+"/*")
	a := s.do("GET", path+"hls/main.m3u8?a=b&hdnts="+good)
	location := a.header.Get("Location")
	if a.status != 302 || !strings.HasPrefix(location, "/t/") || !strings.HasSuffix(location, path+"hls/main.m3u8?a=b") ||
		a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the exchange: %d %v", a.status, a.header)
	}
	if a := s.do("GET", location); a.status != 200 || !bytes.HasPrefix(a.body, []byte("#EXTM3U")) {
		t.Errorf("GET of the redirect = %d %s", a.status, a.body)
	}
	ticket := strings.Split(location, "/")[2]
	if a := s.do("GET", "/t/"+ticket+path+videoID+"/1.m4s"); a.status != 200 {
		t.Errorf("a segment with the new ticket = %d", a.status)
	}
	a = s.do("GET", path+"hls/main.m3u8", "Cookie: hdnts="+good)
	if a.status != 200 || !strings.Contains(a.header.Get("Set-Cookie"), "weir-ticket=") || strings.HasPrefix(a.header.Get("Cache-Control"), "public") {
		t.Errorf("with the cookie: %d %v", a.status, a.header)
	}
	f := func(want int, text string) {
		t.Helper()
		if a := s.do("GET", path+"hls/main.m3u8?hdnts="+text); a.status != want || a.header.Get("Location") != "" {
			t.Errorf("GET with %q = %d %v, want %d", text, a.status, a.header, want)
		}
	}
	f(403, edgeAuth(s.now().Add(-time.Second), "/"+assetID+"/*"))
	f(403, edgeAuth(s.now().Add(time.Hour), "/other/*"))
	f(401, good[:len(good)-1]+"x")
	f(401, "exp=1~acl=/*")
	if a := s.do("GET", path+"hls/main.m3u8"); a.status != 401 {
		t.Errorf("without anything = %d", a.status)
	}
	if a := s.do("GET", path+"..%2f"); a.status != 400 {
		t.Errorf("a bad path without a token = %d", a.status)
	}
	if strings.Contains(s.log.String(), good) {
		t.Errorf("a token stands in the log")
	}
}

// In its last half minute a token opens what is asked for, and no ticket is made; and an old cookie does not stand in the way.
func TestForeignTokensAtTheirEnd(t *testing.T) {
	s := start(t, 1000, takingEdgeAuth(t))
	s.list(weir.Complete, 6)
	path := "/" + assetID + "/1/clear/hls/main.m3u8"
	late := edgeAuth(s.now().Add(20*time.Second), "/"+assetID+"/*")
	if a := s.do("GET", path+"?hdnts="+late); a.status != 200 || a.header.Get("Location") != "" {
		t.Errorf("with 20 s left: %d %s", a.status, a.body)
	}
	good := edgeAuth(s.now().Add(time.Hour), "/"+assetID+"/*")
	for _, cookie := range []string{"old", s.mint("other/", time.Hour)} {
		if a := s.do("GET", path+"?hdnts="+good, "Cookie: weir-ticket="+cookie); a.status != 302 {
			t.Errorf("beside a cookie that opens nothing here: %d %s", a.status, a.body)
		}
		if a := s.do("GET", path, "Cookie: weir-ticket="+cookie); a.status != 401 && a.status != 403 {
			t.Errorf("with that cookie alone: %d", a.status)
		}
	}
	if a := s.do("GET", path+"?hdnts="+good, "Cookie: weir-ticket="+s.ticket); a.status != 200 {
		t.Errorf("beside a cookie that opens it: %d", a.status)
	}
}

// A verifier is asked about the host that the origin will be asked for, and a token for some methods makes no ticket for all.
func TestForeignTokensOfHostsAndMethods(t *testing.T) {
	var asked token.Request
	grant := token.Grant{Organisation: weir.DefaultOrganisation, Session: "session-1", Prefix: "films/", ByMethod: true}
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.Host+r.URL.RequestURI())
	},
		func(s *edge.Server) {
			s.Generic.Tickets = true
			s.Tokens = &edge.Tokens{Verifier: verifierFunc(func(r token.Request, now time.Time) (token.Grant, error) {
				asked = r
				g := grant
				g.Path, g.Expires = r.Path, now.Add(time.Hour)
				return g, nil
			}), SignWith: func(string) (weir.TicketKey, error) { return testKey, nil }}
		})
	if status, header, got := m.do("GET", "http://media.example:8080/films/a?x=1"); status != 200 || header.Get("Location") != "" ||
		asked.Host != "media.example:8080" || asked.Path != "/films/a" || got != "GET media.example:8080/films/a" {
		t.Errorf("absolute-form: %d %q, the verifier saw %q %q", status, got, asked.Host, asked.Path)
	}
	grant.ByMethod = false
	if status, _, got := m.do("DELETE", "/films/a"); status != 200 || got != "DELETE mirror.test/films/a" {
		t.Errorf("DELETE = %d %q, want it served and not redirected", status, got)
	}
	if status, _, _ := m.do("GET", "/films/a"); status != 302 {
		t.Errorf("GET = %d, want a redirect", status)
	}
}

type verifierFunc func(token.Request, time.Time) (token.Grant, error)

func (f verifierFunc) Verify(r token.Request, now time.Time) (token.Grant, error) { return f(r, now) }

// Tokens in a path are in no log, whether they were good or not.
func TestTokensInPathsAreNotLogged(t *testing.T) {
	configure, lines := logged(t)
	m := reflect(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }, configure, takingEdgeAuth(t),
		func(s *edge.Server) {
			s.Generic.Tickets = true
			s.Keys = func(kid string) (weir.TicketKey, bool) { return testKey, kid == testKey.ID }
		})
	m.do("GET", "/films/7/a.mpd;hdnts="+edgeAuth(time.Now().Add(time.Hour), "/films/7/*"))
	m.do("GET", "/EUb3p7D09-H0_63bcOrW1A/1800000000/asset1/3/x")
	res := m.begin("GET", "/films/7/a.mpd?hdnts="+edgeAuth(time.Now().Add(time.Hour), "/films/7/*"), "")
	m.do("GET", res.Header.Get("Location"))
	_ = res.Body.Close()
	got := lines(m.stop)
	if len(got) != 4 || got[3]["path"] != "films/7/a.mpd" {
		t.Fatalf("%d lines, want 4, the last with its path: %v", len(got), got)
	}
	for _, line := range got {
		if path := fmt.Sprint(line["path"]); strings.Contains(path, "hmac") || strings.Contains(path, "EUb3") {
			t.Errorf("a token stands in the log: %s", path)
		}
	}
}

func TestForeignTokensBeforeAnOrigin(t *testing.T) {
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.RequestURI()) },
		takingEdgeAuth(t), func(s *edge.Server) {
			s.Generic.Tickets = true
			s.Keys = func(kid string) (weir.TicketKey, bool) { return testKey, kid == testKey.ID }
		})
	now := time.Now()
	res := m.begin("GET", "/films/7/a.mpd?q=1&hdnts="+edgeAuth(now.Add(time.Hour), "/films/7/*"), "")
	location := res.Header.Get("Location")
	if res.StatusCode != 302 || !strings.HasPrefix(location, "/t/") || res.Header.Get("Date") == "" {
		t.Fatalf("the exchange: %d %v", res.StatusCode, res.Header)
	}
	if status, _, got := m.do("GET", location); status != 200 || got != "/films/7/a.mpd?q=1" {
		t.Errorf("GET of the redirect = %d %q", status, got)
	}
	cookie := "Cookie: hdnts=" + edgeAuth(now.Add(time.Hour), "/films/7/*")
	for range 2 {
		status, header, got := m.do("GET", "/films/7/b.mpd", cookie)
		if set := header["Set-Cookie"]; status != 200 || got != "/films/7/b.mpd" || len(set) != 1 || !strings.HasPrefix(set[0], "weir-ticket=") {
			t.Errorf("with the cookie: %d %q %v", status, got, header)
		}
	}
	if status, _, _ := m.do("GET", "/films/8/a.mpd?hdnts="+edgeAuth(now.Add(time.Hour), "/films/7/*")); status != 403 {
		t.Errorf("another film = %d", status)
	}
	if status, _, _ := m.do("GET", "/films/7/a.mpd"); status != 401 {
		t.Errorf("nothing = %d", status)
	}
}
