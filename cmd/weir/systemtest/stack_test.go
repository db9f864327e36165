package systemtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/engine/enginetest"
)

// stack is a whole installation on real engines: one control plane, two workers, two edges, and nginx in front with TLS.
type stack struct {
	t      *testing.T // of the fault that goes on
	whole  *testing.T // of the stack: what it starts outlives a fault
	dir    string
	config string // the file that all processes share
	url    string // of nginx
	roots  *x509.CertPool
	client *http.Client

	control, workerA, workerB *server
	edges                     map[string]*server // by address
	engines                   map[string]string  // URLs by flag
}

// flags of each role; media is fast to make, and chunks are many.
var (
	encodeFlags  = []string{"--max-height", "360", "--segment-seconds", "2", "--chunk-seconds", "4", "--slots", "1", "--lease", "2s", "--preset", "ultrafast"}
	controlFlags = []string{"--roles", "control", "--free-floor", "16MiB"}
)

// start brings everything up. Each run has its own bucket prefix, database, topics and keys, so engines can be shared.
func startStack(t *testing.T) *stack {
	s := &stack{t: t, whole: t, dir: t.TempDir(), edges: map[string]*server{}}
	id := make([]byte, 4)
	_, _ = rand.Read(id)
	name := "stack" + hex.EncodeToString(id)
	s.engines = map[string]string{
		"blobs":    s3URL(t, name),
		"stores":   newDatabase(t, name),
		"bus":      withQuery(t, enginetest.Address(t, "WEIR_TEST_KAFKA"), "prefix", name+"."),
		"cache":    withQuery(t, enginetest.Address(t, "WEIR_TEST_REDIS"), "prefix", name+":"),
		"registry": withQuery(t, enginetest.Address(t, "WEIR_TEST_CONSUL"), "prefix", name+"/"),
	}
	root := make([]byte, 32)
	_, _ = rand.Read(root)
	rootFile := filepath.Join(s.dir, "root.key")
	settings := map[string]string{"root-key": "@" + rootFile}
	for port, u := range s.engines {
		settings[port] = u
	}
	s.config = filepath.Join(s.dir, "weir.json")
	b, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{s.config: b, rootFile: []byte(hex.EncodeToString(root))} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.startNginx()
	s.startControl()
	s.workerA = s.serve("worker-a", "", append([]string{"--roles", "transcode"}, encodeFlags...)...)
	s.workerB = s.serve("worker-b", "", append([]string{"--roles", "transcode"}, encodeFlags...)...)
	for i := range 2 {
		s.startEdge(i, freePort(t), "")
	}
	conf := filepath.Join(s.dir, "nginx", "nginx.conf")
	s.awaitFile(conf)
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"access.log", "error.log"} {
				b, err := os.ReadFile(filepath.Join(s.dir, "nginx", name))
				t.Logf("nginx's %s: %v\n%s", name, err, tail(string(b), 20000))
			}
			t.Logf("control's log:\n%s", tail(s.control.log.String(), 5000))
		}
	})
	s.background("nginx", "nginx", "-c", conf, "-g", "daemon off;")
	s.awaitFront()
	return s
}

func (s *stack) serve(folder, killAt string, flags ...string) *server {
	s.t.Helper()
	var environ []string
	if killAt != "" {
		environ = []string{"WEIR_KILL_AT=" + killAt}
	}
	p, err := tryServe(s.whole, filepath.Join(s.dir, folder), environ, append([]string{"--config", s.config}, flags...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stack) startControl() {
	at := "127.0.0.1:0"
	if s.control != nil {
		at = strings.TrimPrefix(s.control.Listen, "http://")
		at = strings.Replace(at, "localhost", "127.0.0.1", 1)
	}
	host := strings.TrimPrefix(s.url, "https://")
	s.control = s.serve("control", "", append([]string{"--listen", at, "--edge-url", s.url, "--public-host", host}, controlFlags...)...)
}

func (s *stack) startEdge(i int, at, killAt string) {
	s.edges[at] = s.serve(fmt.Sprint("edge-", i), killAt, "--roles", "edge", "--edge-listen", at)
}

// startNginx starts `weir nginx`, which writes nginx's configuration from the registry.
func (s *stack) startNginx() {
	s.t.Helper()
	front := filepath.Join(s.dir, "nginx")
	if err := os.Mkdir(front, 0o755); err != nil {
		s.t.Fatal(err)
	}
	cert, key, roots := selfSigned(s.t, s.dir)
	s.roots = roots
	at := freePort(s.t)
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		s.t.Fatal(err)
	}
	s.url = "https://localhost:" + port
	conf, pid := filepath.Join(front, "nginx.conf"), filepath.Join(front, "nginx.pid")
	s.background("weir nginx", weirBin, "nginx", "--config", s.config, "--tls-listen", "127.0.0.1:"+port, "--host", "localhost",
		"--cert", cert, "--key", key, "--run-dir", front, "--out", conf, "--pid-file", pid, "--no-client-limits")
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 16}}
}

// background runs a program until the test ends.
func (s *stack) background(name, program string, args ...string) {
	s.t.Helper()
	log := &lockedBuffer{}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
			s.t.Errorf("%s did not stop", name)
		}
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", name, tail(log.String(), 3000))
		}
	})
}

