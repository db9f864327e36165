package edge_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// TestAnswers is the table of requests against a complete asset.
func TestAnswers(t *testing.T) {
	s := start(t, 5000)
	s.list(weir.Complete, 6)
	f := func(method, target string, headers []string, wantStatus int, wantHeaders ...string) answer {
		t.Helper()
		a := s.do(method, target, headers...)
		if a.status != wantStatus {
			t.Errorf("%s %.60s %v = %d %.200s, want %d", method, target, headers, a.status, a.body, wantStatus)
		}
		for _, want := range wantHeaders {
			name, value, _ := strings.Cut(want, ": ")
			if got := a.header.Get(name); got != value {
				t.Errorf("%s %.60s %v: %s: %q, want %q", method, target, headers, name, got, value)
			}
		}
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s %.60s: Access-Control-Allow-Origin: %q", method, target, got)
		}
		return a
	}
	const forever = "Cache-Control: public, max-age=31536000, immutable"
	seg := s.bytes[videoID][1]
	seg2 := s.url(videoID + "/2.m4s")

	// What there is.
	f("GET", "/livez", nil, 200, "Content-Type: text/plain; charset=utf-8", "Cache-Control: no-store")
	f("GET", s.url("hls/main.m3u8"), nil, 200, "Content-Type: application/vnd.apple.mpegurl", forever, "Vary: Accept-Encoding")
	f("GET", s.url("hls/"+videoID+".m3u8"), nil, 200, "Content-Type: application/vnd.apple.mpegurl", forever)
	f("GET", s.url("dash/main.mpd"), nil, 200, "Content-Type: application/dash+xml", forever)
	f("GET", s.url(videoID+"/init.mp4"), nil, 200, "Content-Type: video/mp4", forever)
	f("GET", s.url(audioID+"/init.mp4"), nil, 200, "Content-Type: audio/mp4", forever)
	f("GET", s.url("poster.jpg"), nil, 200, "Content-Type: image/jpeg", forever)
	f("GET", s.url(audioID+"/1.m4s"), nil, 200, "Content-Type: audio/mp4", forever)
	first := f("GET", seg2, nil, 200, "Content-Type: video/mp4", forever, "Accept-Ranges: bytes", "Content-Length: 5002",
		"Cache-Status: weir; fwd=uri-miss; stored")
	if !bytes.Equal(first.body, seg) {
		t.Errorf("segment 2 has %d bytes, want the %d stored", len(first.body), len(seg))
	}
	f("GET", seg2, nil, 200, "Cache-Status: weir; hit", `Server-Timing: cache;desc="hit"`)
	f("HEAD", seg2, nil, 200, "Content-Length: 5002", "ETag: "+first.header.Get("ETag"), "Content-Type: video/mp4")
	f("HEAD", s.url(videoID+"/4.m4s"), []string{"Range: bytes=0-9"}, 200, "Content-Length: 5004")

	// Conditions and ranges.
	tag := first.header.Get("ETag")
	if want := `"` + strings.Split(strings.Split(s.head.Tracks[0].Pages[1].Key, "-")[1], ".")[0] + `-2-clear"`; tag != want {
		t.Errorf("ETag of segment 2 = %s, want %s", tag, want)
	}
	f("GET", seg2, []string{"If-None-Match: W/" + tag}, 304, "ETag: "+tag, forever)
	f("GET", seg2, []string{`If-None-Match: "x"`}, 200)
	f("GET", seg2, []string{`If-None-Match: "x"`, "If-None-Match: " + tag}, 304)
	f("GET", seg2, []string{"If-None-Match: *", "Range: bytes=0-1"}, 304)
	f("GET", s.url("hls/main.m3u8"), []string{"If-None-Match: *", "Accept-Encoding: gzip"}, 304, "Content-Encoding: ", "Vary: Accept-Encoding")
	f("GET", seg2, []string{`If-Match: "x"`}, 412)
	f("GET", seg2, []string{`If-Match: "x"`, "If-Match: " + tag}, 200)
	f("GET", seg2, []string{"If-Match: W/" + tag}, 412)
	f("GET", seg2, []string{"If-Match: " + tag}, 200)
	f("GET", seg2, []string{"Range: bytes=10-19"}, 206, "Content-Range: bytes 10-19/5002", "Content-Length: 10")
	f("GET", seg2, []string{"Range: bytes=-2"}, 206, "Content-Range: bytes 5000-5001/5002")
	f("GET", seg2, []string{"Range: bytes=5002-"}, 416, "Content-Range: bytes */5002", "Content-Type: application/problem+json")
	f("GET", seg2, []string{"Range: bytes=10-19", "If-Range: " + tag}, 206)
	f("GET", seg2, []string{"Range: bytes=10-19", `If-Range: "x"`}, 200, "Content-Length: 5002")
	f("GET", seg2, []string{"Range: bytes=10-19", "If-Range: Thu, 01 Jan 2026 00:00:00 GMT"}, 200)
	f("GET", seg2, []string{"Range: lines=1-2"}, 200)

	// Methods.
	f("OPTIONS", seg2, []string{"Origin: https://x", "Access-Control-Request-Method: GET"}, 204, "Access-Control-Allow-Methods: GET, HEAD, OPTIONS",
		"Access-Control-Max-Age: 86400")
	f("OPTIONS", "*", nil, 204, "Allow: GET, HEAD, OPTIONS")
	f("DELETE", seg2, nil, 405, "Allow: GET, HEAD, OPTIONS", "Content-Type: application/problem+json")
	f("POST", seg2, []string{"Transfer-Encoding: chunked", "", "3", "abc", "0"}, 405)
	f("PUT", seg2, []string{"Content-Length: 100000", "", strings.Repeat("x", 20000)}, 405) // not read to its end
}

