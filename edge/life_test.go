package edge_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

func (s *site) wantStatus(want int, rest string, headers ...string) answer {
	s.t.Helper()
	a := s.get(rest, headers...)
	if a.status != want {
		s.t.Errorf("GET %s %v = %d %.200q, want %d", rest, headers, a.status, a.body, want)
	}
	return a
}

func TestGrowing(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Growing, 0)
	s.wantStatus(404, "hls/main.m3u8")
	s.list(weir.Growing, 3)
	s.advance(time.Second)

	first := s.wantStatus(200, "hls/"+videoID+".m3u8")
	if got := first.header.Get("Cache-Control"); got != "public, max-age=2" {
		t.Errorf("Cache-Control of a growing playlist = %q, want half the target duration", got)
	}
	if strings.Contains(string(first.body), "ENDLIST") || strings.Count(string(first.body), "#EXTINF") != 3 {
		t.Errorf("growing playlist:\n%s", first.body)
	}
	tag := first.header.Get("ETag")
	s.wantStatus(304, "hls/"+videoID+".m3u8", "If-None-Match: "+tag)
	s.wantStatus(200, videoID+"/3.m4s")
	s.wantStatus(404, videoID+"/track.mp4")
	if a := s.wantStatus(404, videoID+"/4.m4s"); a.header.Get("Cache-Control") != "public, max-age=1" {
		t.Errorf("Cache-Control of a segment not yet listed = %q", a.header.Get("Cache-Control"))
	}
	if a := s.wantStatus(200, "dash/main.mpd"); !strings.Contains(string(a.body), `type="dynamic"`) {
		t.Errorf("growing MPD:\n%s", a.body)
	}

	// What was just listed is found although an older state could still be told.
	s.list(weir.Growing, 5)
	s.advance(1100 * time.Millisecond)
	s.wantStatus(200, videoID+"/5.m4s")
	s.wantStatus(200, "hls/"+videoID+".m3u8", "If-None-Match: "+tag)

	s.list(weir.Complete, 6)
	s.advance(2 * time.Second)
	last := s.wantStatus(200, "hls/"+videoID+".m3u8")
	if !strings.Contains(string(last.body), "ENDLIST") || !strings.Contains(last.header.Get("Cache-Control"), "immutable") {
		t.Errorf("complete playlist %v:\n%s", last.header, last.body)
	}
	s.wantStatus(200, videoID+"/track.mp4")
	if n := s.store.count(s.head.Tracks[0].Pages[0].Key); n != 1 {
		t.Errorf("the first page was read %d times, want once for all states", n)
	}
}

// An odd target is halved downwards: a player asks anew within half of it, and must not be given an old answer.
func TestGrowingWithShortTarget(t *testing.T) {
	s := start(t, 1000)
	s.head.TargetDuration = 1
	s.list(weir.Growing, 3)
	if a := s.wantStatus(200, "hls/main.m3u8"); a.header.Get("Cache-Control") != "public, max-age=0" {
		t.Errorf("Cache-Control with a target of 1 s = %q", a.header.Get("Cache-Control"))
	}
}

func TestDynamicMPDTellsTheTime(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Growing, 3)
	a := s.wantStatus(200, "dash/main.mpd")
	s.advance(5 * time.Second)
	b := s.wantStatus(200, "dash/main.mpd")
	if bytes.Equal(a.body, b.body) || a.header.Get("ETag") == b.header.Get("ETag") {
		t.Errorf("the MPD after 5 s is the same:\n%s", b.body)
	}
}

func TestHeadIsReadAtMostOnceASecond(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Growing, 3)
	for want := range 3 {
		for range 20 {
			s.wantStatus(200, videoID+"/1.m4s")
			s.wantStatus(404, videoID+"/4.m4s")
		}
		if n := s.store.heads(); n != want+1 {
			t.Errorf("after %d seconds the head was read %d times, want %d", want, n, want+1)
		}
		s.advance(time.Second)
	}
}

func TestDeletionIsSeenWithinTwoSeconds(t *testing.T) {
	for _, state := range []weir.RevisionState{weir.Growing, weir.Complete} {
		s := start(t, 1000)
		s.list(state, 6)
		paths := []string{"hls/main.m3u8", "dash/main.mpd", videoID + "/1.m4s", videoID + "/init.mp4", "poster.jpg"}
		for _, path := range paths {
			s.wantStatus(200, path)
		}
		s.list(weir.Deleted, 6)
		s.advance(2 * time.Second)
		for _, path := range append(paths, videoID+"/track.mp4", "hls/none.m3u8") {
			if a := s.wantStatus(410, path); !strings.Contains(string(a.body), "problems/gone") {
				t.Errorf("GET %s = %.200q", path, a.body)
			}
		}
		s.advance(time.Hour)
		s.wantStatus(410, videoID+"/1.m4s")
	}
}

// The log must not grow with the number of assets asked for while the store is away.
func TestFailedReadsAreToldOnceASecond(t *testing.T) {
	s := start(t, 1000)
	s.store.set(func(string, io.ReadCloser) (io.ReadCloser, error) { return nil, weir.Errorf(weir.Unavailable, "away") })
	lines := func(want int) {
		t.Helper()
		for rev := range 5 {
			if a := s.do("GET", fmt.Sprintf("/t/%s/%s/%d/clear/poster.jpg", s.ticket, assetID, rev+1)); a.status != 503 {
				t.Errorf("GET while the store is away = %d %s", a.status, a.body)
			}
		}
		if n := strings.Count(s.log.String(), "read of a revision failed"); n != want {
			t.Errorf("%d lines about failed reads, want %d", n, want)
		}
	}
	lines(1)
	s.advance(time.Second)
	lines(2)
}

