package systemtest

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// flashes are the times at which the upper half of the picture turns white, in seconds.
func flashes(t *testing.T, input string) []float64 {
	t.Helper()
	out := tool(t, "ffmpeg", "-nostdin", "-v", "error", "-i", input, "-map", "0:v:0", "-vf",
		"crop=iw:ih/4:0:ih/8,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-")
	var at []float64
	var time float64
	bright := false
	for line := range strings.SplitSeq(out, "\n") {
		if _, value, ok := strings.Cut(line, "pts_time:"); ok {
			time, _ = strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
		if _, value, ok := strings.Cut(line, "YAVG="); ok {
			y, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if y > 200 && !bright {
				at = append(at, time)
			}
			bright = y > 200
		}
	}
	return at
}

// beeps are the times at which the tone starts, in seconds on the same timeline.
func beeps(t *testing.T, input string) []float64 {
	t.Helper()
	const rate = 48000
	const quiet = rate / 5 // a beep lasts half of that
	file := filepath.Join(t.TempDir(), "audio.f32")
	tool(t, "ffmpeg", "-nostdin", "-v", "error", "-y", "-i", input, "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0",
		"-ac", "1", "-ar", strconv.Itoa(rate), "-f", "f32le", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var at []float64
	last := -quiet
	for i := range len(b) / 4 {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])); math.Abs(float64(v)) > 0.3 {
			if i-last >= quiet {
				at = append(at, float64(i)/rate)
			}
			last = i
		}
	}
	return at
}

// lipSync is how long after each flash its beep starts: of the second, the middle and the last full second.
func lipSync(t *testing.T, input string, seconds int) []float64 {
	t.Helper()
	f, b := flashes(t, input), beeps(t, input)
	if len(f) != seconds || len(b) != seconds {
		t.Fatalf("%s has %d flashes and %d beeps, want %d of each", input, len(f), len(b), seconds)
	}
	var out []float64
	for _, i := range []int{1, seconds / 2, seconds - 1} {
		out = append(out, b[i]-f[i])
	}
	return out
}

func verifyLipSync(t *testing.T, master string, got ingested, seconds int) {
	t.Helper()
	want := lipSync(t, master, seconds)
	for _, input := range []string{got.HLS, got.DASH} {
		for i, offset := range lipSync(t, input, seconds) {
			if math.Abs(offset-want[i]) > 0.005 {
				t.Errorf("%s: beep %d starts %.1f ms after its flash, in the master %.1f ms", input, i, offset*1000, want[i]*1000)
			}
		}
	}
}