// TestProblems: every refusal is a problem document with a stable type and a sentence.
func TestProblems(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	path := assetID + "/1/clear/" + videoID + "/1.m4s"
	expired := s.mint(assetID+"/", -time.Minute)
	other := s.mint("01other/", time.Hour)
	rev2 := s.mint(assetID+"/2/", time.Hour)
	forged := []byte(s.ticket)
	forged[len(forged)-5] ^= 1
	f := func(method, target string, wantStatus int, wantType, wantDetail, wantCache string) {
		t.Helper()
		a := s.do(method, target)
		var p struct {
			Type, Title, Detail string
			Status              int
		}
		err := json.Unmarshal(a.body, &p)
		if err != nil || a.status != wantStatus || p.Status != wantStatus || p.Type != "https://weir.stream/problems/"+wantType ||
			p.Title == "" || !strings.Contains(p.Detail, wantDetail) || a.header.Get("Content-Type") != "application/problem+json" ||
			a.header.Get("Cache-Control") != wantCache {
			t.Errorf("%s %.80s = %d %s %v, want %d %s with %q and %q", method, target, a.status, a.body, a.header, wantStatus, wantType, wantDetail, wantCache)
		}
	}
	const no, second = "no-store", "public, max-age=1"
	f("GET", "/t/"+s.ticket+"/../x", 400, "invalid", "dot", no)
	f("GET", "/t/"+s.ticket+"/%2e%2e/x", 400, "invalid", "character", no)
	f("GET", "/t/"+s.ticket+"//x", 400, "invalid", "empty segment", no)
	f("GET", "/"+path, 401, "unauthenticated", "ticket is needed", no)
	f("GET", "/t/x/"+path, 401, "unauthenticated", "not a ticket", no)
	f("GET", "/t/"+string(forged)+"/"+path, 401, "unauthenticated", "signature", no)
	f("GET", "/t/"+expired+"/"+path, 403, "forbidden", "expired", no)
	f("GET", "/t/"+other+"/"+path, 403, "forbidden", "something else", no)
	f("GET", "/t/"+rev2+"/"+path, 403, "forbidden", "something else", no)
	f("GET", "/t/"+other+"/01other/1/clear/"+videoID+"/1.m4s", 404, "not-found", "no such revision", second)
	f("GET", "/t/"+s.ticket+"/"+assetID+"/2/clear/"+videoID+"/1.m4s", 404, "not-found", "no such revision", second)
	f("GET", "/t/"+s.ticket+"/"+assetID+"/1/cbcs/"+videoID+"/1.m4s", 404, "not-found", "form", second)
	f("GET", s.url(videoID+"/7.m4s"), 404, "not-found", "not listed", second)
	f("GET", s.url(videoID+"/1099511627776.m4s"), 404, "not-found", "not listed", second)
	f("GET", s.url("unknown/1.m4s"), 404, "not-found", "not listed", second)
	f("GET", s.url("hls/unknown.m3u8"), 404, "not-found", "no rendition", second)
	f("GET", s.url("unknown/init.mp4"), 404, "not-found", "not listed", second)
	f("GET", s.url(videoID+"/init-2.mp4"), 404, "not-found", "not listed", second)
	f("GET", s.url("unknown/track.mp4"), 404, "not-found", "single file", second)
	f("GET", "/metrics", 404, "not-found", "nothing has this address", second)
	f("TRACE", "/"+path, 405, "method-not-allowed", "GET or HEAD", no)
	f("GET", "/"+strings.Repeat("x", 5000), 400, "invalid", "longer", no)
	f("GET", "/"+strings.Repeat("x", 50000), 431, "header-too-large", "too large", no)
}

