package transcode_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstream/weir/manifests/cmaf"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/sandbox"
)

// encode runs a chunk's command line and returns the folder with v0.mp4, v1.mp4, ...
func encode(t *testing.T, path string, p transcode.Plan, c transcode.Chunk) string {
	t.Helper()
	dir := t.TempDir()
	files := make([]string, len(p.Video))
	for i := range files {
		files[i] = fmt.Sprintf("v%d.mp4", i)
	}
	if err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: p.ChunkArgs(path, c, files), Dir: dir, Input: path}); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return dir
}

// TestEncodedChunks makes every chunk of difficult masters and packs it: the packager refuses a missing frame, one off
// the grid and an open GOP.
func TestEncodedChunks(t *testing.T) {
	f := func(name, stream string, args ...string) {
		t.Run(name, func(t *testing.T) {
			path := clip(t, name, args...)
			p := planOf(t, path)
			for _, c := range p.Chunks {
				dir := encode(t, path, p, c)
				for i := range p.Video {
					pack(t, filepath.Join(dir, fmt.Sprintf("v%d.mp4", i)), p, c)
				}
				if c.FirstFrame == 0 {
					checkStream(t, filepath.Join(dir, "v0.mp4"), stream)
				}
			}
		})
	}
	hdr := []string{"-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_trc"}
	f("plain.mp4", "h264,160,90,1:1,yuv420p,unknown,unknown,unknown,unknown", source("25", "-bf", "2")...)
	f("odd.mkv", "h264,160,90,1:1,yuv420p,unknown,unknown,unknown,unknown", source("30000/1001", "-vf", "scale=161:91,setsar=1", "-pix_fmt", "yuv444p")...)
	f("anamorphic.mp4", "h264,240,90,1:1,yuv420p,unknown,unknown,unknown,unknown", source("25", "-vf", "setsar=3/2")...)
	f("full-range.mkv", "h264,160,90,1:1,yuv420p,unknown,unknown,unknown,unknown", source("25", "-pix_fmt", "yuvj420p")...)
	f("tagged.mp4", "h264,160,90,1:1,yuv420p,tv,bt709,bt709,bt709", source("25", "-color_primaries", "bt709", "-colorspace", "bt709", "-color_trc", "bt709", "-color_range", "tv")...)
	f("rgb.mkv", "h264,160,90,1:1,yuv420p,tv,bt709,bt709,bt709", source("25", "-c:v", "ffv1", "-pix_fmt", "bgr0")...)
	f("hdr10.mkv", "h264,160,90,1:1,yuv420p,tv,bt709,bt709,bt709", source("25", append(hdr, "smpte2084")...)...)
	f("hlg.mkv", "h264,160,90,1:1,yuv420p,tv,bt709,bt709,bt709", source("25", append(hdr, "arib-std-b67")...)...)
	f("tiny.mp4", "h264,16,16,1:1,yuv420p,unknown,unknown,unknown,unknown", source("25", "-vf", "scale=16:16,setsar=1")...)
	f("one.mp4", "h264,160,90,1:1,yuv420p,unknown,unknown,unknown,unknown", source("25", "-frames:v", "1")...)
}

func pack(t *testing.T, path string, p transcode.Plan, c transcode.Chunk) {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := os.Create(filepath.Join(t.TempDir(), "packed"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	spec := cmaf.VideoSpec{Timescale: p.Grid.Timescale(), FrameDuration: p.Grid.FrameDuration(), FirstFrame: c.FirstFrame, Frames: c.Frames, FirstSegment: c.FirstSegment + 1}
	for i := range c.Segments {
		spec.SegmentStarts = append(spec.SegmentStarts, p.Grid.SegmentStart(c.FirstSegment+i))
	}
	if _, err := cmaf.PackVideo(r, w, spec); err != nil {
		t.Errorf("PackVideo() of the chunk at frame %d: %v", c.FirstFrame, err)
	}
}

// checkStream compares what ffprobe says of a file's stream.
func checkStream(t *testing.T, path, want string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries",
		"stream=codec_name,width,height,sample_aspect_ratio,pix_fmt,color_range,color_space,color_transfer,color_primaries", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("the stream is %s, want %s", got, want)
	}
}

// TestStill takes the poster of a chunk-long master from where the plan says.
func TestStill(t *testing.T) {
	path := clip(t, "wide.mp4", "-f", "lavfi", "-i", "testsrc2=size=800x301:duration=4:rate=25", "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-pix_fmt", "yuv444p")
	p := planOf(t, path)
	dir := t.TempDir()
	args, width, height := p.StillArgs(path, p.Tasks[0], "still.jpg")
	if err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: args, Dir: dir, Input: path}); err != nil {
		t.Fatal(err)
	}
	if width != 640 || height != 240 || p.Tasks[0].Seek == nil {
		t.Errorf("the poster is %dx%d of %+v, want 640x240 after a seek", width, height, p.Tasks[0])
	}
	checkStream(t, filepath.Join(dir, "still.jpg"), fmt.Sprintf("mjpeg,%d,%d,1:1,yuvj420p,pc,bt470bg,unknown,unknown", width, height))
}
