package ingest_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestUploadBecomesReceived(t *testing.T) {
	r := newRig(t, nil)
	body := strings.Repeat("weir ", 1000)
	id := r.create(len(body), "filename "+b64("C:\\films\\my film.mp4")+",sha256 "+b64(sumOf(body)))
	if a := r.patch(id, 0, body[:1234]); a.status != http.StatusNoContent || a.header.Get("Upload-Offset") != "1234" {
		t.Fatalf("first PATCH = %d %s", a.status, a.body)
	}
	if st := r.status(id); st.State != ingest.StateUploading || st.Progress != 1234.0/5000 || st.Title != "my film" {
		t.Errorf("status in between = %+v", st)
	}
	if a := r.ask("HEAD", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0"); a.status != 200 || a.header.Get("Upload-Offset") != "1234" || a.header.Get("Upload-Length") != "5000" {
		t.Errorf("HEAD = %d %v", a.status, a.header)
	}
	if a := r.patch(id, 1234, body[1234:]); a.status != http.StatusNoContent {
		t.Fatalf("last PATCH = %d %s", a.status, a.body)
	}
	if r.master(id) != body {
		t.Error("the master is not what was sent")
	}
	st := r.status(id)
	if st.State != ingest.StateQueued || st.Master != (ingest.MasterInfo{Name: "my film.mp4", Size: 5000, SHA256: sumOf(body)}) {
		t.Errorf("status = %+v", st)
	}
	if diff := cmp.Diff([]string{weir.FactMasterReady + " 2"}, r.facts()); diff != "" {
		t.Errorf("facts, -want +got:\n%s", diff)
	}
	if left := r.uploadsLeft(); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
	// A client whose last answer was lost asks again.
	if a := r.ask("HEAD", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0"); a.status != 200 || a.header.Get("Upload-Offset") != "5000" {
		t.Errorf("HEAD after the end = %d %v", a.status, a.header)
	}
	if a := r.patch(id, 5000, ""); a.status != http.StatusNoContent {
		t.Errorf("PATCH after the end = %d %s", a.status, a.body)
	}
	if a := r.ask("DELETE", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0"); a.status != http.StatusConflict {
		t.Errorf("termination after the end = %d %s", a.status, a.body)
	}
}

func TestUploadWithCreation(t *testing.T) {
	r := newRig(t, nil)
	a := r.ask("POST", "/v1/uploads", strings.NewReader("abc"), "Tus-Resumable", "1.0.0", "Upload-Length", "3",
		"Content-Type", "application/offset+octet-stream")
	id := a.header.Get("Weir-Asset")
	if a.status != http.StatusCreated || a.header.Get("Upload-Offset") != "3" || r.master(id) != "abc" {
		t.Errorf("POST with bytes = %d %v %s", a.status, a.header, a.body)
	}
	if st := r.status(id); st.State != ingest.StateQueued || st.Title != "Untitled" {
		t.Errorf("status = %+v", st)
	}
}

func TestUploadRefusals(t *testing.T) {
	r := newRig(t, nil)
	tus := []string{"Tus-Resumable", "1.0.0"}
	id := r.create(10, "")
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		want                     string
	}{
		{"no version", "POST", "/v1/uploads", "", []string{"Upload-Length", "3"}, 412, "Tus-Resumable"},
		{"no length", "POST", "/v1/uploads", "", tus, 400, "Upload-Length"},
		{"deferred length", "POST", "/v1/uploads", "", append(tus, "Upload-Defer-Length", "1"), 400, "Upload-Length"},
		{"negative length", "POST", "/v1/uploads", "", append(tus, "Upload-Length", "-1"), 400, "Upload-Length"},
		{"empty", "POST", "/v1/uploads", "", append(tus, "Upload-Length", "0"), 422, "The file is empty."},
		{"too large", "POST", "/v1/uploads", "", append(tus, "Upload-Length", "1048577"), 413, "larger than this server accepts"},
		{"bad metadata", "POST", "/v1/uploads", "", append(tus, "Upload-Length", "3", "Upload-Metadata", "filename !!"), 400, "Upload-Metadata"},
		{"bad sha256", "POST", "/v1/uploads", "", append(tus, "Upload-Length", "3", "Upload-Metadata", "sha256 "+b64("abc")), 400, "sha256"},
		{"unknown upload", "HEAD", "/v1/uploads/nothing", "", tus, 404, ""},
		{"unknown upload", "PATCH", "/v1/uploads/nothing", "x", append(tus, "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"), 404, "no such asset"},
		{"escaping id", "PATCH", "/v1/uploads/..%2f..%2fstores.db", "x", append(tus, "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"), 404, "no such asset"},
		{"wrong type", "PATCH", "/v1/uploads/" + id, "x", append(tus, "Upload-Offset", "0"), 400, "offset+octet-stream"},
		{"wrong offset", "PATCH", "/v1/uploads/" + id, "x", append(tus, "Upload-Offset", "5", "Content-Type", "application/offset+octet-stream"), 409, "Ask with HEAD"},
		{"no offset", "PATCH", "/v1/uploads/" + id, "x", append(tus, "Content-Type", "application/offset+octet-stream"), 400, "Upload-Offset"},
		{"too many bytes", "PATCH", "/v1/uploads/" + id, "12345678901", append(tus, "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"), 413, "More bytes"},
		{"download", "GET", "/v1/uploads/" + id, "", tus, 405, "GET"},
		{"another method under POST", "POST", "/v1/uploads/" + id, "", append(tus, "X-HTTP-Method-Override", "DELETE"), 405, "POST"},
	} {
		a := r.ask(c.method, c.path, strings.NewReader(c.body), c.header...)
		if a.status != c.status || !strings.Contains(a.body, c.want) || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s %s = %d %v %s, want problem %d with %q", c.name, c.method, c.path, a.status, a.header, a.body, c.status, c.want)
		}
	}
	if st := r.status(id); st.State != ingest.StateUploading || st.Progress != 0 {
		t.Errorf("refusals changed the upload: %+v", st)
	}
}

