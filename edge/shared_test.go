package edge_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/internal/engine/embed"
)

// noted is the real engine with a list of the keys it was asked for; while away, it answers nothing before the caller's
// time is over.
type noted struct {
	embed.Cache
	away bool

	mu   sync.Mutex
	keys map[string]bool // guarded by mu
}

func (n *noted) Get(ctx context.Context, key string) ([]byte, bool, error) {
	n.mu.Lock()
	if n.keys == nil {
		n.keys = map[string]bool{}
	}
	n.keys[key] = true
	n.mu.Unlock()
	if n.away {
		<-ctx.Done()
	}
	return n.Cache.Get(ctx, key)
}

func (n *noted) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if n.away {
		<-ctx.Done()
	}
	return n.Cache.Set(ctx, key, value, ttl)
}

// sharing has the time that a busy machine may take; slowness has a test of its own.
func sharing(c weir.Cache) func(*edge.Server) {
	return func(e *edge.Server) { e.Shared, e.ShareTimeout = c, 10*time.Second }
}

// pages are the keys of the asset's index pages.
func (a *asset) pages() (keys []string) {
	for _, t := range a.head.Tracks {
		for _, p := range t.Pages {
			keys = append(keys, p.Key)
		}
	}
	return keys
}

// watch asks for all that an index is needed for, and returns the playlist.
func (s *site) watch() string {
	s.t.Helper()
	s.wantStatus(200, "dash/main.mpd")
	for n := 1; n <= 6; n++ {
		if a := s.wantStatus(200, videoID+"/"+itoa(n)+".m4s"); !bytes.Equal(a.body, s.bytes[videoID][n-1]) {
			s.t.Errorf("segment %d is not what was stored", n)
		}
	}
	return string(s.wantStatus(200, "hls/"+videoID+".m3u8").body)
}

// What one edge read, the next does not read again, and it tells the same.
func TestSharedPages(t *testing.T) {
	shared := &noted{}
	first := start(t, 1000, sharing(shared))
	first.list(weir.Complete, 6)
	want := first.watch()
	for _, key := range first.pages() {
		if n := first.store.count(key); n != 1 {
			t.Errorf("the first edge read %s %d times, want once", key, n)
		}
	}
	second := start(t, 1000, sharing(shared)) // the same asset: its bytes come of its size
	second.list(weir.Complete, 6)
	if got := second.watch(); got != want {
		t.Errorf("the second edge tells\n%s\nwant\n%s", got, want)
	}
	for _, key := range second.pages() {
		if n := second.store.count(key); n != 0 {
			t.Errorf("the second edge read %s %d times, want none", key, n)
		}
	}
	if hits, misses := second.metric("weir_edge_shared_hits_total"), second.metric("weir_edge_shared_misses_total"); hits != 6 || misses != 0 {
		t.Errorf("the second edge counts %v hits and %v misses, want 6 and 0", hits, misses)
	}
	for key := range shared.keys {
		if len(key) > 600 || strings.Contains(key, first.ticket[:16]) || !strings.Contains(key, "media/"+weir.DefaultOrganisation+"/"+assetID+"/") {
			t.Errorf("a key of the shared cache is %q, want that of a page", key)
		}
	}
	if len(shared.keys) != 6 {
		t.Errorf("the shared cache was asked for %d keys, want the 6 pages", len(shared.keys))
	}
}

// Whatever the shared cache holds under a page's name, players are told what the object store has; and it holds the page
// afterwards.
func TestSharedPagesThatAreBad(t *testing.T) {
	plain := start(t, 1000)
	plain.list(weir.Complete, 6)
	want := plain.watch()
	seal := func(b []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli)), b...)
	}
	page := func(change func(*weir.Page)) []byte {
		p := weir.Page{Version: weir.PageVersion, Object: strings.TrimSuffix(plain.pages()[0], ".json") + ".cmf", Init: "media/default/a/r/init.mp4", Length: 10, First: 1,
			Segments: []weir.Segment{{Length: 10, Duration: 4}}}
		change(&p)
		b, err := weir.EncodePage(p)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	f := func(name string, entry func(key string) []byte) {
		t.Helper()
		shared := &embed.Cache{}
		for _, key := range plain.pages() {
			if err := shared.Set(t.Context(), "edge/page/"+key, entry(key), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		s := start(t, 1000, sharing(shared))
		s.list(weir.Complete, 6)
		if got := s.watch(); got != want {
			t.Errorf("%s: the playlist is\n%s\nwant\n%s", name, got, want)
		}
		if n := s.metric("weir_edge_shared_misses_total"); n != 6 {
			t.Errorf("%s: %v misses counted, want 6", name, n)
		}
		again := start(t, 1000, sharing(shared))
		again.list(weir.Complete, 6)
		if got := again.watch(); got != want || again.metric("weir_edge_shared_hits_total") != 6 {
			t.Errorf("%s: afterwards %v hits, want 6, and the playlist is\n%s", name, again.metric("weir_edge_shared_hits_total"), got)
		}
	}
	good, ok := []byte(nil), false
	shared := &embed.Cache{}
	s := start(t, 1000, sharing(shared))
	s.list(weir.Complete, 6)
	s.watch()
	if good, ok, _ = shared.Get(t.Context(), "edge/page/"+plain.pages()[5]); !ok {
		t.Fatal("no page was shared")
	}
	f("empty", func(string) []byte { return nil })
	f("no page", func(string) []byte { return []byte("something else") })
	f("sealed, no page", func(string) []byte { return seal([]byte("something else")) })
	f("cut", func(string) []byte { return good[:len(good)-1] })
	f("damaged", func(string) []byte { b := bytes.Clone(good); b[len(b)/2] ^= 1; return b })
	f("out of bounds", func(string) []byte { return seal(page(func(p *weir.Page) { p.Segments[0].Length = -1 })) })
	f("too large", func(string) []byte { return seal(bytes.Repeat([]byte(" "), weir.MaxPageBytes+1)) })
	f("of another object", func(string) []byte { return seal(page(func(p *weir.Page) { p.Object = "media/other/a/r/0-0.cmf" })) })
	f("of another init", func(string) []byte { return seal(page(func(p *weir.Page) {})) })
}

// A shared cache that does not answer costs its bound and nothing else.
func TestSharedPagesAway(t *testing.T) {
	s := start(t, 1000, sharing(&noted{away: true}))
	s.list(weir.Complete, 6)
	s.watch()
	for _, key := range s.pages() {
		if n := s.store.count(key); n != 1 {
			t.Errorf("%s was read %d times, want once", key, n)
		}
	}
}
