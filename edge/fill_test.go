package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// damage flips a bit in what is read of chunk objects, times times; -1 is always.
func damage(times int64) func(string, io.ReadCloser) (io.ReadCloser, error) {
	var left atomic.Int64
	left.Store(times)
	return func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if r == nil || !strings.HasSuffix(key, ".cmf") || times >= 0 && left.Add(-1) < 0 {
			return r, nil
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err == nil {
			b[len(b)/2] ^= 1
		}
		return io.NopCloser(bytes.NewReader(b)), err
	}
}

func TestDamagedBytesAreNeverServed(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	s.store.set(damage(1))
	if a := s.wantStatus(200, videoID+"/1.m4s"); !bytes.Equal(a.body, s.bytes[videoID][0]) {
		t.Errorf("the segment after one damaged read differs from what was stored")
	}
	s.store.set(damage(-1))
	for range 2 {
		a := s.wantStatus(503, videoID+"/2.m4s")
		if !strings.Contains(string(a.body), "problems/unavailable") {
			t.Errorf("answer instead of damaged bytes: %s", a.body)
		}
	}
	if n := s.metric("weir_edge_origin_damaged_total"); n != 5 {
		t.Errorf("damaged reads counted: %v, want 5", n)
	}
	s.store.set(nil)
	s.wantStatus(200, videoID+"/2.m4s") // the failure was not kept
}

// A large segment is with the client when its checksum is known, but for the end: the answer is cut, and never whole. That was one
// fill's misfortune: the next one begins at once.
func TestDamagedBytesOfALargeSegmentAreCut(t *testing.T) {
	s := start(t, 300_000, func(e *edge.Server) { e.ErrorPause = time.Hour })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	s.store.set(damage(-1))
	for i := range 3 {
		n, want, err := s.partial(videoID + "/2.m4s") // 503 if the fill was over before the answer began
		if err == nil && want > 100_000 || n >= 300_000 {
			t.Errorf("a damaged segment gave %d of %d bytes and %v, want fewer or a problem", n, want, err)
		}
		if n := s.metric("weir_edge_origin_damaged_total"); n != float64(i+1) {
			t.Errorf("damaged reads counted: %v, want %d", n, i+1)
		}
	}
	s.store.set(nil)
	if a := s.wantStatus(200, videoID+"/2.m4s"); !bytes.Equal(a.body, s.bytes[videoID][1]) {
		t.Errorf("the segment after damaged reads differs from what was stored")
	}
}

// Bytes are with the client while the rest is still on its way from the store; where that breaks, they are followed by the right ones.
func TestSegmentIsStreamed(t *testing.T) {
	s := start(t, 300_000)
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	seen, first := make(chan struct{}), true
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if r == nil || !strings.HasSuffix(key, ".cmf") || !first {
			return r, nil
		}
		first = false
		wait := readerFunc(func([]byte) (int, error) {
			<-seen
			return 0, io.ErrUnexpectedEOF
		})
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(r, 100_000), wait), r}, nil
	})
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: edge\r\n\r\n", s.url(videoID+"/1.m4s"))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b := make([]byte, 100_000)
	if _, err := io.ReadFull(res.Body, b); err != nil {
		t.Fatal(err)
	}
	close(seen)
	rest, err := io.ReadAll(res.Body)
	if got := append(b, rest...); err != nil || !bytes.Equal(got, s.bytes[videoID][0]) {
		t.Errorf("a segment whose read broke: %d bytes and %v", len(got), err)
	}
	if n := s.metric("weir_edge_origin_retries_total"); n != 1 {
		t.Errorf("reads asked again: %v, want 1", n)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestMissingObjectIsNotTheClientsFault(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	key := strings.TrimSuffix(s.head.Tracks[0].Pages[2].Key, ".json") + ".cmf"
	if err := s.blobs.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	s.wantStatus(200, videoID+"/3.m4s")
	s.wantStatus(503, videoID+"/4.m4s")
}

// A head is believed in nothing that could cost memory or end in a header field.
func TestPosterOutOfBounds(t *testing.T) {
	for _, length := range []int64{-2, 0, 1 << 40, math.MaxInt64} {
		s := start(t, 1000)
		s.head.Poster.Length = length
		s.list(weir.Complete, 6)
		s.wantStatus(500, "poster.jpg")
		if a := s.do("HEAD", s.url("poster.jpg")); a.status != 500 {
			t.Errorf("HEAD of a poster of %d bytes = %d %v", length, a.status, a.header)
		}
		s.wantStatus(200, videoID+"/1.m4s")
	}
}

func TestPanicsAreContained(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Growing, 3)
	s.wantStatus(200, "hls/main.m3u8")
	s.list(weir.Growing, 6)
	s.advance(time.Minute)
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if strings.HasPrefix(path.Base(key), "2-") { // the page of segments 4 to 6
			panic("the engine has a defect")
		}
		return r, nil
	})
	s.wantStatus(503, "hls/main.m3u8")
	s.store.set(nil)
	s.advance(time.Second)
	s.wantStatus(200, "hls/main.m3u8")
	s.store.set(func(string, io.ReadCloser) (io.ReadCloser, error) { panic("the engine has a defect") })
	s.wantStatus(503, videoID+"/1.m4s")
	s.advance(time.Minute)
	s.wantStatus(503, "hls/main.m3u8")
	s.store.set(nil)
	s.advance(time.Second)
	s.wantStatus(200, videoID+"/1.m4s")
}

