package edge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/accesslog"
)

// logged runs an access log, and returns what a server needs of it and what has been written once the server was stopped.
func logged(t testing.TB) (configure func(*edge.Server), lines func(stop func() error) []map[string]any) {
	t.Helper()
	var out lockedBuffer
	log := &accesslog.Log{Out: &out}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	return func(s *edge.Server) { s.Access = log }, func(stop func() error) (all []map[string]any) {
		t.Helper()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			all = append(all, one)
		}
		slices.SortFunc(all, func(a, b map[string]any) int { // they are written when their bytes are out
			return timeOf(t, a).Compare(timeOf(t, b))
		})
		return all
	}
}

func timeOf(t testing.TB, line map[string]any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(line["time"]))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestAccessLog(t *testing.T) {
	configure, lines := logged(t)
	s := start(t, 100_000, configure)
	s.list(weir.Complete, 6)
	s.get(videoID + "/1.m4s")
	s.get(videoID+"/1.m4s", "Range: bytes=10-109", "CMCD-Request: bl=4000,mtp=25400", `CMCD-Session: sid="abc"`)
	s.do("HEAD", s.url("hls/main.m3u8"))
	s.get("nothing")
	s.do("GET", "/"+assetID+"/1/clear/hls/main.m3u8?ticket="+s.ticket)
	got := lines(s.stop)
	if len(got) != 5 {
		t.Fatalf("%d lines of 5 requests: %v", len(got), got)
	}
	f := func(i int, name string, want any) {
		t.Helper()
		if got[i][name] != want {
			t.Errorf("line %d: %s = %v, want %v (%v)", i, name, got[i][name], want, got[i])
		}
	}
	size := float64(len(s.bytes[videoID][0]))
	f(0, "status", 200.0)
	f(0, "bytes", size)
	f(0, "cache", "origin")
	f(0, "session", "s1")
	f(0, "organisation", weir.DefaultOrganisation)
	f(0, "asset", assetID)
	f(0, "rev", 1.0)
	f(0, "path", assetID+"/1/clear/"+videoID+"/1.m4s")
	f(0, "client", "127.0.0.1")
	f(1, "status", 206.0)
	f(1, "bytes", 100.0)
	f(1, "cache", "hit")
	f(1, "range", "bytes=10-109")
	if c, _ := got[1]["cmcd"].(map[string]any); c["bl"] != 4000.0 || c["sid"] != "abc" {
		t.Errorf("line 1: cmcd = %v", got[1]["cmcd"])
	}
	f(2, "method", "HEAD")
	f(2, "bytes", 0.0)
	f(3, "status", 404.0)
	f(4, "status", 200.0)
	for _, line := range got {
		if b, _ := json.Marshal(line); bytes.Contains(b, []byte(s.ticket)) {
			t.Errorf("a ticket stands in the log: %s", b)
		}
	}
}

func TestAccessLogBeforeAnOrigin(t *testing.T) {
	configure, lines := logged(t)
	var stop func() error
	m := reflect(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/pass" {
			w.Header().Set("Cache-Control", "no-store")
		}
		w.(http.Flusher).Flush() // no length
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	}, configure)
	stop = m.stop
	for _, target := range []string{"/a", "/a", "/pass"} {
		if _, _, got := m.do("GET", target); len(got) != 1000 {
			t.Fatalf("GET %s = %d bytes", target, len(got))
		}
	}
	got := lines(stop)
	if len(got) != 3 {
		t.Fatalf("%d lines of 3 requests: %v", len(got), got)
	}
	for i, want := range []string{"miss", "hit", "pass"} {
		if got[i]["cache"] != want || got[i]["bytes"] != 1000.0 {
			t.Errorf("line %d: %v, want cache %s and 1000 bytes", i, got[i], want)
		}
	}
}
