package systemtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// The plain binary as a cache in front of another server: tickets, a purge, a revocation that outlives kill -9, the log.
func TestEdgeBeforeAnOrigin(t *testing.T) {
	var version atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, version.Add(1))
	}))
	defer origin.Close()
	data, access := t.TempDir(), filepath.Join(t.TempDir(), "access.log")
	flags := []string{"--roles=edge", "--origin=" + origin.URL, "--access-log=" + access}
	s := serve(t, data, flags...)
	command := func(args ...string) string {
		t.Helper()
		code, out, errOut := weir(t, append(args, "--admin", s.Admin)...)
		if code != 0 {
			t.Fatalf("weir %v: exit code %d\n%s%s", args, code, out, errOut)
		}
		return strings.TrimSpace(out)
	}
	get := func(status int, want, target string) {
		t.Helper()
		res, err := http.Get(s.Edge + target)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status || status == 200 && string(b) != want {
			t.Errorf("GET = %d %q, %v, want %d %q", res.StatusCode, b, err, status, want)
		}
	}
	ticket := "/t/" + command("keys", "ticket", "films/7/", "--session", "viewer-1")
	get(200, "GET /films/7/main.m3u8 1", ticket+"/films/7/main.m3u8")
	get(200, "GET /films/7/main.m3u8 1", ticket+"/films/7/main.m3u8")
	get(403, "", ticket+"/films/8/main.m3u8")
	get(401, "", "/films/7/main.m3u8")
	command("purge", "--prefix", "films/7/")
	get(200, "GET /films/7/main.m3u8 2", ticket+"/films/7/main.m3u8")
	command("revoke", "--session", "viewer-1")
	get(403, "", ticket+"/films/7/main.m3u8")
	s.kill()
	s = serve(t, data, flags...)
	get(403, "", ticket+"/films/7/main.m3u8")
	get(200, "GET /films/7/main.m3u8 3", "/t/"+command("keys", "ticket", "films/7/")+"/films/7/main.m3u8")
	s.stop()
	b, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	// The first process was killed, so only its lines may be missing; the second one's are all there.
	if got := string(b); strings.Count(got, `"path":"films/7/main.m3u8"`) < 2 || strings.Contains(got, "/t/") || !strings.HasSuffix(got, "\n") {
		t.Errorf("the access log:\n%s", got)
	}
}