// TestSlowRequests: what does not arrive in time is told so, whether it stops in the header or in a body nobody wants.
func TestSlowRequests(t *testing.T) {
	s := start(t, 1000, func(e *edge.Server) { e.ReadTimeout = 50 * time.Millisecond })
	for _, raw := range []string{"GET /livez HTTP/1.1\r\nHos", "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"} {
		if a := s.send("GET", raw); a.status != 408 || !strings.Contains(string(a.body), "in time") {
			t.Errorf("%q = %d %s, want 408", raw, a.status, a.body)
		}
	}
}

// TestWhereTicketsAreFound: path, bearer token, query, cookie, in this order.
func TestWhereTicketsAreFound(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	path := "/" + assetID + "/1/clear/" + videoID + "/1.m4s"
	f := func(want int, target string, headers ...string) answer {
		t.Helper()
		a := s.do("GET", target, headers...)
		if a.status != want {
			t.Errorf("GET %.20s %.20v = %d %s, want %d", target, headers, a.status, a.body, want)
		}
		return a
	}
	f(200, "/t/"+s.ticket+path)
	f(200, path, "Authorization: Bearer "+s.ticket)
	f(200, path, "authorization: bearer  "+s.ticket)
	f(200, path+"?CMCD=ot%3Dv&ticket="+s.ticket)
	f(200, path, "Cookie: a=b; weir-ticket="+s.ticket)
	f(401, path, "Authorization: Basic "+s.ticket)
	f(401, "/t/bad"+path, "Authorization: Bearer "+s.ticket)
	f(401, path+"?ticket="+s.ticket, "Authorization: Bearer bad")
	f(401, path+"?ticket=bad", "Cookie: weir-ticket="+s.ticket)

	// A cache on the way tells requests with and without a header field apart by nothing but this.
	shared := func(want string, a answer) {
		t.Helper()
		if got := a.header.Get("Cache-Control"); got != want {
			t.Errorf("Cache-Control: %s, want %s", got, want)
		}
	}
	shared("public, max-age=31536000, immutable", f(200, "/t/"+s.ticket+path))
	shared("public, max-age=31536000, immutable", f(200, path+"?ticket="+s.ticket))
	shared("private, max-age=31536000, immutable", f(200, path, "Authorization: Bearer "+s.ticket))
	shared("private, max-age=31536000, immutable", f(200, path, "Cookie: weir-ticket="+s.ticket))
	shared("private, max-age=1", f(404, "/"+assetID+"/2/clear/poster.jpg", "Cookie: weir-ticket="+s.ticket))
}
