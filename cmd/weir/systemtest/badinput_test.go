package systemtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// write makes a file of the test's own.
func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// synth makes a file with ffmpeg from lavfi sources and options.
func synth(t *testing.T, name string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	tool(t, "ffmpeg", append(append([]string{"-nostdin", "-v", "error"}, args...), file)...)
	return file
}

// Each master that cannot be used ends with exit code 2 and a sentence, and the process stays up.
func TestRefusedMasters(t *testing.T) {
	s := serve(t, t.TempDir())
	whole, err := os.ReadFile(clip(t, 6, "320x180", 25))
	if err != nil {
		t.Fatal(err)
	}
	secret := write(t, "secret.txt", []byte("secret"))
	f := func(name, file, sentence string) {
		t.Helper()
		code, out, errOut := weir(t, "ingest", file, "--server", s.Listen)
		if code != 2 || !strings.Contains(strings.ToLower(errOut), sentence) {
			t.Errorf("%s: exit code %d, want 2 and %q\n%s%s", name, code, sentence, out, errOut)
		}
	}
	f("zero bytes", write(t, "zero.mp4", nil), "empty")
	f("text", write(t, "text.mp4", []byte(strings.Repeat("this is no film\n", 200))), "not")
	f("truncated", write(t, "cut.mp4", whole[:len(whole)*6/10]), "cut off")
	f("playlist", write(t, "list.mp4", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://"+secret+"\n#EXT-X-ENDLIST\n")), "playlist")
	f("one pixel", synth(t, "one.mkv", "-f", "lavfi", "-i", "color=size=4x4:duration=1", "-vf", "format=gray,crop=1:1:0:0:exact=1", "-c:v", "ffv1"), "1x1")
	f("too wide", synth(t, "wide.mkv", "-f", "lavfi", "-i", "color=size=10000x16:duration=0.2", "-c:v", "ffv1"), "10000")
	fetch(t, s.Admin+"/livez", 200)
	s.stop()
}

// tus starts an upload and returns its URL and asset id.
func (s *server) tus(length int, metadata map[string]string) (*http.Response, string) {
	s.t.Helper()
	var meta []string
	for k, v := range metadata {
		meta = append(meta, k+" "+base64.StdEncoding.EncodeToString([]byte(v)))
	}
	resp := s.do("POST", s.Listen+"/v1/uploads", nil, map[string]string{"Tus-Resumable": "1.0.0",
		"Upload-Length": fmt.Sprint(length), "Upload-Metadata": strings.Join(meta, ",")})
	return resp, resp.Header.Get("Weir-Asset")
}

func (s *server) patch(asset string, offset int, body []byte) *http.Response {
	s.t.Helper()
	return s.do("PATCH", s.Listen+"/v1/uploads/"+asset, body, map[string]string{"Tus-Resumable": "1.0.0",
		"Upload-Offset": fmt.Sprint(offset), "Content-Type": "application/offset+octet-stream"})
}

// do sends a request and reads its whole answer; the body is replaced by a reader of it.
func (s *server) do(method, target string, body []byte, header map[string]string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(string(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	client := http.Client{Timeout: 2 * time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(b)))
	return resp
}

// problem is the sentence of a problem+json answer.
func problem(t *testing.T, resp *http.Response) string {
	t.Helper()
	var p struct{ Detail string }
	if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/problem+json") {
		t.Errorf("%s %s: content type %q, want problem+json", resp.Request.Method, resp.Request.URL.Path, ct)
	}
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Detail == "" {
		t.Errorf("%s %s: no sentence in the answer (%v)", resp.Request.Method, resp.Request.URL.Path, err)
	}
	return p.Detail
}

func TestUploads(t *testing.T) {
	s := serve(t, t.TempDir())
	master, err := os.ReadFile(clip(t, 2, "320x180", 25))
	if err != nil {
		t.Fatal(err)
	}
	resp, asset := s.tus(len(master), map[string]string{"filename": "x.mp4", "sha256": strings.Repeat("0", 64)})
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("creation = %d", resp.StatusCode)
	}
	if resp := s.patch(asset, 0, master); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("wrong sha256: %d, want 422", resp.StatusCode)
	} else if p := problem(t, resp); !strings.Contains(p, "SHA-256") {
		t.Errorf("wrong sha256: %q", p)
	}
	// An interrupted upload resumes where it stopped.
	_, asset = s.tus(len(master), map[string]string{"filename": "x.mp4"})
	if resp := s.patch(asset, 0, master[:1000]); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("first part = %d", resp.StatusCode)
	}
	if resp := s.patch(asset, 500, master[500:]); resp.StatusCode != http.StatusConflict {
		t.Errorf("wrong offset = %d, want 409", resp.StatusCode)
	}
	head := s.do("HEAD", s.Listen+"/v1/uploads/"+asset, nil, map[string]string{"Tus-Resumable": "1.0.0"})
	if got := head.Header.Get("Upload-Offset"); got != "1000" {
		t.Fatalf("Upload-Offset = %q, want 1000", got)
	}
	if resp := s.patch(asset, 1000, master[1000:]); resp.StatusCode != http.StatusNoContent {
		t.Errorf("the rest = %d, want 204", resp.StatusCode)
	}
	s.waitState(asset, "complete")
	s.stop()
}

// waitState follows the asset's events, which end when its state is final, and wants that state.
func (s *server) waitState(asset, state string) {
	s.t.Helper()
	resp := s.do("GET", s.Listen+"/v1/assets/"+asset+"/events", nil, nil)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(b), `"state":"`+state+`"`) {
		s.t.Fatalf("asset %s is not %s: %s", asset, state, tail(string(b), 1000))
	}
}

