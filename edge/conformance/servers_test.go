package conformance_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginxConf is proxy_cache set up to be correct rather than fast: the whole target and Host as key, conditional
// validation, one request at a time for an entry, nothing stale but where the origin allows it. HEAD and GET share entries.
const nginxConf = `
daemon off; master_process off; worker_processes 1; pid DIR/pid; error_log DIR/error.log warn;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  client_max_body_size 0; map $http_via $via { "" "1.1 nginx"; default "$http_via, 1.1 nginx"; }
  proxy_cache_path DIR/cache keys_zone=c:10m max_size=200m inactive=10m;
  server {
    listen 127.0.0.1:PORT;
    location / {
      proxy_pass http://ORIGIN; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_cache c; proxy_cache_key $scheme$http_host$request_uri; proxy_cache_revalidate on; proxy_cache_background_update on;
      proxy_cache_lock on; proxy_cache_lock_timeout 5s; proxy_next_upstream off;
      proxy_set_header Via $via; add_header X-Cache $upstream_cache_status always;
    }
  }
}
`

func startNginx(t testing.TB, origin string) string {
	path := installed(t, "nginx")
	dir, address := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	conf := strings.NewReplacer("DIR", dir, "PORT", port, "ORIGIN", origin).Replace(nginxConf)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	process(t, address, exec.Command(path, "-c", file, "-p", dir, "-e", filepath.Join(dir, "error.log")))
	return address
}

// startVarnish runs the built-in VCL. Without the parameters a response that says nothing is kept for two minutes, and
// every one is sent stale for ten seconds.
func startVarnish(t testing.TB, origin string) string {
	path := installed(t, "varnishd")
	dir, address := t.TempDir(), freeAddress(t)
	host, port, _ := net.SplitHostPort(origin)
	file := filepath.Join(dir, "default.vcl")
	vcl := fmt.Sprintf("vcl 4.1;\nbackend default { .host = %q; .port = %q; }\n", host, port)
	if err := os.WriteFile(file, []byte(vcl), 0o600); err != nil {
		t.Fatal(err)
	}
	process(t, address, exec.Command(path, "-F", "-n", filepath.Join(dir, "work"), "-a", address, "-f", file, "-s", "malloc,200m",
		"-j", "none", "-p", "default_ttl=0", "-p", "default_grace=0", "-p", "default_keep=300", "-p", "thread_pool_min=50"))
	return address
}

// installed finds a server. Without WEIR_TEST_REQUIRE=all the test is skipped; with it, a missing server is a failure.
func installed(t testing.TB, name string) string {
	t.Helper()
	all := os.Getenv("WEIR_TEST_REQUIRE") == "all"
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	switch {
	case !all:
		t.Skipf("%s is compared with WEIR_TEST_REQUIRE=all only", name)
	case err != nil:
		t.Fatalf("%s is not installed, so nothing is compared with it: apt-get install %s", name, name)
	}
	return path
}

func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// process runs a server until the test ends, and returns when it accepts.
func process(t testing.TB, address string, cmd *exec.Cmd) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", cmd.Path, log.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %s", cmd.Path, err)
		}
	}
}
