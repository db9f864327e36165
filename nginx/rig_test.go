package nginx_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirstream/weir/nginx"
)

// patience bounds every wait for nginx.
const patience = 20 * time.Second

// program is the real nginx: WEIR_NGINX, or the one in PATH.
func program(t testing.TB) string {
	t.Helper()
	name := os.Getenv("WEIR_NGINX")
	if name == "" {
		name = "nginx"
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	sentence := fmt.Sprintf("there is no nginx here (%v): its tests did not run; install it (apt-get install nginx-light) or name it in WEIR_NGINX", err)
	if os.Getenv("WEIR_TEST_REQUIRE") == "all" {
		t.Fatal(sentence)
	}
	t.Skip(sentence)
	return ""
}

// backend is an edge or a gateway: it names itself in every answer and counts the connections it accepts.
type backend struct {
	addr    string
	conns   atomic.Int64
	hits    atomic.Int64
	server  *http.Server
	stopped chan struct{} // closed when it serves no more
}

// serve starts a backend whose handler answers after the X-Server field is set; nil answers with its address.
func serve(t testing.TB, handler http.HandlerFunc) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{addr: l.Addr().String(), stopped: make(chan struct{})}
	if handler == nil {
		handler = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, b.addr) }
	}
	b.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.hits.Add(1)
		w.Header().Set("X-Server", b.addr)
		handler(w, r)
	}), ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			b.conns.Add(1)
		}
	}}
	go func() {
		defer close(b.stopped)
		_ = b.server.Serve(l)
	}()
	t.Cleanup(b.kill)
	return b
}

// kill closes the listener and every connection, whatever they carry.
func (b *backend) kill() {
	_ = b.server.Close()
	<-b.stopped
}

// drain is a graceful stop.
func (b *backend) drain(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.server.Shutdown(ctx); err != nil {
		t.Errorf("drain %s: %v", b.addr, err)
	}
	<-b.stopped
}

func addresses(backends ...*backend) (list []string) {
	for _, b := range backends {
		list = append(list, b.addr)
	}
	return list
}

// front is a running nginx.
type front struct {
	t      testing.TB
	base   nginx.Config // what it was started with
	dir    string
	file   string
	addr   string // of TLS
	cmd    *exec.Cmd
	said   bytes.Buffer
	exited chan struct{}
	pool   *x509.CertPool
}

// start runs nginx with a certificate of its own in front of edges and gateways, on a free port, until the test ends.
func start(t testing.TB, edges, gateways []*backend, edits ...func(*nginx.Config)) *front {
	t.Helper()
	f := &front{t: t, dir: t.TempDir(), addr: freeAddress(t), exited: make(chan struct{})}
	f.file = filepath.Join(f.dir, "nginx.conf")
	f.base = nginx.Config{Listen: []string{f.addr}, Folder: f.dir, Edges: addresses(edges...), Gateways: addresses(gateways...)}
	f.base.Certificate, f.base.Key, f.pool = certificate(t, f.dir)
	if os.Getuid() == 0 { // the workers must reach the test's folder
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		f.base.User = me.Username
	}
	for _, edit := range edits {
		edit(&f.base)
	}
	f.write(f.base)
	f.cmd = exec.Command(program(t), "-c", f.file, "-g", "daemon off;")
	f.cmd.Stderr = &f.said
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = f.cmd.Wait()
		close(f.exited)
	}()
	t.Cleanup(f.stop)
	f.await("nginx listens", func() bool {
		c, err := net.DialTimeout("tcp", f.addr, patience)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return f
}

// write puts a configuration into nginx's file.
func (f *front) write(c nginx.Config) {
	f.t.Helper()
	if err := os.WriteFile(f.file, []byte(render(f.t, c)), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// reload has nginx read a changed configuration and waits until all workers are new ones.
func (f *front) reload(edit func(*nginx.Config)) {
	f.t.Helper()
	edit(&f.base)
	f.write(f.base)
	old := f.workers()
	f.hangUp()
	f.await("the old workers are gone", func() bool {
		now := f.workers()
		return len(now) > 0 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(old, pid) })
	})
}

func (f *front) hangUp() {
	f.t.Helper()
	if err := f.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		f.t.Fatal(err)
	}
}

