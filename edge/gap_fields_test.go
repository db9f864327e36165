package edge_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

// A manifest has the coding that RFC 9110 section 12.5.3 allows. Who forbids the bytes as they are and takes no gzip gets them
// as they are nevertheless: the section asks for no 406 then, which would be no use to a player, and says so by Vary.
func TestCodingOfManifests(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	for _, path := range []string{"hls/main.m3u8", "hls/" + videoID + ".m3u8", "dash/main.mpd"} {
		plain := s.wantStatus(200, path).body
		f := func(field, want string) {
			t.Helper()
			a := s.wantStatus(200, path, "Accept-Encoding: "+field)
			if got := a.header.Get("Content-Encoding"); got != want || a.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("GET %s with %q has coding %q, want %q; %v", path, field, got, want, a.header)
				return
			}
			head := s.do("HEAD", s.url(path), "Accept-Encoding: "+field)
			for _, name := range []string{"Content-Encoding", "Content-Length", "ETag", "Vary"} {
				if head.header.Get(name) != a.header.Get(name) {
					t.Errorf("HEAD %s with %q has %s %q, GET %q", path, field, name, head.header.Get(name), a.header.Get(name))
				}
			}
			body := a.body
			if want == "gzip" {
				z, err := gzip.NewReader(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if body, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(body, plain) {
				t.Errorf("GET %s with %q is something else", path, field)
			}
		}
		f("identity;q=1, *;q=0", "")
		f("identity; q=1.000 , * ; q=0.0", "")
		f("*;q=0", "")
		f("identity", "")
		f("", "")
		f("br, zstd", "")
		f("gzip;q=0, *", "")
		f("gzip;q=0.5, identity;q=0.8", "")
		f("gzip;q=2", "")
		f("gzip", "gzip")
		f("x-gzip", "gzip")
		f("*", "gzip")
		f("gzip;q=0.001", "gzip")
		f("gzip;q=0.5, identity;q=0.5", "gzip")
		f("gzip, *;q=0", "gzip")
		f("identity;q=0, *", "gzip")
		f("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip")
		f("identity;q=0", "") // neither is acceptable
		f("identity;q=0, gzip;q=0", "")
		f("br, identity;q=0", "")
	}
	// What is not compressed does not vary.
	if a := s.wantStatus(200, videoID+"/1.m4s", "Accept-Encoding: identity;q=0, gzip"); a.header.Get("Content-Encoding") != "" || a.header.Get("Vary") != "" {
		t.Errorf("a segment has %v", a.header)
	}
}

// Native answers tell by Cache-Status (RFC 9211) whether their bytes were in memory, and have neither its ttl nor Age: memory
// holds bytes of stored objects, not responses. Each answer is generated for its request from a head looked at within the
// second, so that Age would be wrong (RFC 9111 section 5.1: not generated or validated by the origin server for it), and every
// lifetime begins with Date. Answers before an HTTP origin have both; conformance tests them.
func TestCacheStatusOfNativeAnswers(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	f := func(a answer, want string) {
		t.Helper()
		if got := a.header.Get("Cache-Status"); got != want || a.header.Get("Age") != "" || a.header.Get("Date") == "" {
			t.Errorf("Cache-Status %q, want %q; %v", got, want, a.header)
		}
	}
	f(s.wantStatus(200, videoID+"/1.m4s"), "weir; fwd=uri-miss; stored")
	s.advance(time.Minute)
	f(s.wantStatus(200, videoID+"/1.m4s"), "weir; hit")
	f(s.wantStatus(206, videoID+"/1.m4s", "Range: bytes=0-9"), "weir; hit")
	f(s.wantStatus(206, videoID+"/2.m4s", "Range: bytes=0-9"), "weir; fwd=uri-miss; stored")
	f(s.wantStatus(200, "poster.jpg"), "weir; fwd=uri-miss; stored")
	f(s.wantStatus(200, "hls/main.m3u8"), "") // written by the edge
	f(s.wantStatus(200, videoID+"/init.mp4"), "")
	f(s.wantStatus(404, videoID+"/7.m4s"), "")

	inside, open := make(chan struct{}, 10), make(chan struct{}) // room for a hedged read
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if strings.HasSuffix(key, ".cmf") {
			inside <- struct{}{}
			<-open
		}
		return r, nil
	})
	got := make(chan answer, 2)
	go func() { got <- s.get(videoID + "/4.m4s") }()
	<-inside
	go func() { got <- s.get(videoID + "/4.m4s") }()
	for end := time.Now().Add(20 * time.Second); s.metric("weir_edge_cache_collapsed_total") < 1; {
		if time.Now().After(end) {
			t.Fatal("the second request does not wait for the first one's fill")
		}
	}
	close(open)
	a, b := <-got, <-got
	if a.header.Get("Cache-Status") == "weir; fwd=uri-miss; collapsed" {
		a, b = b, a
	}
	f(a, "weir; fwd=uri-miss; stored")
	f(b, "weir; fwd=uri-miss; collapsed")
}
