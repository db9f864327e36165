package ffmpeg_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/sandbox"
)

func TestRunReportsProgress(t *testing.T) {
	dir := t.TempDir()
	var last ffmpeg.Progress
	var out bytes.Buffer
	args := []string{"-nostdin", "-nostats", "-loglevel", "error", "-progress", "pipe:2", "-f", "lavfi", "-i", "color=size=32x32:rate=25:duration=2",
		"-c:v", "libx264", "-threads", "1", "-f", "mp4", "-movflags", "empty_moov", "pipe:1"}
	err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: args, Dir: dir, Input: dir, Stdout: &out, OnProgress: func(p ffmpeg.Progress) { last = p }})
	if err != nil || last.Frames != 50 || last.OutTimeUS < 1_800_000 || out.Len() == 0 {
		t.Errorf("Run() = %v with %+v at its end and %d bytes, want 50 frames of 2 s", err, last, out.Len())
	}
}

// TestRunStopsAStall runs a tool that is alive and says the same thing for ever.
func TestRunStopsAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		stuck := func(ctx context.Context, c sandbox.Command) error {
			c.OnStderrLine("frame=7")
			for {
				c.OnStderrLine("progress=continue")
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		err := ffmpeg.Run(t.Context(), stuck, ffmpeg.Job{Stall: 10 * time.Second})
		if took := time.Since(begun); !errors.Is(err, ffmpeg.ErrStalled) || weir.KindOf(err) != weir.Timeout || took != 10*time.Second {
			t.Errorf("Run() = %v after %s, want a stall after 10 s", err, took)
		}
	})
}

// napping takes its time with everything it is given.
type napping time.Duration

func (n napping) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(n)) // of a bubble's clock
	return len(b), nil
}

// TestRunLetsASlowReaderBe has a reader that is slower than a tool may be silent.
func TestRunLetsASlowReaderBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool := func(ctx context.Context, c sandbox.Command) error {
			for range 3 {
				c.OnStderrLine("progress=continue")
				if _, err := c.Stdout.Write([]byte("x")); err != nil || ctx.Err() != nil {
					return errors.Join(err, context.Cause(ctx))
				}
			}
			return nil
		}
		if err := ffmpeg.Run(t.Context(), tool, ffmpeg.Job{Stall: 10 * time.Second, Stdout: napping(time.Minute)}); err != nil {
			t.Errorf("Run() = %v, want success: who keeps the tool waiting is not the tool", err)
		}
	})
}

// TestRunReadsOnlyItsInput runs the real thing on a playlist that names another file, under the name and the demuxer of a
// film: nothing of the other file may come out.
func TestRunReadsOnlyItsInput(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.wav")
	make := []string{"-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "sine=duration=1", "-f", "wav", "file:secret.wav"}
	if err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: make, Dir: dir, Input: dir}); err != nil {
		t.Fatal(err)
	}
	trap := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(trap, []byte("#EXTM3U\n#EXTINF:1,\nfile://"+secret+"\n#EXT-X-ENDLIST\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, demuxer := range []string{"mov", "hls", "concat"} {
		var out bytes.Buffer
		args := ffmpeg.AudioArgs(ffmpeg.Audio{Input: ffmpeg.Input{Path: trap, Demuxer: demuxer, Origin: ffmpeg.Time{Den: 1}}, Rung: stereo, Samples: 48000})
		err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: args, Dir: t.TempDir(), Input: trap, Stdout: &out})
		var exit *sandbox.ExitError
		if !errors.As(err, &exit) || out.Len() > 0 {
			t.Errorf("a playlist read as %s: %v and %d bytes, want a failure and none", demuxer, err, out.Len())
		}
	}
}