func TestPanicOfTheHandlerIsContained(t *testing.T) {
	s := start(t, 1000, func(e *edge.Server) {
		keys := e.Keys
		e.Keys = func(kid string) (weir.TicketKey, bool) {
			if kid == "k2" {
				panic("the key store has a defect")
			}
			return keys(kid)
		}
	})
	s.list(weir.Complete, 6)
	bad, err := weir.Ticket{Session: "s1", Prefix: assetID + "/", Expires: s.now().Add(time.Hour)}.Sign(weir.TicketKey{ID: "k2", Secret: testKey.Secret})
	if err != nil {
		t.Fatal(err)
	}
	a := s.do("GET", "/t/"+bad+"/"+assetID+"/1/clear/poster.jpg")
	if a.status != 500 || strings.Contains(string(a.body), "defect") || !strings.Contains(string(a.body), "problems/internal") {
		t.Errorf("answer after a panic: %d %s", a.status, a.body)
	}
	if !strings.Contains(s.log.String(), "the key store has a defect") || s.metric("weir_edge_panics_total") != 1 {
		t.Errorf("the panic is not in the log or not counted")
	}
	s.wantStatus(200, videoID+"/1.m4s")
}

func TestOneFillForHundredClients(t *testing.T) {
	s := start(t, 20000)
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	open, inside := make(chan struct{}), make(chan struct{}, 10)
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if strings.HasSuffix(key, ".cmf") {
			inside <- struct{}{}
			<-open
		}
		return r, nil
	})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if a := s.get(videoID + "/1.m4s"); a.status != 200 || !bytes.Equal(a.body, s.bytes[videoID][0]) {
				t.Errorf("GET = %d, %d bytes", a.status, len(a.body))
			}
		})
	}
	<-inside
	close(open)
	wg.Wait()
	if n := s.store.count(".cmf"); n != 1 {
		t.Errorf("100 clients read the object %d times", n)
	}
}

func TestTrack(t *testing.T) {
	s := start(t, 3000)
	s.list(weir.Complete, 6)
	whole := s.wantStatus(200, videoID+"/track.mp4")
	media := bytes.Join(s.bytes[videoID], nil)
	index := len(whole.body) - len(media)
	if !bytes.HasPrefix(whole.body, s.inits[videoID]) || !bytes.HasSuffix(whole.body, media) ||
		string(whole.body[len(s.inits[videoID])+4:][:4]) != "sidx" || index != len(s.inits[videoID])+32+12*6 {
		t.Fatalf("track.mp4 is not init, sidx and segments: %d bytes, %d of them media", len(whole.body), len(media))
	}
	tag := whole.header.Get("ETag")
	f := func(field string, off, n int) {
		t.Helper()
		a := s.wantStatus(206, videoID+"/track.mp4", "Range: bytes="+field, "If-Range: "+tag)
		if !bytes.Equal(a.body, whole.body[off:off+n]) {
			t.Errorf("Range %s = %d other bytes than those at %d", field, len(a.body), off)
		}
	}
	f("0-0", 0, 1)
	f("0-99", 0, 100)
	f("-1", len(whole.body)-1, 1)
	for _, at := range []int{len(s.inits[videoID]), index, index + 3001, index + 3001 + 3002} { // where parts meet
		f(itoa(at-2)+"-"+itoa(at+2), at-2, 5)
		f(itoa(at-1)+"-"+itoa(at-1), at-1, 1)
		f(itoa(at)+"-"+itoa(at), at, 1)
	}
	f("10-", 10, len(whole.body)-10)
	if a := s.do("HEAD", s.url(videoID+"/track.mp4")); a.header.Get("Content-Length") != itoa(len(whole.body)) {
		t.Errorf("HEAD of the track: %v", a.header)
	}
	s.wantStatus(416, videoID+"/track.mp4", "Range: bytes="+itoa(len(whole.body))+"-")
}

