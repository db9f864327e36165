package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/control/playback"
	"github.com/weirstream/weir/internal/client"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/keyring"
	"github.com/weirstream/weir/internal/web"
)

// ledger is what a test says of jobs.
type ledger struct {
	mu   sync.Mutex
	jobs map[string]ingest.JobStatus
}

// Status is what was set.
func (l *ledger) Status(_ context.Context, asset string) (ingest.JobStatus, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.jobs[asset]
	if !ok {
		return s, weir.Errorf(weir.NotFound, "no job")
	}
	return s, nil
}

func (l *ledger) set(asset string, s ingest.JobStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[asset] = s
}

// rig is the real services on the embedded engine, and a client of them.
type rig struct {
	t       *testing.T
	jobs    *ledger
	blobs   *embed.Blobs
	catalog *catalog.Service
	handler http.Handler // of the server; tests may wrap it before they ask
	client  *client.Client
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	db, err := embed.OpenStores(t.Context(), filepath.Join(dir, "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := embed.OpenBlobs(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	r := &rig{t: t, jobs: &ledger{jobs: map[string]ingest.JobStatus{}}, blobs: blobs}
	in, err := ingest.New(ingest.Config{Store: &embed.Ingest{DB: db}, Blobs: blobs, Jobs: r.jobs, Dir: filepath.Join(dir, "uploads"),
		MaxBytes: 1 << 20, Poll: 2 * time.Millisecond, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	api := web.NewAPI("test", log)
	if err := in.Register(api); err != nil {
		t.Fatal(err)
	}
	r.catalog = &catalog.Service{Store: &embed.Catalog{DB: db}, Assets: in, Log: log}
	r.catalog.Register(api)
	keys := &keyring.Keys{Registry: &embed.Registry{DB: db}, Root: keyring.RootKey{1}}
	(&playback.Service{Assets: in, Keys: keys, Blobs: blobs, Edge: "http://edge"}).Register(api)
	r.handler = api
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.handler.ServeHTTP(w, req) }))
	t.Cleanup(server.Close)
	r.client = client.New(server.URL+"/", "")
	r.client.Pause, r.client.Patience = time.Millisecond, 10*time.Second
	return r
}

// file is a master of some bytes.
func (r *rig) file(content string) string {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "film.mp4")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func TestFromUploadToDeletion(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	body := strings.Repeat("weir", 1000)
	var last [2]int64
	id, err := r.client.Upload(ctx, r.file(body), "My film", func(sent, total int64) { last = [2]int64{sent, total} })
	if err != nil || last != [2]int64{4000, 4000} {
		t.Fatalf("Upload = %q, %v; progress ended at %v", id, err, last)
	}
	st, err := r.client.Asset(ctx, id)
	if err != nil || st.State != "queued" || st.Title != "My film" || st.Master.Name != "film.mp4" || len(st.Master.SHA256) != 64 {
		t.Errorf("Asset = %+v, %v", st, err)
	}
	if _, err := r.client.Playback(ctx, id); weir.KindOf(err) != weir.Conflict || !strings.Contains(err.Error(), "queued") {
		t.Errorf("Playback before there is anything = %v, want conflict", err)
	}
	r.jobs.set(id, ingest.JobStatus{State: weir.JobDone, Segments: 2, TotalSegments: 2})
	r.putHead(id)
	if p, err := r.client.Playback(ctx, id); err != nil || !strings.HasPrefix(p.HLS, "http://edge/t/"+p.Ticket+"/"+id) || p.State != "complete" {
		t.Errorf("Playback = %+v, %v", p, err)
	}
	f, err := weir.NewFact(time.Now(), weir.FactMasterReady, "ingest", weir.DefaultOrganisation, id, 2, weir.Asset{ID: id, Title: "My film"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.catalog.Apply(ctx, f); err != nil {
		t.Fatal(err)
	}
	if list, err := r.client.Titles(ctx, ""); err != nil || len(list.Items) != 1 || list.Items[0].Name != "My film" || list.Next != "" {
		t.Errorf("Titles = %+v, %v", list, err)
	}
	if err := r.client.DeleteAsset(ctx, id); err != nil {
		t.Errorf("DeleteAsset = %v", err)
	}
	if err := r.client.DeleteAsset(ctx, id); weir.KindOf(err) != weir.Gone {
		t.Errorf("second DeleteAsset = %v, want gone", err)
	}
}

func (r *rig) putHead(asset string) {
	r.t.Helper()
	b, err := weir.EncodeHead(weir.Head{Version: 1, Organisation: weir.DefaultOrganisation, Asset: asset, Revision: 1, State: weir.Complete,
		FirstSegment: 1, TargetDuration: 4, Duration: weir.Rational{Num: 8, Den: 1}})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.blobs.Put(r.t.Context(), weir.HeadKey(weir.DefaultOrganisation, asset, 1), strings.NewReader(string(b)), weir.PutOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	r := newRig(t)
	if _, err := r.client.Asset(t.Context(), "nothing"); weir.KindOf(err) != weir.NotFound || err.Error() != "There is no such asset." {
		t.Errorf("Asset = %v", err)
	}
	if _, err := r.client.Upload(t.Context(), r.file(""), "", nil); weir.KindOf(err) != weir.Unprocessable {
		t.Errorf("Upload of an empty file = %v, want unprocessable", err)
	}
	if _, err := r.client.Upload(t.Context(), r.file(strings.Repeat("x", 1<<20+1)), "", nil); weir.KindOf(err) != weir.TooLarge {
		t.Errorf("Upload of a large file = %v, want too large", err)
	}
	if _, err := r.client.Upload(t.Context(), t.TempDir(), "", nil); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Upload of a folder = %v, want invalid", err)
	}
	if _, err := r.client.Upload(t.Context(), "/no/such/file", "", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Upload of no file = %v", err)
	}
	f := func(status int, body string, kind weir.Kind) {
		t.Helper()
		r.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
		if _, err := r.client.Asset(t.Context(), "a"); weir.KindOf(err) != kind || err == nil || err.Error() == "" {
			t.Errorf("answered %d %s: %v (%s), want %s", status, body, err, weir.KindOf(err), kind)
		}
	}
	f(507, `{"type":"https://weir.stream/problems/full","detail":"Full."}`, weir.Full)
	f(502, "<html>Bad Gateway", weir.Unavailable)
	f(401, "", weir.Unauthenticated)
	f(413, "", weir.TooLarge)
	f(418, "", weir.Invalid)
	f(500, "", weir.Internal)
	f(200, "<html>", weir.Internal)
}

func TestTheTokenIsSent(t *testing.T) {
	r := newRig(t)
	inner := r.handler
	r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s %s has Authorization %q", req.Method, req.URL.Path, req.Header.Get("Authorization"))
		}
		inner.ServeHTTP(w, req)
	})
	r.client.Token = "secret"
	id, err := r.client.Upload(t.Context(), r.file("abc"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.jobs.set(id, ingest.JobStatus{State: weir.JobDone})
	if _, err := r.client.Watch(t.Context(), id, nil); err != nil {
		t.Errorf("Watch = %v", err)
	}
}

func TestNoServer(t *testing.T) {
	c := client.New("http://127.0.0.1:1", "")
	if _, err := c.Asset(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("Asset = %v", err)
	}
	if _, err := client.New("::", "").Asset(t.Context(), "a"); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Asset of a bad address = %v, want invalid", err)
	}
	c.Patience = time.Nanosecond
	if _, err := c.Watch(t.Context(), "a", nil); err == nil {
		t.Error("Watch of no server ends without an error")
	}
}

// breaking makes the first PATCHes end as breaks say; those after them are answered.
func (r *rig) breaking(breaks ...func(http.Handler, http.ResponseWriter, *http.Request)) {
	inner, n := r.handler, 0
	var mu sync.Mutex
	r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		i := n
		if req.Method == http.MethodPatch {
			n++
		}
		mu.Unlock()
		if req.Method == http.MethodPatch && i < len(breaks) {
			breaks[i](inner, w, req)
			return
		}
		inner.ServeHTTP(w, req)
	})
}

