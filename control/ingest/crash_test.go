package ingest_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
)

// crashAt makes a service break off its request at a point, the first time it comes there.
func crashAt(point string) func(*ingest.Config) {
	crashed := false
	return func(c *ingest.Config) {
		c.At = func(p string) {
			if p == point && !crashed {
				crashed = true
				panic(http.ErrAbortHandler)
			}
		}
	}
}

// cut sends a PATCH that the server breaks off.
func (r *rig) cut(id string, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "PATCH", r.url+"/v1/uploads/"+id, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, h := range [][2]string{{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", "0"}, {"Content-Type", "application/offset+octet-stream"}} {
		req.Header.Set(h[0], h[1])
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		r.t.Fatalf("PATCH was answered %d", resp.StatusCode)
	}
}

func TestFinishSurvivesACrashAtEveryPoint(t *testing.T) {
	for _, point := range []string{"ingest.before-master-put", "ingest.after-master-put", "ingest.before-received", "ingest.after-received"} {
		t.Run(point, func(t *testing.T) {
			body := strings.Repeat("abc", 1000)
			r := newRig(t, crashAt(point))
			id := r.create(len(body), "sha256 "+b64(sumOf(body)))
			r.cut(id, body)
			r.start(nil)
			if err := r.service.Sweep(t.Context()); err != nil {
				t.Fatalf("Sweep = %v", err)
			}
			if st := r.status(id); st.State != ingest.StateQueued || st.Master.SHA256 != sumOf(body) || r.master(id) != body {
				t.Errorf("status = %+v", st)
			}
			if diff := cmp.Diff([]string{weir.FactMasterReady + " 2"}, r.facts()); diff != "" {
				t.Errorf("facts, -want +got:\n%s", diff)
			}
			if left := r.uploadsLeft(); len(left) != 0 {
				t.Errorf("files left: %v", left)
			}
		})
	}
}

// A client that comes before the sweep has its upload finished by asking.
func TestHeadFinishesWhatACrashCut(t *testing.T) {
	r := newRig(t, crashAt("ingest.after-master-put"))
	id := r.create(3, "sha256 "+b64(sumOf("abc")))
	r.cut(id, "abc")
	r.start(nil)
	if a := r.ask("HEAD", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0"); a.status != 200 || a.header.Get("Upload-Offset") != "3" {
		t.Errorf("HEAD = %d %v", a.status, a.header)
	}
	if st := r.status(id); st.State != ingest.StateQueued {
		t.Errorf("status = %+v", st)
	}
}

func TestUploadResumesAfterACrashInItsMiddle(t *testing.T) {
	body := strings.Repeat("abcdefgh", 50_000)
	r := newRig(t, crashAt("ingest.mid-upload"))
	id := r.create(len(body), "sha256 "+b64(sumOf(body)))
	r.cut(id, body)
	r.start(nil)
	if err := r.service.Sweep(t.Context()); err != nil {
		t.Fatalf("Sweep = %v", err)
	}
	a := r.ask("HEAD", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0")
	offset, err := strconv.Atoi(a.header.Get("Upload-Offset"))
	if err != nil || offset >= len(body) {
		t.Fatalf("HEAD = %d %v", a.status, a.header)
	}
	if a := r.patch(id, offset, body[offset:]); a.status != http.StatusNoContent || r.master(id) != body {
		t.Errorf("PATCH of the rest = %d %s", a.status, a.body)
	}
}

func TestAbandonedUploadsExpire(t *testing.T) {
	r := newRig(t, nil)
	old, fresh, lost := r.create(10, ""), r.create(10, ""), r.create(10, "")
	r.patch(old, 0, "abc")
	r.now = time.Now().Add(25 * time.Hour)
	if err := os.Chtimes(filepath.Join(r.dir, "uploads", fresh), r.now, r.now); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.dir, "uploads", lost)); err != nil {
		t.Fatal(err)
	}
	if err := r.service.Sweep(t.Context()); err != nil {
		t.Fatalf("Sweep = %v", err)
	}
	for id, want := range map[string]ingest.State{old: ingest.StateFailed, fresh: ingest.StateUploading, lost: ingest.StateFailed} {
		if st := r.status(id); st.State != want {
			t.Errorf("state of %s = %s, want %s", id, st.State, want)
		}
	}
	if a := r.patch(old, 3, "x"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "abandoned") {
		t.Errorf("PATCH of an expired upload = %d %s", a.status, a.body)
	}
	if diff := cmp.Diff([]string{fresh, fresh + ".info"}, r.uploadsLeft()); diff != "" {
		t.Errorf("files, -want +got:\n%s", diff)
	}
}

