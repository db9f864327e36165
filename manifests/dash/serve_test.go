package dash_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/dash"
	"github.com/weirstream/weir/manifests/manifeststest"
)

// validate checks documents against the schema of ISO/IEC 23009-1.
func validate(t *testing.T, documents ...[]byte) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--schema", "testdata/DASH-MPD.xsd"}
	for i, b := range documents {
		path := filepath.Join(dir, fmt.Sprintf("%d.mpd", i))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.CommandContext(t.Context(), "xmllint", args...).CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s\n%s", err, out, documents[0])
	}
}

// run runs a tool; anything on its standard error fails the test.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

func TestServed(t *testing.T) {
	clip := manifeststest.NewClip(t, func(args ...string) []byte { return run(t, "ffmpeg", args...) })
	p := manifeststest.Build(t, clip.Index)
	server := httptest.NewServer(clip.Handler(func() manifests.Presentation { return p }, func(p manifests.Presentation, _ string) ([]byte, error) {
		return dash.MPD(p, now)
	}))
	defer server.Close()
	url := server.URL + "/dash/main.mpd"
	// One stream at a time: ffmpeg (5.1) ends all of them when the first one ends.
	f := func(stream, want string) {
		t.Helper()
		got := string(run(t, "ffprobe", "-v", "error", "-select_streams", stream, "-count_packets", "-show_entries", "stream=width,nb_read_packets",
			"-of", "compact=p=0", url))
		if lines := strings.Fields(got); !slices.Contains(lines, want) {
			t.Errorf("ffprobe reads %s as %q, want %q", stream, lines, want)
		}
	}
	f("v:0", "width=128|nb_read_packets=125") // 5 segments of 25 frames
	f("v:1", "width=64|nb_read_packets=125")
	f("a:0", "nb_read_packets=236") // 240000 samples and 1024 of priming
	run(t, "ffmpeg", "-v", "error", "-nostdin", "-xerror", "-i", url, "-map", "0", "-f", "null", "-")
}