func TestUploadGoesOnWhereItBroke(t *testing.T) {
	r := newRig(t)
	body := strings.Repeat("0123456789", 10_000)
	r.breaking(
		func(inner http.Handler, w http.ResponseWriter, req *http.Request) { // some bytes arrive
			req.Body = http.MaxBytesReader(w, req.Body, 12_345)
			inner.ServeHTTP(w, req)
			panic(http.ErrAbortHandler)
		},
		func(http.Handler, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, // none arrives
		func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		func(inner http.Handler, _ http.ResponseWriter, req *http.Request) { // all arrive, the answer does not
			inner.ServeHTTP(httptest.NewRecorder(), req)
			panic(http.ErrAbortHandler)
		},
	)
	id, err := r.client.Upload(t.Context(), r.file(body), "", nil)
	if err != nil {
		t.Fatalf("Upload = %v", err)
	}
	if st, err := r.client.Asset(t.Context(), id); err != nil || st.State != "queued" || st.Master.Size != int64(len(body)) {
		t.Errorf("Asset = %+v, %v", st, err)
	}
}

func TestUploadGivesUp(t *testing.T) {
	r := newRig(t)
	inner := r.handler
	r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			inner.ServeHTTP(w, req)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	r.client.Patience = 20 * time.Millisecond
	id, err := r.client.Upload(t.Context(), r.file("abc"), "", nil)
	if weir.KindOf(err) != weir.Unavailable || !weir.ValidID(id) {
		t.Errorf("Upload = %q, %v, want an id and unavailable", id, err)
	}
}

// A file that changes while it is sent is found out by its hash.
func TestAChangedFileIsRefused(t *testing.T) {
	r := newRig(t)
	path := r.file("abc")
	inner := r.handler
	r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			if err := os.WriteFile(path, []byte("abd"), 0o600); err != nil {
				t.Error(err)
			}
		}
		inner.ServeHTTP(w, req)
	})
	if id, err := r.client.Upload(t.Context(), path, "", nil); weir.KindOf(err) != weir.Unprocessable || !weir.ValidID(id) {
		t.Errorf("Upload = %q, %v, want an id and unprocessable", id, err)
	}
}

