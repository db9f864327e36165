package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/web"
)

// ledger is what a test says of jobs.
type ledger struct {
	mu   sync.Mutex
	jobs map[string]ingest.JobStatus
}

func (l *ledger) set(asset string, s ingest.JobStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[asset] = s
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

// rig is a service on the embedded engine behind a real server.
type rig struct {
	t       *testing.T
	dir     string
	db      *embed.DB
	blobs   weir.Blobs
	jobs    *ledger
	service *ingest.Service
	url     string
	now     time.Time // of the service; set before it is asked
}

// newRig starts one; edit may change its configuration.
func newRig(t *testing.T, edit func(*ingest.Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), jobs: &ledger{jobs: map[string]ingest.JobStatus{}}}
	db, err := embed.OpenStores(t.Context(), filepath.Join(r.dir, "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := embed.OpenBlobs(filepath.Join(r.dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	r.db, r.blobs = db, blobs
	r.start(edit)
	return r
}

// start makes a service over what the rig has, as a process that starts again would.
func (r *rig) start(edit func(*ingest.Config)) {
	r.t.Helper()
	log := slog.New(slog.DiscardHandler)
	c := ingest.Config{Store: &embed.Ingest{DB: r.db}, Blobs: r.blobs, Jobs: r.jobs, Dir: filepath.Join(r.dir, "uploads"),
		MaxBytes: 1 << 20, Poll: 5 * time.Millisecond, Log: log, Now: func() time.Time {
			if r.now.IsZero() {
				return time.Now()
			}
			return r.now
		}}
	if edit != nil {
		edit(&c)
	}
	service, err := ingest.New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	api := web.NewAPI("test", log)
	if err := service.Register(api); err != nil {
		r.t.Fatal(err)
	}
	server := httptest.NewServer(api)
	r.t.Cleanup(server.Close)
	r.service, r.url = service, server.URL
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request. Headers are given as name, value, name, value ...
func (r *rig) ask(method, path string, body io.Reader, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// create begins an upload and returns its asset.
func (r *rig) create(size int, metadata string) string {
	r.t.Helper()
	a := r.ask("POST", "/v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", fmt.Sprint(size), "Upload-Metadata", metadata)
	id := a.header.Get("Weir-Asset")
	if a.status != http.StatusCreated || a.header.Get("Location") != "/v1/uploads/"+id || !weir.ValidID(id) {
		r.t.Fatalf("create upload = %d %v %s", a.status, a.header, a.body)
	}
	return id
}

// patch sends bytes.
func (r *rig) patch(id string, offset int, body string) answer {
	r.t.Helper()
	return r.ask("PATCH", "/v1/uploads/"+id, strings.NewReader(body), "Tus-Resumable", "1.0.0",
		"Upload-Offset", fmt.Sprint(offset), "Content-Type", "application/offset+octet-stream")
}

// status is the asset's, by the API.
func (r *rig) status(id string) ingest.Status {
	r.t.Helper()
	a := r.ask("GET", "/v1/assets/"+id, nil)
	var st ingest.Status
	if err := json.Unmarshal([]byte(a.body), &st); err != nil || a.status != http.StatusOK {
		r.t.Fatalf("status of %s = %d %s (%v)", id, a.status, a.body, err)
	}
	return st
}

// master is the stored master, or "" if there is none.
func (r *rig) master(id string) string {
	r.t.Helper()
	rc, _, err := r.blobs.Get(r.t.Context(), weir.MasterKey(id), 0, -1, "")
	if weir.KindOf(err) == weir.NotFound {
		return ""
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = rc.Close() }()
	b, err := io.ReadAll(rc)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// facts are the types and revisions of what is in the outbox.
func (r *rig) facts() []string {
	r.t.Helper()
	rows, err := r.db.Reader().QueryContext(r.t.Context(), "SELECT fact FROM outbox ORDER BY id")
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	list := []string{}
	for rows.Next() {
		var b []byte
		var f weir.Fact
		if err := rows.Scan(&b); err != nil {
			r.t.Fatal(err)
		}
		if err := json.Unmarshal(b, &f); err != nil {
			r.t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %d", f.Type, f.Revision))
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// uploadsLeft are the names in the folder of unfinished uploads.
func (r *rig) uploadsLeft() []string {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, "uploads"))
	if err != nil {
		r.t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
