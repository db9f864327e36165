package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/factlog"
	"github.com/weirstream/weir/internal/keyring"
)

// rulingsAdmin is an admin listener's handler with the requests of purges and keys.
func rulingsAdmin(t *testing.T) (http.Handler, *rulings.Rulings, *factlog.Log) {
	t.Helper()
	blobs, err := embed.OpenBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	db, err := embed.OpenStores(t.Context(), filepath.Join(t.TempDir(), "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	known := rulings.New()
	l := &factlog.Log{Blobs: blobs, Sink: known}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_, _ = db.Close(), blobs.Close()
	})
	p := &process{log: slog.New(slog.DiscardHandler), ready: &readiness{}}
	mux := http.NewServeMux()
	rulingsAPI{log: l, now: time.Now, errors: p.problems}.register(mux)
	keysAPI{&keyring.Keys{Registry: &embed.Registry{DB: db}, Root: keyring.RootKey{1}}, p.problems}.register(mux)
	return mux, known, l
}

const aNumber = `^\{"number":\d+\}\n$`

// posting is a function that posts JSON to h and compares the answer.
func posting(t *testing.T, h http.Handler) func(path, body string, status int, want string) {
	return func(path, body string, status int, want string) {
		t.Helper()
		req := httptest.NewRequest("POST", path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if ok, _ := regexp.MatchString(want, w.Body.String()); w.Code != status || !ok {
			t.Errorf("POST %s %.100s = %d %.200s, want %d with %q", path, body, w.Code, w.Body, status, want)
		}
		if status >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("POST %s %.100s: content type %q", path, body, w.Header().Get("Content-Type"))
		}
	}
}

func TestPurgeRequests(t *testing.T) {
	h, known, l := rulingsAdmin(t)
	if err := l.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := posting(t, h)
	stamp := known.Number()
	purged := func(want bool, o rulings.Object) {
		t.Helper()
		if hard, _ := known.Purged(&o, stamp); hard != want {
			t.Errorf("%s %s%s purged: %v, want %v", o.Organisation, o.Asset, o.Path, hard, want)
		}
	}
	f("/purge?wait=1", `{"by":"url","values":["http://h/t/AgBrBpM2awbnlhowNmgxM2JyNjA1aHB3dmZqMHpqcXZ2ZWplZxowNmgxM2Jy/a/1/x","/b?ticket=T"]}`, 200, aNumber)
	purged(true, rulings.Object{Organisation: "default", Path: []byte("a/1/x")})
	purged(true, rulings.Object{Organisation: "default", Path: []byte("b")})
	purged(false, rulings.Object{Organisation: "default", Path: []byte("c")})
	f("/purge?wait=1", `{"organisation":"acme","by":"asset","values":["a"]}`, 200, aNumber)
	purged(true, rulings.Object{Organisation: "acme", Asset: []byte("a")})
	many := `{"by":"key","values":["` + strings.Repeat(`k","`, 5000) + `last"]}`
	f("/purge?wait=1", many, 200, aNumber)
	purged(true, rulings.Object{Organisation: "default", Keys: []byte("last")})
	f("/purge", `{"by":"url","values":["/"]}`, 400, "nothing that can be purged")
	f("/purge", `{"by":"url"}`, 400, "1 to 1000 values")
	f("/purge", `{"by":"host","values":["a"]}`, 400, "not by")
	f("/purge", `{"by":"asset","values":["a"],"softly":true}`, 400, "unknown field")
	f("/purge", `{"by":"asset","by":"key","values":["a"]}`, 400, "given twice")
	f("/purge", `{"By":"asset","values":["a"]}`, 400, "lower case")
	f("/purge", `{"by":"asset","values":["a"]}{}`, 400, "more than one")
	f("/purge", `{"by":"key","values":["`+strings.Repeat("k", 1<<20)+`"]}`, 413, "1048576 bytes")
	f("/purge", ``, 400, "body")
}

func TestRevokeAndKeysRequests(t *testing.T) {
	h, known, _ := rulingsAdmin(t)
	f := posting(t, h)
	ticket := &weir.Ticket{Organisation: "default", Session: "s1", Subject: "p7", Issued: time.Now()}
	revoked := func(want bool) {
		t.Helper()
		if got := known.Revoked(ticket); got != want {
			t.Errorf("Revoked = %v, want %v", got, want)
		}
	}
	f("/revoke?wait=1", `{"session":"s2"}`, 200, aNumber)
	f("/revoke?wait=1", `{"organisation":"acme","all":true}`, 200, aNumber)
	f("/revoke?wait=1", `{"all":true,"before":"2026-01-02T03:04:05Z"}`, 200, aNumber)
	revoked(false)
	f("/revoke?wait=1", `{"subject":"p7"}`, 200, aNumber)
	revoked(true)
	f("/revoke", `{}`, 400, "a session, of a subject, or")
	f("/revoke", `{"session":"s1","all":true}`, 400, "a session, of a subject, or")
	f("/revoke", `{"session":"s1","before":"2026-01-02T03:04:05Z"}`, 400, "Before")
	f("/revoke", `{"session":"s1","until":"2020-01-01T00:00:00Z"}`, 400, "future")
	f("/revoke", `{"session":"s1","until":"2100-01-01T00:00:00Z"}`, 400, "400 days")

	f("/keys/retire", `{}`, 409, "one key only")
	f("/keys/rotate", `{}`, 200, `"signing":true.*"signs":`)
	f("/keys/rotate", `{"retire":true}`, 409, "under way")
	f("/keys/rotate", `{"organisation":"A"}`, 400, "no valid id")

	form := httptest.NewRequest("POST", "/purge", strings.NewReader(`{"by":"organisation"}`))
	form.Header.Set("Content-Type", "text/plain") // what a page of another origin can send
	w := httptest.NewRecorder()
	h.ServeHTTP(w, form)
	if w.Code != 400 {
		t.Errorf("POST /purge of text = %d, want 400", w.Code)
	}
	for path, want := range map[string]string{"/log/state": `"fresh":true`, "/keys": `"signing":true`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s = %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
}