func TestManyRanges(t *testing.T) {
	s := start(t, 3000)
	s.list(weir.Complete, 6)
	for _, path := range []string{videoID + "/track.mp4", videoID + "/2.m4s", "hls/" + videoID + ".m3u8"} {
		whole := s.wantStatus(200, path).body
		size := len(whole)
		a := s.wantStatus(206, path, "Range: bytes=100-149, 0-9, -20, 900000-")
		want := [][2]int{{100, 50}, {0, 10}, {size - 20, 20}}
		for i, part := range parts(t, a) {
			off, n := want[i][0], want[i][1]
			if got := part.header.Get("Content-Range"); got != "bytes "+itoa(off)+"-"+itoa(off+n-1)+"/"+itoa(size) ||
				!bytes.Equal(part.body, whole[off:off+n]) {
				t.Errorf("GET %s: part %d is %s with %d bytes, want %d at %d", path, i, got, len(part.body), n, off)
			}
		}
	}
}

func TestBrokenTrackClosesTheConnection(t *testing.T) {
	s := start(t, 100_000)
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if strings.Contains(key, "/2-") {
			return nil, weir.Errorf(weir.NotFound, "lost")
		}
		return r, nil
	})
	n, want, err := s.partial(videoID + "/track.mp4")
	if err != io.ErrUnexpectedEOF || n < 300_000 || n >= want {
		t.Errorf("a track with a lost segment gave %d of %d bytes and %v, want fewer and an unexpected EOF", n, want, err)
	}
}

// What the store says after the fill was given up goes nowhere, and keeps nobody: Serve still ends.
func TestAnswerAfterTheFillWasGivenUp(t *testing.T) {
	s := start(t, 100_000, func(e *edge.Server) { e.FillTimeout = 100 * time.Millisecond })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	goOn := make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if r != nil && strings.HasSuffix(key, ".cmf") {
			<-goOn // heeds no context
		}
		return r, nil
	})
	s.wantStatus(504, videoID+"/1.m4s")
	release()
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// Nor does what comes of a read in the middle of a segment: it is in nobody's bytes, and the next fill does not wait for it.
func TestBytesAfterTheFillWasGivenUp(t *testing.T) {
	s := start(t, 100_000, func(e *edge.Server) { e.FillTimeout = time.Second })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	goOn := make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if r == nil || !strings.HasSuffix(key, ".cmf") {
			return r, nil
		}
		late := readerFunc(func(p []byte) (int, error) {
			<-goOn // heeds no context
			return copy(p, "these are not the bytes"), nil
		})
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(r, 50_000), late), r}, nil
	})
	if n, want, err := s.partial(videoID + "/1.m4s"); err == nil || n > 50_000 {
		t.Errorf("a segment that stopped gave %d of %d bytes and %v", n, want, err)
	}
	s.store.set(nil)
	for range 2 {
		if a := s.wantStatus(200, videoID+"/1.m4s"); !bytes.Equal(a.body, s.bytes[videoID][0]) {
			t.Errorf("the segment is not what was stored")
		}
		release()
	}
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// Segments of a growing revision have a share of memory of their own.
func TestLiveIsApart(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Growing, 2)
	s.wantStatus(200, videoID+"/1.m4s")
	live := s.metric("weir_edge_cache_live_bytes")
	if live < 1000 {
		t.Errorf("a live segment takes %v live bytes, want its own", live)
	}
	s.list(weir.Complete, 6)
	s.advance(2 * time.Second)
	s.wantStatus(200, videoID+"/3.m4s")
	if got := s.metric("weir_edge_cache_live_bytes"); got != live {
		t.Errorf("a segment of a complete revision makes it %v live bytes, want %v", got, live)
	}
}
