package s3_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/s3"
)

// put stores content in pieces, so that its length is unknown.
func put(t *testing.T, b *s3.Blobs, key, content string, opts weir.PutOptions) (weir.ObjectInfo, error) {
	t.Helper()
	return b.Put(t.Context(), key, io.MultiReader(strings.NewReader(content)), opts)
}

func wantContent(t *testing.T, b *s3.Blobs, key, want string) weir.ObjectInfo {
	t.Helper()
	r, info, err := b.Get(t.Context(), key, 0, -1, "")
	if err != nil {
		t.Fatalf("Get(%q) = %v", key, err)
	}
	defer func() { _ = r.Close() }()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want {
		t.Errorf("Get(%q) = %d bytes, %v, want %d, equal ones", key, len(got), err, len(want))
	}
	return info
}

// sizes are contents of one request and of several parts.
var sizes = map[string]string{"whole": "content", "parts": strings.Repeat("0123456789abcdef", 33<<16)}

// A put whose answer is lost is known as done, not as a race that somebody else won.
func TestPutLostAnswer(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		for name, content := range sizes {
			t.Run(name, func(t *testing.T) {
				b, p := throughProxy(t, address)
				cut := func(point string) {
					if point == "blobs.before-commit" {
						p.CutAfter(1)
					}
				}
				b.At = cut
				created, err := put(t, b, "k", content, weir.PutOptions{CreateOnly: true})
				if err != nil {
					t.Fatalf("Put create-only = %v (kind %v)", err, weir.KindOf(err))
				}
				if info := wantContent(t, b, "k", content); info.ETag != created.ETag || info.Size != created.Size {
					t.Errorf("Put = %+v, Get = %+v", created, info)
				}
				if _, err := put(t, b, "k", content+"2", weir.PutOptions{IfMatch: created.ETag}); err != nil {
					t.Fatalf("Put if-match = %v (kind %v)", err, weir.KindOf(err))
				}
				wantContent(t, b, "k", content+"2")
			})
		}
	})
}

// A put whose first attempt did not arrive, and whose second came too late, has lost.
func TestPutLostRace(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		for name, content := range sizes {
			t.Run(name, func(t *testing.T) {
				var p *enginetest.Proxy
				b, p := throughProxyLogged(t, address, func() { p.Heal() })
				b.At = func(point string) {
					if point != "blobs.before-commit" {
						return
					}
					b.At = nil
					if _, err := put(t, b, "k", "another's", weir.PutOptions{}); err != nil {
						t.Error(err)
					}
					p.Refuse(true)
					p.Reset()
				}
				_, err := put(t, b, "k", content, weir.PutOptions{CreateOnly: true})
				if weir.KindOf(err) != weir.Precondition {
					t.Errorf("Put = %v (kind %v), want precondition", err, weir.KindOf(err))
				}
				wantContent(t, b, "k", "another's")
			})
		}
	})
}

// A put that is done, whose answer is lost and whose object somebody deletes before it can be asked for, is not said to
// have failed.
func TestPutDoneAndUndone(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		undo := func() {}
		b, p := throughProxyLogged(t, address, func() { undo() })
		undo = func() {
			if err := b.Delete(t.Context(), "k"); err != nil {
				t.Error(err)
			}
		}
		b.At = func(point string) {
			if point == "blobs.before-commit" {
				p.CutAfter(1)
			}
		}
		_, err := put(t, b, "k", sizes["parts"], weir.PutOptions{})
		if weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Put = %v (kind %v), want unavailable", err, weir.KindOf(err))
		}
	})
}

// An attempt at which nothing moves is given up, and the next one is made.
func TestStalledAttempts(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		var p *enginetest.Proxy
		b, p := throughProxyLogged(t, address, func() { p.Heal() }, "timeout", "500ms")
		content := sizes["parts"]
		if _, err := put(t, b, "k", content, weir.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		r, _, err := b.Get(t.Context(), "k", 0, -1, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		first := make([]byte, 1<<20)
		if _, err := io.ReadFull(r, first); err != nil {
			t.Fatal(err)
		}
		p.Silence(true)
		rest, err := io.ReadAll(r)
		if err != nil || string(first)+string(rest) != content {
			t.Errorf("the reader yields %d bytes, %v, want %d, equal ones", len(first)+len(rest), err, len(content))
		}
		p.Silence(true)
		if _, err := put(t, b, "new", "x", weir.PutOptions{CreateOnly: true}); err != nil {
			t.Errorf("Put = %v", err)
		}
		p.Silence(true)
		if _, err := b.Stat(t.Context(), "k"); err != nil {
			t.Errorf("Stat = %v", err)
		}
	})
}

// A store that hangs for ever is Unavailable in the end, also without a deadline.
func TestStalledForEver(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		b, p := throughProxy(t, address, "timeout", "100ms")
		p.Silence(true)
		_, err := b.Stat(t.Context(), "k")
		if weir.KindOf(err) != weir.Unavailable || strings.Contains(weir.Detail(err), "127.0.0.1") {
			t.Errorf("Stat = %v (kind %v, detail %q), want unavailable", err, weir.KindOf(err), weir.Detail(err))
		}
		_, err = put(t, b, "k", "x", weir.PutOptions{})
		if weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Put = %v (kind %v), want unavailable", err, weir.KindOf(err))
		}
	})
}

// throughProxyLogged is throughProxy with f called for each attempt that failed.
func throughProxyLogged(t *testing.T, address string, f func(), parameters ...string) (*s3.Blobs, *enginetest.Proxy) {
	t.Helper()
	b, p := throughProxy(t, address, parameters...)
	b.SetLog(slog.New(called{slog.DiscardHandler, f}))
	return b, p
}

// called is a handler of logs that tells of each record.
type called struct {
	slog.Handler
	f func()
}

func (called) Enabled(context.Context, slog.Level) bool { return true }

func (c called) Handle(context.Context, slog.Record) error {
	c.f()
	return nil
}

// Bytes damaged on the way are refused by the store, and sent again.
func TestDamagedUpload(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		var damage atomic.Int64 // so many bodies from now on
		b := open(t, address, "endpoint", damaging(t, address, &damage))
		for name, content := range sizes {
			damage.Store(1)
			if _, err := put(t, b, name, content, weir.PutOptions{CreateOnly: true}); err != nil {
				t.Errorf("Put %s = %v (kind %v)", name, err, weir.KindOf(err))
			}
			wantContent(t, b, name, content)
		}
		damage.Store(1000)
		if _, err := put(t, b, "bad", "content", weir.PutOptions{}); weir.KindOf(err) != weir.Unavailable {
			t.Errorf("Put = %v (kind %v), want unavailable", err, weir.KindOf(err))
		}
		if _, err := b.Stat(t.Context(), "bad"); weir.KindOf(err) != weir.NotFound {
			t.Errorf("Stat of what was damaged = %v", err)
		}
	})
}

// damaging is a proxy that changes the first byte of so many bodies.
func damaging(t *testing.T, address string, bodies *atomic.Int64) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(u.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.ContentLength > 0 && bodies.Add(-1) >= 0 {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			body[0] ^= 1
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