// stop ends nginx at once.
func (f *front) stop() { f.end(syscall.SIGTERM) }

// finish ends nginx when all requests are over, so that its logs are whole.
func (f *front) finish() { f.end(syscall.SIGQUIT) }

func (f *front) end(signal os.Signal) {
	_ = f.cmd.Process.Signal(signal) // it may have ended
	select {
	case <-f.exited:
	case <-time.After(patience):
		_ = f.cmd.Process.Kill()
		<-f.exited
		f.t.Errorf("nginx did not stop; it said:\n%s", f.said.String())
	}
}

// await asks until something holds. nginx does not tell when it is ready, so it is asked.
func (f *front) await(what string, holds func() bool) {
	f.t.Helper()
	deadline, poll := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-f.exited:
			f.t.Fatalf("nginx ended before %s; it said:\n%s%s", what, f.said.String(), f.log("error.log"))
		case <-deadline:
			f.t.Fatalf("gave up waiting until %s", what)
		case <-poll.C:
		}
	}
}

func (f *front) log(name string) string {
	b, _ := os.ReadFile(filepath.Join(f.dir, name)) // none is an empty one
	return string(b)
}

// workers are the processes that nginx's master started.
func (f *front) workers() (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(b), ") ") // pid (name) state parent ...
		if words := strings.Fields(rest); len(words) > 1 && words[1] == strconv.Itoa(f.cmd.Process.Pid) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// spooled lists the temporary files that nginx holds, also those it has unlinked already.
func (f *front) spooled() (files []string) {
	for _, pid := range f.workers() {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, f.dir) && !strings.HasSuffix(to, ".log") {
				files = append(files, to)
			}
		}
	}
	_ = filepath.WalkDir(f.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Dir(name) != f.dir {
			files = append(files, name)
		}
		return nil
	})
	return files
}

// client speaks HTTP/2, or HTTP/1.1 if that is all it may.
func (f *front) client(http2 bool) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.pool}, ForceAttemptHTTP2: http2, DisableCompression: true, MaxIdleConnsPerHost: 32,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) { // whatever the name
			return new(net.Dialer).DialContext(ctx, network, f.addr)
		}}
	if !http2 {
		tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// url is a path of nginx's own address.
func (f *front) url(path string) string { return "https://" + f.addr + path }

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	proto  string
	body   string
}

// neverUsed is how Go's client says that a server gave up a connection before its first request. On a reload nginx closes
// HTTP/2 connections that carry nothing, also ones that are as young as that; other clients connect again by themselves.
const neverUsed = "http2: client conn could not be established"

// ask sends one request; header fields are pairs, and the field Host is the request's host.
func ask(ctx context.Context, c *http.Client, method, url, body string, header ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil && strings.Contains(err.Error(), neverUsed) {
		again := req.Clone(ctx) // no byte of it was sent
		if again.Body, err = req.GetBody(); err == nil {
			resp, err = c.Do(again)
		}
	}
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, resp.Proto, string(b)}, err
}

// get asks for a path and wants an answer.
func (f *front) get(c *http.Client, path string, header ...string) reply {
	f.t.Helper()
	r, err := ask(f.t.Context(), c, "GET", f.url(path), "", header...)
	if err != nil {
		f.t.Fatalf("GET %s: %v", path, err)
	}
	return r
}

// freeAddress is a port of loopback that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// certificate makes one for the names of these tests, which itself is its issuer.
func certificate(t testing.TB, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "weir test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		DNSNames: []string{"localhost", "example.org", "media.example.org"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{cert: chain, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretDER})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(chain)
	return cert, key, pool
}