// Disk full, on a file system of 48 MB: refused before bytes are taken; and when it fills during the encode, the job
// ends with its reason, and the process goes on.
func TestDiskFull(t *testing.T) {
	data := t.TempDir()
	tool(t, "mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", data)
	t.Cleanup(func() {
		if err := unix.Unmount(data, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s := serve(t, data, "--free-floor", "8MiB")
	resp, _ := s.tus(44<<20, map[string]string{"filename": "big.mp4"})
	if resp.StatusCode != http.StatusInsufficientStorage {
		t.Fatalf("upload of 44 MB = %d, want 507", resp.StatusCode)
	}
	problem(t, resp)
	master, err := os.ReadFile(synth(t, "noise.mp4", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=20,noise=alls=60:allf=t",
		"-c:v", "libx264", "-preset", "ultrafast", "-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", "-pix_fmt", "yuv420p"))
	if err != nil {
		t.Fatal(err)
	}
	_, asset := s.tus(len(master), map[string]string{"filename": "noise.mp4"})
	if resp := s.patch(asset, 0, master); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("upload = %d", resp.StatusCode)
	}
	ballast := filepath.Join(data, "ballast")
	var st unix.Statfs_t
	if err := unix.Statfs(data, &st); err != nil {
		t.Fatal(err)
	}
	tool(t, "fallocate", "-l", fmt.Sprint(int64(st.Bavail)*st.Bsize-(2<<20)), ballast)
	s.waitState(asset, "failed")
	if status := string(fetch(t, s.Listen+"/v1/assets/"+asset, 200)); !strings.Contains(status, "disk is full") {
		t.Errorf("the reason does not say that the disk is full: %s", status)
	}
	fetch(t, s.Admin+"/livez", 200)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.ingest(clip(t, 2, "320x180", 25))
	s.stop()
}

// What an edge refuses, each with its status and a sentence.
func TestEdgeRefusals(t *testing.T) {
	s := serve(t, t.TempDir())
	got := s.ingest(clip(t, 2, "320x180", 25))
	u, err := url.Parse(got.HLS)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(u.Path, "/") // "", t, ticket, asset, rev, form, hls, main.m3u8
	ticket := parts[2]
	forged := ticket[:20] + map[bool]string{true: "B", false: "A"}[ticket[20] == 'A'] + ticket[21:]
	f := func(path string, want ...int) {
		t.Helper()
		status, body := raw(t, u.Host, path, "")
		for _, w := range want {
			if status == w && strings.Contains(body, `"detail":`) {
				return
			}
		}
		t.Errorf("GET %s = %d, want one of %v with a sentence\n%.300s", path, status, want, body)
	}
	asset := "/t/" + ticket + "/" + got.Asset
	f("/t/"+forged+"/"+got.Asset+"/1/clear/hls/main.m3u8", 401)
	f("/t/nonsense/"+got.Asset+"/1/clear/hls/main.m3u8", 401)
	f("/t/"+ticket+"/00000000000000000000000000/1/clear/hls/main.m3u8", 403)
	f(asset+"/2/clear/hls/main.m3u8", 404)
	f(asset+"/1/cbcs/hls/main.m3u8", 404)
	f(asset+"/1/clear/hls/none.m3u8", 404)
	f(asset+"/1/clear/../../../../etc/passwd", 400, 404)
	f(asset+"/1/clear/%2e%2e/%2e%2e/heads/1.json", 400, 404)
	f(asset+"/1//clear/hls/main.m3u8", 400, 404)
	l := strings.Replace(got.HLS, "hls/main.m3u8", "poster.jpg", 1)
	lu, _ := url.Parse(l)
	if status, body := raw(t, u.Host, lu.Path, "Range: bytes=99999999-\r\n"); status != 416 {
		t.Errorf("range past the end = %d, want 416\n%.300s", status, body)
	}
	code, _, errOut := weir(t, "delete", got.Asset, "--server", s.Listen)
	if code != 0 {
		t.Fatalf("weir delete: %d %s", code, errOut)
	}
	deadline := time.Now().Add(15 * time.Second)
	for status := 0; status != 410; status, _ = raw(t, u.Host, u.Path, "") {
		if time.Now().After(deadline) {
			t.Fatalf("deleted asset answers %d, want 410", status)
		}
	}
	s.stop()
}

// raw sends a request line exactly as written, which net/http would not.
func raw(t *testing.T, host, path, header string) (status int, body string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.Replace(host, "localhost", "127.0.0.1", 1), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", path, host, header)
	b, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(b), "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("answer %.100q: %v", b, err)
	}
	_, body, _ = strings.Cut(string(b), "\r\n\r\n")
	return status, body
}

// A master without sound is published without an audio group; one without a picture as an audio presentation.
func TestOneKindOnly(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data)
	silent := s.ingest(synth(t, "silent.mp4", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=6", "-pix_fmt", "yuv420p"))
	verify(t, data, silent)
	if main := string(fetch(t, silent.HLS, 200)); strings.Contains(main, "AUDIO") {
		t.Errorf("a master without sound has an audio group:\n%s", main)
	}
	sound := s.ingest(synth(t, "sound.m4a", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=10", "-c:a", "aac"))
	l := verify(t, data, sound)
	if len(l.head.Tracks) != 1 || l.head.Tracks[0].Kind != "audio" {
		t.Errorf("a master without a picture has tracks %+v", l.head.Tracks)
	}
	s.stop()
}
