package ffmpeg_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Child()
	os.Exit(m.Run())
}

func TestVersion(t *testing.T) {
	got, err := ffmpeg.Version(t.Context(), sandbox.Run)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^ffmpeg \S+ / libx264 core \d+`).MatchString(got) {
		t.Errorf("Version() = %q, want the versions of ffmpeg and libx264", got)
	}
	t.Log(got)
}