func TestWatchConnectsAgain(t *testing.T) {
	r := newRig(t)
	id, err := r.client.Upload(t.Context(), r.file("abc"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	inner, n := r.handler, 0
	r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch n++; n {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			_, _ = w.Write([]byte(": hello\n\nevent: status\ndata: {\"state\":\"probing\"}\n\nevent: status\ndata: {\"sta"))
		default:
			inner.ServeHTTP(w, req)
		}
	})
	var states []string
	st, err := r.client.Watch(t.Context(), id, func(s client.Status) {
		states = append(states, s.State)
		if s.State == "queued" {
			r.jobs.set(id, ingest.JobStatus{State: weir.JobFailed, Reason: "why"})
		}
	})
	if err != nil || st.State != "failed" || st.Reason != "why" {
		t.Errorf("Watch = %+v, %v", st, err)
	}
	if diff := cmp.Diff([]string{"probing", "queued", "failed"}, states); diff != "" {
		t.Errorf("states, -want +got:\n%s", diff)
	}
	if err := r.client.DeleteAsset(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Watch(t.Context(), id, nil); weir.KindOf(err) != weir.Gone {
		t.Errorf("Watch of a deleted asset = %v, want gone", err)
	}
}

func TestContextEndsEverything(t *testing.T) {
	r := newRig(t)
	id, err := r.client.Upload(t.Context(), r.file("abc"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := r.client.Watch(ctx, id, func(client.Status) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("Watch = %v, want canceled", err)
	}
	if _, err := r.client.Upload(ctx, r.file("abc"), "", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Upload = %v, want canceled", err)
	}
}

func FuzzReadEvents(f *testing.F) {
	for _, seed := range []string{"event: status\ndata: {}\n\n", ": c\n\ndata:a\ndata: b\n\n", "data\n\n", "event:x\n\n", "\r\n\r\n", "data: unfinished"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		total := 0
		_ = client.ReadEvents(strings.NewReader(text), func(name string, data []byte) error {
			total += len(name) + len(data)
			return nil
		})
		if total > 2*len(text) {
			t.Errorf("events of %d bytes were read from %d", total, len(text))
		}
	})
}
