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