// awaitFile waits until a file is there. Its folder is asked every now and then, for it is another program that writes it.
func (s *stack) awaitFile(name string) {
	s.until("file "+name, 30*time.Second, func() error {
		_, err := os.Stat(name)
		return err
	})
}

// until asks again and again until there is no error.
func (s *stack) until(what string, within time.Duration, ask func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("%s: after %v still: %v", what, within, err)
		}
	}
}

// awaitFront waits until nginx reaches the gateway and an edge.
func (s *stack) awaitFront() {
	s.until("pages through nginx", 30*time.Second, func() error { _, err := s.get(s.url+"/v1/titles", 200); return err })
	s.until("an edge behind nginx", 30*time.Second, func() error { _, err := s.get(s.url+"/t/x/y/1/clear/hls/main.m3u8", 403, 401, 404); return err })
}

// get wants one of the statuses and the whole body.
func (s *stack) get(u string, want ...int) ([]byte, error) {
	resp, err := s.client.Get(u)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", u, err)
	}
	for _, status := range want {
		if resp.StatusCode == status {
			return body, nil
		}
	}
	return body, fmt.Errorf("GET %s = %d %.200q", u, resp.StatusCode, body)
}

// environ makes commands trust nginx.
func (s *stack) environ() []string {
	return []string{"SSL_CERT_FILE=" + filepath.Join(s.dir, "cert.pem")}
}

// upload is a `weir ingest` under way.
type upload struct {
	t           *testing.T
	out, errOut bytes.Buffer
	cmd         *exec.Cmd
}

// ingest starts an upload through nginx.
func (s *stack) ingest(master, title string) *upload {
	s.t.Helper()
	u := &upload{t: s.t}
	u.cmd = exec.CommandContext(s.t.Context(), weirBin, "ingest", master, "--title", title, "--server", s.url, "--json")
	u.cmd.Env = append(os.Environ(), s.environ()...)
	u.cmd.Stdout, u.cmd.Stderr = &u.out, &u.errOut
	if err := u.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return u
}

// complete waits until the asset is; the client must have come through whatever happened.
func (u *upload) complete() ingested {
	u.t.Helper()
	if err := u.cmd.Wait(); err != nil {
		u.t.Fatalf("weir ingest: %v\n%s%s", err, u.out.String(), u.errOut.String())
	}
	var got ingested
	if err := json.Unmarshal(u.out.Bytes(), &got); err != nil {
		u.t.Fatalf("weir ingest printed %q: %v", u.out.String(), err)
	}
	return got
}

// titles maps the assets of the catalog to their states.
func (s *stack) titles() (map[string]string, error) {
	b, err := s.get(s.url+"/v1/titles?limit=100", 200)
	if err != nil {
		return nil, err
	}
	var page struct {
		Items []struct{ Asset, State string } `json:"items"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, t := range page.Items {
		out[t.Asset] = t.State
	}
	return out, nil
}

// awaitTitle waits until the catalog, which learns from facts, says that an asset is complete.
func (s *stack) awaitTitle(asset string) {
	s.t.Helper()
	s.until("title of "+asset, time.Minute, func() error {
		titles, err := s.titles()
		if err == nil && titles[asset] != "complete" {
			err = fmt.Errorf("it is %q", titles[asset])
		}
		return err
	})
}

// renditions are the ids in an asset's multivariant playlist.
func (s *stack) renditions(got ingested) []string {
	s.t.Helper()
	main, err := s.get(got.HLS, 200)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`([0-9a-z]+)\.m3u8`).FindAllStringSubmatch(string(main), -1) {
		out = append(out, m[1])
	}
	if len(out) < 2 {
		s.t.Fatalf("%s names %d playlists:\n%s", got.HLS, len(out), main)
	}
	return out
}

var segmentLine = regexp.MustCompile(`(?m)^[^#\s].*\.m4s$`)

// verifyListed reads every media playlist of an asset: every segment is there once, and can be had.
func (s *stack) verifyListed(got ingested, segments int) {
	s.t.Helper()
	for _, rendition := range s.renditions(got) {
		at := resolve(s.t, got.HLS, rendition+".m3u8")
		list, err := s.get(at, 200)
		if err != nil {
			s.t.Fatal(err)
		}
		once := map[string]bool{}
		for _, ref := range segmentLine.FindAllString(string(list), -1) {
			if once[ref] {
				s.t.Errorf("%s lists %s twice", at, ref)
			}
			once[ref] = true
			if _, err := s.get(resolve(s.t, at, ref), 200); err != nil {
				s.t.Error(err)
			}
		}
		if len(once) != segments || !strings.Contains(string(list), "#EXT-X-ENDLIST") {
			s.t.Errorf("%s lists %d segments, want %d and an end:\n%s", at, len(once), segments, list)
		}
	}
}

// requests is how many requests an edge has answered.
func requests(t *testing.T, edge *server) int {
	t.Helper()
	sum := 0
	for _, m := range regexp.MustCompile(`(?m)^weir_edge_requests_total\{.*\} (\d+)$`).FindAllSubmatch(fetch(t, edge.Admin+"/metrics", 200), -1) {
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

func withQuery(t *testing.T, address, key, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func s3URL(t *testing.T, prefix string) string {
	t.Helper()
	u, err := url.Parse(enginetest.Address(t, "WEIR_TEST_MINIO"))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + prefix
	return u.String()
}