func TestUploadProtocolIsAnnounced(t *testing.T) {
	r := newRig(t, nil)
	a := r.ask("OPTIONS", "/v1/uploads", nil)
	if a.header.Get("Tus-Version") != "1.0.0" || a.header.Get("Tus-Max-Size") != "1048576" || a.header.Get("Tus-Extension") != "creation,creation-with-upload,termination" {
		t.Errorf("OPTIONS = %d %v", a.status, a.header)
	}
}

// What the page says of uploads is what the server does: each method, its answer's status and headers, and problems.
func TestUploadProtocolIsDescribed(t *testing.T) {
	r := newRig(t, nil)
	var page struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Headers map[string]any
				Content map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(r.ask("GET", "/openapi.json", nil).body), &page); err != nil {
		t.Fatal(err)
	}
	described := 0
	f := func(method, path string, a answer) {
		t.Helper()
		op := page.Paths[path][strings.ToLower(method)]
		done, ok := op.Responses[fmt.Sprint(a.status)]
		if !ok || op.Responses["default"].Content["application/problem+json"] == nil {
			t.Errorf("%s %s answers %d and is described with %v", method, path, a.status, op.Responses)
		}
		for name := range done.Headers {
			if a.header.Get(name) == "" {
				t.Errorf("%s %s is described to answer with %s, and answers %v", method, path, name, a.header)
			}
		}
		described++
	}
	version, one := []string{"Tus-Resumable", "1.0.0"}, "/v1/uploads/{id}"
	f("OPTIONS", "/v1/uploads", r.ask("OPTIONS", "/v1/uploads", nil))
	created := r.ask("POST", "/v1/uploads", strings.NewReader("a"), append(version, "Upload-Length", "3", "Content-Type", "application/offset+octet-stream")...)
	f("POST", "/v1/uploads", created)
	id := created.header.Get("Weir-Asset")
	f("HEAD", one, r.ask("HEAD", "/v1/uploads/"+id, nil, version...))
	f("PATCH", one, r.patch(id, 1, "b"))
	f("DELETE", one, r.ask("DELETE", "/v1/uploads/"+id, nil, version...))
	if got := len(page.Paths["/v1/uploads"]) + len(page.Paths[one]); got != described {
		t.Errorf("%d operations are described, want %d", got, described)
	}
	if page.Paths["/v1/assets/{id}/events"]["get"].Responses["200"].Content["text/event-stream"] == nil {
		t.Error("events are not described")
	}
}

// A PATCH whose connection breaks keeps what arrived, and the next goes on from there.
func TestUploadResumesAfterABrokenConnection(t *testing.T) {
	r := newRig(t, nil)
	body := strings.Repeat("0123456789", 100)
	id := r.create(len(body), "sha256 "+b64(sumOf(body)))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "PATCH /v1/uploads/%s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"+
		"Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n%s", id, len(body), body[:400])
	if err != nil {
		t.Fatal(err)
	}
	// Half-closed: the server sees the end of the stream, says what it thinks of it, and has then kept the bytes.
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
		_ = resp.Body.Close()
	}
	_ = conn.Close()
	a := r.ask("HEAD", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0")
	if a.header.Get("Upload-Offset") != "400" {
		t.Fatalf("HEAD after the break = %d %v, want offset 400", a.status, a.header)
	}
	if a := r.patch(id, 400, body[400:]); a.status != http.StatusNoContent || r.master(id) != body {
		t.Errorf("PATCH of the rest = %d %s", a.status, a.body)
	}
}

func TestWrongSHA256FailsTheAsset(t *testing.T) {
	r := newRig(t, nil)
	id := r.create(3, "sha256 "+b64(sumOf("abd")))
	a := r.patch(id, 0, "abc")
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "SHA-256") {
		t.Errorf("last PATCH = %d %s, want 422", a.status, a.body)
	}
	if st := r.status(id); st.State != ingest.StateFailed || !strings.Contains(st.Reason, "SHA-256") {
		t.Errorf("status = %+v", st)
	}
	if r.master(id) != "" || len(r.uploadsLeft()) != 0 || len(r.facts()) != 0 {
		t.Errorf("the bytes are still here, or a fact went out: %v %v", r.uploadsLeft(), r.facts())
	}
	if a := r.patch(id, 3, ""); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "SHA-256") {
		t.Errorf("PATCH again = %d %s, want 422", a.status, a.body)
	}
}

func TestFullDiskIsSaidBeforeBytes(t *testing.T) {
	r := newRig(t, func(c *ingest.Config) { c.Floor = 1 << 60 })
	a := r.ask("POST", "/v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "3")
	if a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "free space") {
		t.Errorf("POST = %d %s, want 507", a.status, a.body)
	}
}

func TestTerminationDeletesTheAsset(t *testing.T) {
	r := newRig(t, nil)
	id := r.create(10, "")
	r.patch(id, 0, "abc")
	if a := r.ask("DELETE", "/v1/uploads/"+id, nil, "Tus-Resumable", "1.0.0"); a.status != http.StatusNoContent {
		t.Errorf("DELETE = %d %s", a.status, a.body)
	}
	if a := r.patch(id, 3, "abc"); a.status != http.StatusGone {
		t.Errorf("PATCH after it = %d %s, want 410", a.status, a.body)
	}
	if a := r.ask("GET", "/v1/assets/"+id, nil); a.status != http.StatusGone {
		t.Errorf("GET of the asset = %d, want 410", a.status)
	}
	if left := r.uploadsLeft(); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
}
