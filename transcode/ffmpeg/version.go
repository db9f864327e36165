package ffmpeg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/sandbox"
)

var (
	versionLine = regexp.MustCompile(`^ffmpeg version (\S{1,100})`)
	x264Core    = regexp.MustCompile(`x264 - core (\d{1,6})( r\d{1,8})?`)
)

// Version names what encodes, for plans and rendition ids: "ffmpeg 5.1.9-0+deb12u1 / libx264 core 164 r3095". The x264
// build is read from a picture it makes, since ffmpeg does not tell. Unavailable says what is missing.
func Version(ctx context.Context, run Runner) (string, error) {
	dir, err := os.MkdirTemp("", "weir-version-")
	if err != nil {
		return "", fmt.Errorf("make a work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	ask := func(args ...string) ([]byte, error) {
		var out bytes.Buffer
		err := run(ctx, sandbox.Command{Path: "ffmpeg", Args: args, Dir: dir, Stdout: &out, Limits: sandbox.Limits{Wall: 30 * time.Second}})
		return out.Bytes(), err
	}
	banner, err := ask("-version")
	if err != nil {
		return "", weir.Errorf(weir.Unavailable, "ask ffmpeg for its version: %w", err)
	}
	name := versionLine.FindSubmatch(banner)
	if name == nil {
		return "", weir.Errorf(weir.Unavailable, "ffmpeg does not say its version")
	}
	picture, err := ask("-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "color=size=32x32:rate=25", "-frames:v", "1",
		"-c:v", "libx264", "-threads", "1", "-f", "h264", "pipe:1")
	if err != nil {
		return "", weir.Errorf(weir.Unavailable, "encode a picture with libx264: %w", err)
	}
	core := x264Core.FindSubmatch(picture)
	if core == nil {
		return "", weir.Errorf(weir.Unavailable, "libx264 does not say its build")
	}
	return fmt.Sprintf("ffmpeg %s / libx264 core %s%s", name[1], core[1], core[2]), nil
}