func TestUnknownAssetsAreRemembered(t *testing.T) {
	s := start(t, 1000)
	for range 10 {
		s.wantStatus(404, videoID+"/1.m4s")
	}
	if n := s.store.heads(); n != 1 {
		t.Errorf("10 requests for an unknown asset asked the store %d times", n)
	}
	s.list(weir.Complete, 6)
	s.advance(time.Second)
	s.wantStatus(200, videoID+"/1.m4s")
}

func TestStoreAway(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	s.wantStatus(200, videoID+"/1.m4s")
	s.store.set(func(string, io.ReadCloser) (io.ReadCloser, error) { return nil, errors.New("the store is away") })

	s.advance(10 * time.Second)
	s.wantStatus(200, videoID+"/1.m4s") // in memory, and the index is told for a while
	s.wantStatus(200, "hls/main.m3u8")
	if a := s.wantStatus(503, videoID+"/2.m4s"); a.header.Get("Retry-After") != "1" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer without the store: %v", a.header)
	}
	s.advance(30 * time.Second)
	s.wantStatus(503, videoID+"/1.m4s")
	s.wantStatus(503, "hls/main.m3u8")

	s.store.set(nil)
	s.advance(time.Second)
	s.wantStatus(200, videoID+"/1.m4s")
	s.wantStatus(200, videoID+"/2.m4s")
}

func TestGzipManifests(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	for _, path := range []string{"hls/main.m3u8", "hls/" + audioID + ".m3u8", "dash/main.mpd"} {
		plain := s.wantStatus(200, path)
		zipped := s.wantStatus(200, path, "Accept-Encoding: br, gzip")
		z, err := gzip.NewReader(bytes.NewReader(zipped.body))
		if err != nil {
			t.Fatalf("GET %s with gzip: %v", path, err)
		}
		if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, plain.body) {
			t.Errorf("GET %s with gzip differs from the plain one: %v", path, err)
		}
		if zipped.header.Get("Content-Encoding") != "gzip" || zipped.header.Get("Vary") != "Accept-Encoding" ||
			plain.header.Get("Content-Encoding") != "" || plain.header.Get("ETag") == zipped.header.Get("ETag") {
			t.Errorf("GET %s: headers plain %v, zipped %v", path, plain.header, zipped.header)
		}
		s.wantStatus(304, path, "Accept-Encoding: gzip", "If-None-Match: "+zipped.header.Get("ETag"))
		if strings.Contains(string(plain.body), s.ticket) || strings.Contains(string(plain.body), "://"+s.addr) {
			t.Errorf("GET %s names its ticket or host:\n%s", path, plain.body)
		}
	}
	s.wantStatus(200, videoID+"/1.m4s", "Accept-Encoding: gzip")
}

func TestIndexIsBounded(t *testing.T) {
	const limit = 10_000
	s := start(t, 1000, func(e *edge.Server) { e.IndexBytes = limit })
	s.list(weir.Complete, 6)
	for n := range 100 {
		s.wantStatus(200, videoID+"/1.m4s")
		other := fmt.Sprintf("/t/%s/%s/%d/clear/poster.jpg", s.ticket, assetID, n+2)
		if a := s.do("GET", other); a.status != 404 {
			t.Fatalf("GET of revision %d = %d", n+2, a.status)
		}
		if got := s.metric("weir_edge_index_bytes"); got > limit {
			t.Fatalf("the index takes %v bytes, the limit is %d", got, limit)
		}
	}
	if n := s.metric("weir_edge_head_reads_total", "result=changed"); n != 1 {
		t.Errorf("the revision in use was read anew %v times", n)
	}
}

// TestManifestsNameWhatIsThere follows every URI of every manifest: HLS and DASH lead to the same media.
func TestManifestsNameWhatIsThere(t *testing.T) {
	for _, state := range []weir.RevisionState{weir.Growing, weir.Complete} {
		s := start(t, 1000)
		s.list(state, 4)
		for _, manifest := range []string{"hls/main.m3u8", "dash/main.mpd"} {
			seen := map[string]bool{}
			s.follow(manifest, seen)
			for _, rendition := range []string{videoID, audioID} {
				for _, name := range []string{"init.mp4", "1.m4s", "2.m4s", "3.m4s", "4.m4s"} {
					if !seen[rendition+"/"+name] {
						t.Errorf("%s %s does not name %s/%s", state, manifest, rendition, name)
					}
				}
			}
		}
	}
}

var uris = regexp.MustCompile(`(?m)^([^#<\s].*)$|URI="([^"]+)"|(?:initialization|media)="([^"]+)"`)

// follow gets what rest names and, if it is a manifest, all it names.
func (s *site) follow(rest string, seen map[string]bool) {
	if seen[rest] {
		return
	}
	seen[rest] = true
	a := s.wantStatus(200, rest)
	if !strings.HasSuffix(rest, ".m3u8") && !strings.HasSuffix(rest, ".mpd") {
		return
	}
	for _, m := range uris.FindAllStringSubmatch(string(a.body), -1) {
		uri := m[1] + m[2] + m[3]
		for n := range 8 {
			id := []string{videoID, audioID}[n%2]
			name := strings.NewReplacer("$Number$", strconv.Itoa(1+n/2), "$RepresentationID$", id).Replace(uri)
			s.follow(path.Join(path.Dir(rest), name), seen)
		}
	}
}
