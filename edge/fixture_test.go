package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/internal/engine/embed"
)

const (
	assetID = "01jz3v8w7h6g5f4e3d2c1b0a9z"
	videoID = "5c1d2e3f4a5b6c7d"
	audioID = "a0b1c2d3e4f5a6b7"
)

var testKey = weir.TicketKey{ID: "k1", Organisation: weir.DefaultOrganisation, Secret: bytes.Repeat([]byte("s"), 32)}

// asset is a small fixture: 6 segments of 4 s in chunks of 1, 2 and 3, one video and one audio track, a poster.
type asset struct {
	t      testing.TB
	blobs  weir.Blobs
	head   weir.Head
	bytes  map[string][][]byte // of each rendition's segments, from segment 1
	inits  map[string][]byte
	poster []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newAsset stores everything but the head, with video segments of about size bytes. list and delete write heads.
func newAsset(t testing.TB, blobs weir.Blobs, size int) *asset {
	t.Helper()
	a := &asset{t: t, blobs: blobs, bytes: map[string][][]byte{}, inits: map[string][]byte{}}
	a.head = weir.Head{Version: weir.HeadVersion, Organisation: weir.DefaultOrganisation, Asset: assetID, Revision: 1,
		FirstSegment: 1, TargetDuration: 5, Duration: weir.Rational{Num: 24, Den: 1},
		Anchor: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Periods: []weir.Period{{ID: "p0", FirstSegment: 1}}}
	a.track(weir.Track{Rendition: videoID, Kind: weir.Video, Name: "180p", Codec: "avc1.64000c", Timescale: 12800, Width: 320,
		Height: 180, FrameRate: weir.Rational{Num: 25, Den: 1}, Cap: 400_000, Peak: 300_000, Average: 200_000}, size)
	a.track(weir.Track{Rendition: audioID, Kind: weir.Audio, Name: "stereo", Codec: "mp4a.40.2", Timescale: 48000, EditOffset: 1024,
		SampleRate: 48000, Channels: 2, Default: true, Cap: 96_000, Peak: 96_000, Average: 96_000}, size/4)
	a.poster = random(999, 3000)
	key := weir.StillKey(a.head.Organisation, assetID, sum(a.poster))
	a.put(key, a.poster)
	a.head.Poster = &weir.Still{Key: key, Length: int64(len(a.poster)), Width: 320, Height: 180}
	return a
}

func (a *asset) track(tr weir.Track, size int) {
	init := random(uint64(size), 700)
	a.inits[tr.Rendition] = init
	initKey := weir.InitKey(a.head.Organisation, assetID, tr.Rendition, sum(init))
	a.put(initKey, init)
	n := 1
	for chunk, count := range []int{1, 2, 3} {
		page := weir.Page{Version: weir.PageVersion, Init: initKey, InitCRC: crc32.Checksum(init, castagnoli), First: n}
		var object []byte
		for range count {
			b := random(uint64(size+n), size+n)
			a.bytes[tr.Rendition] = append(a.bytes[tr.Rendition], b)
			page.Segments = append(page.Segments, weir.Segment{Offset: int64(len(object)), Length: int64(len(b)),
				Start: int64(n-1) * 4 * tr.Timescale, Duration: 4 * tr.Timescale, CRC32C: crc32.Checksum(b, castagnoli)})
			object = append(object, b...)
			n++
		}
		page.SHA256, page.Length = sum(object), int64(len(object))
		page.Object = weir.ChunkKey(a.head.Organisation, assetID, tr.Rendition, chunk, page.SHA256)
		a.put(page.Object, object)
		encoded, err := weir.EncodePage(page)
		if err != nil {
			a.t.Fatal(err)
		}
		a.put(weir.PageKey(page.Object), encoded)
		tr.Pages = append(tr.Pages, weir.PageRef{Key: weir.PageKey(page.Object), First: page.First, Count: count})
	}
	a.head.Tracks = append(a.head.Tracks, tr)
}

// list writes the head: n segments are listed.
func (a *asset) list(state weir.RevisionState, n int) {
	a.t.Helper()
	a.head.State, a.head.Segments = state, n
	b, err := weir.EncodeHead(a.head)
	if err != nil {
		a.t.Fatal(err)
	}
	a.put(weir.HeadKey(a.head.Organisation, a.head.Asset, a.head.Revision), b)
}

func (a *asset) put(key string, b []byte) {
	a.t.Helper()
	if _, err := a.blobs.Put(context.Background(), key, bytes.NewReader(b), weir.PutOptions{}); err != nil {
		a.t.Fatal(err)
	}
}

func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// counted counts reads of the real engine and breaks them on demand.
type counted struct {
	weir.Blobs
	mu    sync.Mutex
	gets  map[string]int // by key
	stats int
	spoil func(key string, r io.ReadCloser) (io.ReadCloser, error) // nil: no
	hang  chan struct{}                                            // if not nil, reads tell here and wait for their context
}

func (c *counted) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	c.mu.Lock()
	c.gets[key]++
	spoil, hang := c.spoil, c.hang
	c.mu.Unlock()
	if hang != nil {
		hang <- struct{}{}
		<-ctx.Done()
		return nil, weir.ObjectInfo{}, ctx.Err()
	}
	r, info, err := c.Blobs.Get(ctx, key, off, n, ifMatch)
	if err == nil && spoil != nil {
		r, err = spoil(key, r)
	}
	return r, info, err
}