func TestSweepRemovesFilesOfNothing(t *testing.T) {
	r := newRig(t, nil)
	path := filepath.Join(r.dir, "uploads", "orphan")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.service.Sweep(t.Context()); err != nil || len(r.uploadsLeft()) != 1 {
		t.Errorf("Sweep = %v; files left: %v, want the young orphan", err, r.uploadsLeft())
	}
	r.now = time.Now().Add(2 * time.Hour)
	if err := r.service.Sweep(t.Context()); err != nil || len(r.uploadsLeft()) != 0 {
		t.Errorf("Sweep = %v; files left: %v, want none", err, r.uploadsLeft())
	}
}

// An asset deleted while its master is made: the master goes too.
func TestDeletionDuringTheFinish(t *testing.T) {
	for _, at := range []string{"ingest.before-master-put", "ingest.after-master-put"} {
		t.Run(at, func(t *testing.T) {
			var r *rig
			r = newRig(t, func(c *ingest.Config) {
				c.At = func(point string) {
					if point == at {
						r.deleteUploading(c.Store)
					}
				}
			})
			id := r.create(3, "")
			if a := r.patch(id, 0, "abc"); a.status != http.StatusGone {
				t.Errorf("last PATCH = %d %s, want 410", a.status, a.body)
			}
			if left := r.uploadsLeft(); r.master(id) != "" || len(left) != 0 {
				t.Errorf("the master %q of a deleted asset is stored; files left: %v", r.master(id), left)
			}
			if diff := cmp.Diff([]string{weir.FactAssetDeleted + " 2"}, r.facts()); diff != "" {
				t.Errorf("facts, -want +got:\n%s", diff)
			}
		})
	}
}

// deleteUploading deletes the one asset that is being uploaded.
func (r *rig) deleteUploading(store ingest.Store) {
	list, err := store.Uploading(r.t.Context(), "", 2)
	if err != nil || len(list) != 1 {
		r.t.Errorf("Uploading = %v, %v", list, err)
		return
	}
	if err := r.service.Delete(r.t.Context(), weir.DefaultOrganisation, list[0].Asset.ID); err != nil {
		r.t.Errorf("Delete = %v", err)
	}
}

// A deletion breaks off the request that is sending bytes: they would fill the disk for nothing.
func TestDeletionInterruptsTheUpload(t *testing.T) {
	arrived := make(chan struct{})
	r := newRig(t, func(c *ingest.Config) {
		c.At = func(point string) {
			if point == "ingest.mid-upload" {
				close(arrived)
			}
		}
	})
	id := r.create(100, "")
	body, sender := io.Pipe() // never ends by itself
	sent := make(chan answer, 1)
	go func() {
		defer close(sent) // also when ask gives the test up
		sent <- r.ask("PATCH", "/v1/uploads/"+id, body, "Tus-Resumable", "1.0.0", "Upload-Offset", "0",
			"Content-Type", "application/offset+octet-stream")
	}()
	if _, err := sender.Write(make([]byte, 60)); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if a := r.ask("DELETE", "/v1/assets/"+id, nil); a.status != http.StatusNoContent {
		t.Errorf("DELETE = %d %s", a.status, a.body)
	}
	if a := <-sent; a.status < 400 {
		t.Errorf("PATCH = %d %s, want it broken off", a.status, a.body)
	}
	if left := r.uploadsLeft(); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
	if a := r.ask("HEAD", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0"); a.status != http.StatusGone {
		t.Errorf("HEAD = %d, want 410", a.status)
	}
}

// refusing is Blobs that are full.
type refusing struct{ weir.Blobs }

// Put refuses.
func (refusing) Put(context.Context, string, io.Reader, weir.PutOptions) (weir.ObjectInfo, error) {
	return weir.ObjectInfo{}, weir.Errorf(weir.Full, "no room")
}

// An upload that cannot be stored is kept and tried again, until it expires.
func TestMastersThatCannotBeStored(t *testing.T) {
	r := newRig(t, func(c *ingest.Config) { c.Blobs = refusing{c.Blobs} })
	id, other := r.create(3, ""), r.create(3, "")
	for _, u := range []string{id, other} {
		if a := r.patch(u, 0, "abc"); a.status != http.StatusInsufficientStorage {
			t.Errorf("last PATCH = %d %s, want 507", a.status, a.body)
		}
	}
	if err := r.service.Sweep(t.Context()); weir.KindOf(err) != weir.Full {
		t.Errorf("Sweep = %v, want full", err)
	}
	r.now = time.Now().Add(25 * time.Hour)
	for _, name := range []string{other, other + ".info"} {
		if err := os.Chtimes(filepath.Join(r.dir, "uploads", name), r.now, r.now); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.service.Sweep(t.Context()); weir.KindOf(err) != weir.Full {
		t.Errorf("Sweep = %v, want full", err)
	}
	if st := r.status(id); st.State != ingest.StateFailed || !strings.Contains(st.Reason, "could not store") {
		t.Errorf("status after it expired = %+v", st)
	}
	r.start(nil) // there is room again
	if err := r.service.Sweep(t.Context()); err != nil || r.status(other).State != ingest.StateQueued || r.master(other) != "abc" {
		t.Errorf("Sweep = %v; status = %+v", err, r.status(other))
	}
}
