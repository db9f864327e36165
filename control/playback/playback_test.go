package playback_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/playback"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/keyring"
	"github.com/weirstream/weir/internal/web"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

// assets says of each asset whether it is playable; one it does not know is.
type assets map[string]error

// Playable looks up.
func (a assets) Playable(_ context.Context, _, asset string) error { return a[asset] }

type rig struct {
	t     *testing.T
	blobs *embed.Blobs
	keys  *keyring.Keys
	api   *web.API
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), filepath.Join(t.TempDir(), "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := embed.OpenBlobs(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	r := &rig{t: t, blobs: blobs, keys: &keyring.Keys{Registry: &embed.Registry{DB: db}, Root: keyring.RootKey{1}},
		api: web.NewAPI("test", slog.New(slog.DiscardHandler))}
	s := &playback.Service{Blobs: blobs, Keys: r.keys, Edge: "http://localhost:8081", Now: func() time.Time { return noon },
		Assets: assets{"unknown": weir.Errorf(weir.NotFound, "There is no such asset."), "early": weir.Errorf(weir.Conflict, "It is encoding."),
			"gone": weir.Errorf(weir.Gone, "This asset was deleted.")}}
	s.Register(r.api)
	return r
}

// putHead stores a revision's head; edit may change it.
func (r *rig) putHead(asset string, revision int, edit func(*weir.Head)) {
	r.t.Helper()
	h := weir.Head{Version: weir.HeadVersion, Organisation: weir.DefaultOrganisation, Asset: asset, Revision: revision, State: weir.Growing,
		FirstSegment: 1, TargetDuration: 4, Duration: weir.Rational{Num: 61, Den: 2}}
	edit(&h)
	b, err := weir.EncodeHead(h)
	if err != nil {
		r.t.Fatal(err)
	}
	r.put(weir.HeadKey(h.Organisation, asset, revision), b)
}

func (r *rig) put(key string, b []byte) {
	r.t.Helper()
	if _, err := r.blobs.Put(r.t.Context(), key, bytes.NewReader(b), weir.PutOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.api.ServeHTTP(w, req)
	return w
}

func complete(h *weir.Head) { h.State = weir.Complete }

func TestPlaybackHandsOutTheNewestRevision(t *testing.T) {
	r := newRig(t)
	r.putHead("a", 9, complete)
	r.putHead("a", 10, func(h *weir.Head) {
		h.State = weir.Complete
		h.Poster = &weir.Still{Key: weir.StillKey("default", "a", "0123456789abcdef"), Length: 4, Width: 16, Height: 9}
	})
	w := r.ask("POST", "/v1/playback", `{"asset":"a"}`)
	var p playback.Playback
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("playback = %d %v %s", w.Code, w.Header(), w.Body)
	}
	ticket, err := weir.VerifyTicket(p.Ticket, r.keys.Lookup, noon)
	if err != nil {
		t.Fatalf("VerifyTicket = %v", err)
	}
	base := "http://localhost:8081/t/" + p.Ticket + "/a/10/clear/"
	want := playback.Playback{Session: ticket.Session, Ticket: p.Ticket, Asset: "a", Revision: 10, State: weir.Complete, Duration: 30.5,
		HLS: base + "hls/main.m3u8", DASH: base + "dash/main.mpd", Poster: base + "poster.jpg",
		Expires: time.Date(2026, 3, 1, 18, 0, 30, 0, time.UTC)}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("playback, -want +got:\n%s", diff)
	}
	if ticket.Prefix != "a/" || !ticket.Expires.Equal(p.Expires) || ticket.Organisation != weir.DefaultOrganisation || !ticket.Allows("a/10/clear/hls/main.m3u8") {
		t.Errorf("ticket = %+v", ticket)
	}
}

// TestPlaybackOfAReplacedRevision: the old one plays until the next has a head, and is buried after that.
func TestPlaybackOfAReplacedRevision(t *testing.T) {
	r := newRig(t)
	f := func(status int, want string) {
		t.Helper()
		if w := r.ask("POST", "/v1/playback", `{"asset":"a"}`); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("playback = %d %s, want %d with %s", w.Code, w.Body, status, want)
		}
	}
	buried := func(h *weir.Head) { h.State = weir.Deleted }
	r.putHead("a", 1, func(*weir.Head) {})
	f(200, `"revision":1`)
	r.putHead("a", 2, func(*weir.Head) {})
	f(200, `"revision":2`)
	r.putHead("a", 1, buried)
	f(200, `"revision":2`)
	r.putHead("a", 2, buried)
	r.putHead("a", 3, buried)
	f(410, "was deleted")
}

func TestPlaybackRefusals(t *testing.T) {
	r := newRig(t)
	r.putHead("deleted", 1, func(h *weir.Head) { h.State = weir.Deleted })
	r.put(weir.HeadKey(weir.DefaultOrganisation, "damaged", 1), []byte("{"))
	f := func(body string, status int, want string) {
		t.Helper()
		if w := r.ask("POST", "/v1/playback", body); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("playback of %s = %d %s, want %d with %q", body, w.Code, w.Body, status, want)
		}
	}
	f(`{"asset":"unknown"}`, 404, "no such asset")
	f(`{"asset":"../../etc"}`, 404, "no such asset")
	f(`{"asset":"early"}`, 409, "It is encoding.")
	f(`{"asset":"gone"}`, 410, "was deleted")
	f(`{"asset":"headless"}`, 409, "not playable yet")
	f(`{"asset":"deleted"}`, 410, "was deleted")
	f(`{"asset":"damaged"}`, 500, "problems/internal")
	f(`{"asset":""}`, 422, "body.asset")
	f(`{"asset":"a","user":"b"}`, 422, "body.user")
	f(`{}`, 422, "property asset")
}

func TestGrowingAssetsPlay(t *testing.T) {
	r := newRig(t)
	r.putHead("a", 1, func(*weir.Head) {})
	if w := r.ask("POST", "/v1/playback", `{"asset":"a"}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"state":"growing"`) || strings.Contains(w.Body.String(), "poster") {
		t.Errorf("playback = %d %s", w.Code, w.Body)
	}
}

func TestPoster(t *testing.T) {
	r := newRig(t)
	r.putHead("plain", 1, complete)
	r.putHead("a", 1, func(h *weir.Head) {
		h.Poster = &weir.Still{Key: weir.StillKey("default", "a", "0123456789abcdef"), Length: 4, Width: 16, Height: 9}
	})
	if w := r.ask("GET", "/v1/assets/a/poster", ""); w.Code != 404 {
		t.Errorf("poster whose bytes are missing = %d %s, want 404", w.Code, w.Body)
	}
	r.put(weir.StillKey("default", "a", "0123456789abcdef"), []byte("JPEG"))
	w := r.ask("GET", "/v1/assets/a/poster", "")
	etag := w.Header().Get("ETag")
	if w.Code != 200 || w.Body.String() != "JPEG" || w.Header().Get("Content-Type") != "image/jpeg" || etag == "" || !strings.Contains(w.Header().Get("Cache-Control"), "max-age") {
		t.Errorf("poster = %d %v %q", w.Code, w.Header(), w.Body)
	}
	if w := r.ask("GET", "/v1/assets/a/poster", "", "If-None-Match", etag); w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("ETag") != etag {
		t.Errorf("poster again = %d %v %q, want 304", w.Code, w.Header(), w.Body)
	}
	for path, status := range map[string]int{"plain": 404, "nothing": 404, "BAD": 404} {
		if w := r.ask("GET", "/v1/assets/"+path+"/poster", ""); w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("poster of %s = %d %s, want %d", path, w.Code, w.Body, status)
		}
	}
}
