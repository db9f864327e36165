package cmaf_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// run runs a tool and returns its standard output; anything on standard error fails the test.
func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

// encode runs ffmpeg on a generated input and returns the fragmented MP4 it writes to its standard output.
func encode(t testing.TB, args ...string) []byte {
	t.Helper()
	args = append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, args...)
	return run(t, "ffmpeg", append(args, "-f", "mp4", "pipe:1")...)
}

// encodeVideo makes frames frames of H.264 with B-frames, 64x36, one IDR every gop frames.
func encodeVideo(t testing.TB, rate string, frames, gop int, more ...string) []byte {
	t.Helper()
	args := []string{"-f", "lavfi", "-i", "testsrc2=s=64x36:r=" + rate, "-frames:v", strconv.Itoa(frames), "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-threads", "1", "-preset", "veryfast", "-bf", "3", "-g", strconv.Itoa(gop), "-sc_threshold", "0",
		"-movflags", "+frag_keyframe+empty_moov+default_base_moof"}
	return encode(t, append(args, more...)...)
}

// encodeAudio makes at least samples samples of stereo AAC at 48 kHz, a fragment every half second.
func encodeAudio(t testing.TB, samples int64, more ...string) []byte {
	t.Helper()
	args := []string{"-f", "lavfi", "-i", "sine=f=440:r=48000", "-af", "atrim=end_sample=" + strconv.FormatInt(samples, 10),
		"-ac", "2", "-c:a", "aac", "-b:a", "64k", "-frag_duration", "500000", "-movflags", "+empty_moov+delay_moov+default_base_moof"}
	return encode(t, append(args, more...)...)
}

// write puts b in a new file.
func write(t testing.TB, name string, b ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, bytes.Join(b, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// packet is what ffprobe says of one.
type packet struct {
	PTS      int64  `json:"pts"`
	DTS      int64  `json:"dts"`
	Duration int64  `json:"duration"`
	Size     string `json:"size"`
	Flags    string `json:"flags"`
}

// packets lists the file's packets in decode order.
func packets(t testing.TB, path string) []packet {
	t.Helper()
	var out struct {
		Packets []packet `json:"packets"`
	}
	probe(t, &out, path, "-show_packets")
	return out.Packets
}

// framePTS lists the presentation times of the decoded frames.
func framePTS(t testing.TB, path string) []int64 {
	t.Helper()
	var out struct {
		Frames []struct {
			PTS int64 `json:"pts"`
		} `json:"frames"`
	}
	probe(t, &out, path, "-show_frames")
	pts := make([]int64, len(out.Frames))
	for i, f := range out.Frames {
		pts[i] = f.PTS
	}
	return pts
}

func probe(t testing.TB, into any, path string, args ...string) {
	t.Helper()
	b := run(t, "ffprobe", append(append([]string{"-v", "error", "-of", "json"}, args...), path)...)
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("ffprobe %v: %v", args, err)
	}
}

// pictures is one hash a decoded frame.
func pictures(t testing.TB, path string) []string {
	t.Helper()
	out := run(t, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framehash", "-hash", "md5", "-")
	var hashes []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			fields := strings.Split(line, ",")
			hashes = append(hashes, strings.TrimSpace(fields[len(fields)-1]))
		}
	}
	return hashes
}

// samplesOf counts the sample frames that the file's stereo sound decodes to.
func samplesOf(t testing.TB, path string) int64 {
	t.Helper()
	return int64(len(run(t, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:a", "-f", "s16le", "-"))) / 4
}
