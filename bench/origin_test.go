package bench_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/bench"
)

func ask(t *testing.T, h http.Handler, method, path string, field ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(field); i += 2 {
		r.Header.Set(field[i], field[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOrigin(t *testing.T) {
	o := &bench.Origin{MaxAge: time.Minute}
	whole := ask(t, o, "GET", "/bench/10k/a.m4s")
	body := text(t, whole)
	if whole.StatusCode != 200 || len(body) != 10<<10 || whole.Header.Get("Cache-Control") != "public, max-age=60" || whole.Header.Get("ETag") == "" {
		t.Errorf("GET: %d, %d bytes, %v", whole.StatusCode, len(body), whole.Header)
	}
	if !bytes.Equal([]byte(body), bench.Body("/t/ticket/bench/10k/a.m4s", 10<<10)) || body == text(t, ask(t, o, "GET", "/bench/10k/b.m4s")) {
		t.Error("a body depends on the path from /bench/ on, and on all of that")
	}
	part := ask(t, o, "GET", "/bench/10k/a.m4s", "Range", "bytes=5-9", "If-Range", whole.Header.Get("ETag"))
	if got := text(t, part); part.StatusCode != 206 || got != body[5:10] {
		t.Errorf("a range: %d, %q", part.StatusCode, got)
	}
	if r := ask(t, o, "GET", "/bench/10k/a.m4s", "If-None-Match", whole.Header.Get("ETag")); r.StatusCode != 304 {
		t.Errorf("If-None-Match: %d", r.StatusCode)
	}
	if r := ask(t, o, "GET", "/bench/10/a.m4s?max-age=5&delay=1ms"); r.Header.Get("Cache-Control") != "public, max-age=5" {
		t.Errorf("of the query: %v", r.Header)
	}
	for _, path := range []string{"/", "/x", "/bench/", "/bench/x/y", "/bench/-1/y", "/bench/999m/y", "/bench/10k", "/hls/a", "/hls//main.m3u8", "/hls/a/x.m3u8", "/a/bench/1/x"} {
		if r := ask(t, o, "GET", path); r.StatusCode != 404 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestOriginCounts(t *testing.T) {
	o := &bench.Origin{}
	for range 3 {
		ask(t, o, "GET", "/bench/10/a.m4s")
	}
	ask(t, o, "GET", "/bench/20/b.m4s")
	reads := func(query string) (got bench.Reads) {
		t.Helper()
		if err := json.Unmarshal([]byte(text(t, ask(t, o, "GET", "/-/reads"+query))), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := reads(""); got.Total != 4 || got.Bytes != 50 || got.Paths["/bench/10/a.m4s"] != 3 {
		t.Errorf("reads %+v", got)
	}
	if got := reads("?path=/bench/20/b.m4s"); len(got.Paths) != 1 || got.Paths["/bench/20/b.m4s"] != 1 {
		t.Errorf("reads of one %+v", got)
	}
	if r := ask(t, o, "POST", "/-/reads"); r.StatusCode != 405 {
		t.Errorf("POST: %d", r.StatusCode)
	}
	if ask(t, o, "DELETE", "/-/reads"); reads("").Total != 0 {
		t.Errorf("DELETE forgets: %+v", reads(""))
	}
}

func TestMadeTitles(t *testing.T) {
	o := &bench.Origin{}
	p := read(t, []byte(text(t, ask(t, o, "GET", "/hls/a/main.m3u8"))))
	if len(p.Rungs) != 4 {
		t.Fatalf("rungs %+v", p.Rungs)
	}
	for _, path := range []string{"/hls/a/400000.m3u8", "/live/a/400000.m3u8"} {
		at := target(t, "http://127.0.0.1:1"+path)
		p, err := bench.ReadManifest(at.URL, []byte(text(t, ask(t, o, "GET", path))))
		if err != nil {
			t.Fatal(err)
		}
		s := p.Rungs[0].Segments
		if p.Live != strings.HasPrefix(path, "/live") || len(s) < 8 {
			t.Errorf("%s: live %v, %d segments", path, p.Live, len(s))
		}
		if r := ask(t, o, "GET", s[7].URL.Path); r.StatusCode != 200 || len(text(t, r)) != 200_000 {
			t.Errorf("%s: %d", s[7].URL, r.StatusCode)
		}
	}
}
