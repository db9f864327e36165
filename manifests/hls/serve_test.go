package hls_test

import (
	"bytes"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/hls"
	"github.com/weirstream/weir/manifests/manifeststest"
)

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

func newClip(t *testing.T) *manifeststest.Clip {
	return manifeststest.NewClip(t, func(args ...string) []byte { return run(t, "ffmpeg", args...) })
}

func manifest(p manifests.Presentation, path string) ([]byte, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(path, "hls/"), ".m3u8")
	if name == "main" {
		return hls.Multivariant(p)
	}
	return hls.Media(p, name)
}

// count is the packets ffprobe reads of each stream of the URL.
func count(t *testing.T, url string, args ...string) string {
	t.Helper()
	args = append([]string{"-v", "error", "-count_packets", "-show_entries", "stream=codec_type,width,nb_read_packets", "-of", "compact=p=0"}, args...)
	lines := strings.Fields(string(run(t, "ffprobe", append(args, url)...)))
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), " ") // programs repeat the streams
}

const (
	videoPackets = "125" // 5 segments of 25 frames
	audioPackets = "236" // 240000 samples and 1024 of priming
)

func TestServed(t *testing.T) {
	clip := newClip(t)
	p := manifeststest.Build(t, clip.Index)
	server := httptest.NewServer(clip.Handler(func() manifests.Presentation { return p }, manifest))
	defer server.Close()
	f := func(path, want string) {
		t.Helper()
		if got := count(t, server.URL+path); got != want {
			t.Errorf("ffprobe reads %s as\n%s\nwant\n%s", path, got, want)
		}
		run(t, "ffmpeg", "-v", "error", "-nostdin", "-xerror", "-i", server.URL+path, "-map", "0", "-f", "null", "-")
	}
	video := func(width string) string {
		return "codec_type=video|width=" + width + "|nb_read_packets=" + videoPackets
	}
	f("/hls/v2.m3u8", video("128"))
	f("/hls/v1.m3u8", video("64"))
	f("/hls/a1.m3u8", "codec_type=audio|nb_read_packets="+audioPackets)
	f("/hls/main.m3u8", "codec_type=audio|nb_read_packets="+audioPackets+" "+video("128")+" "+video("64"))
}

// A player that joins while the asset grows starts at its beginning and reaches its end at the same URL.
func TestServedWhileGrowing(t *testing.T) {
	clip := newClip(t)
	var listed atomic.Int64
	grow := func() manifests.Presentation {
		return manifeststest.Build(t, func() (weir.Head, map[string]weir.Page) {
			head := clip.Head
			if n := int(listed.Load()); n < manifeststest.ClipSegments {
				head.Segments, head.State = n, weir.Growing
			}
			return head, clip.Pages
		})
	}
	listed.Store(1)
	server := httptest.NewServer(clip.Handler(grow, func(p manifests.Presentation, path string) ([]byte, error) {
		listed.Add(1)
		return manifest(p, path)
	}))
	defer server.Close()
	if got, want := count(t, server.URL+"/hls/v1.m3u8", "-prefer_x_start", "1"), "codec_type=video|width=64|nb_read_packets="+videoPackets; got != want {
		t.Errorf("ffprobe reads %s, want %s", got, want)
	}
}