func (c *counted) Stat(ctx context.Context, key string) (weir.ObjectInfo, error) {
	c.mu.Lock()
	c.stats++
	spoil := c.spoil
	c.mu.Unlock()
	if spoil != nil {
		if _, err := spoil(key, nil); err != nil {
			return weir.ObjectInfo{}, err
		}
	}
	return c.Blobs.Stat(ctx, key)
}

func (c *counted) set(spoil func(string, io.ReadCloser) (io.ReadCloser, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spoil = spoil
}

// heads is how often a head was looked at.
func (c *counted) heads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *counted) count(suffix string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, count := range c.gets {
		if strings.HasSuffix(key, suffix) {
			n += count
		}
	}
	return n
}

// site is a running edge over one asset, with its own clock.
type site struct {
	*asset
	t        testing.TB
	store    *counted
	server   *edge.Server
	addr     string
	log      *lockedBuffer
	registry *prometheus.Registry
	clock    atomic.Int64  // unix nanoseconds; stands still but for advance
	ticket   string        // for the whole asset
	stop     func() error  // ends Serve and returns what it returned; once
	closed   chan struct{} // closed when the listener is
}

// tellingListener closes a channel when it is closed.
type tellingListener struct {
	net.Listener
	closed func()
}

func (l tellingListener) Close() error {
	l.closed()
	return l.Listener.Close()
}

func start(t testing.TB, segmentSize int, configs ...func(*edge.Server)) *site {
	t.Helper()
	blobs, err := embed.OpenBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: &counted{Blobs: blobs, gets: map[string]int{}}, log: &lockedBuffer{}, registry: prometheus.NewRegistry(),
		closed: make(chan struct{})}
	s.asset = newAsset(t, blobs, segmentSize)
	s.clock.Store(s.head.Anchor.UnixNano())
	s.ticket = s.mint(assetID+"/", time.Hour)
	s.server = &edge.Server{Config: edge.Config{ErrorPause: -1, NoPrefetch: true}, Blobs: s.store, Registerer: s.registry, Now: s.now,
		Keys: func(kid string) (weir.TicketKey, bool) { return testKey, kid == testKey.ID },
		Log:  slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, c := range configs {
		c(s.server)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, tellingListener{ln, sync.OnceFunc(func() { close(s.closed) })}) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		err := <-ended
		_ = blobs.Close()
		return err
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return s
}

func (s *site) now() time.Time { return time.Unix(0, s.clock.Load()) }

func (s *site) advance(d time.Duration) { s.clock.Add(int64(d)) }

func (s *site) mint(prefix string, life time.Duration) string {
	s.t.Helper()
	text, err := weir.Ticket{Session: "s1", Prefix: prefix, Expires: s.now().Add(life)}.Sign(testKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// url is the path of something of the asset with its ticket.
func (s *site) url(rest string) string { return "/t/" + s.ticket + "/" + assetID + "/1/clear/" + rest }

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request with a raw target on its own connection. Headers are "Name: value".
func (s *site) do(method, rawTarget string, headers ...string) answer {
	s.t.Helper()
	return s.send(method, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n%s\r\n", method, rawTarget,
		strings.Join(append(headers, ""), "\r\n")))
}

// send sends a request as it is and reads one answer.
func (s *site) send(method, raw string) answer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, raw) // the server may answer and close before it has all of it
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.100q: %v", raw, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%.100q: body: %v", raw, err)
	}
	return answer{res.StatusCode, res.Header, b}
}

func (s *site) get(rest string, headers ...string) answer {
	s.t.Helper()
	return s.do("GET", s.url(rest), headers...)
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
