package systemtest

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
)

// flashes are the times at which the upper half of the picture turns white, in seconds after the first frame. ffmpeg's
// reader presents fragments with signed composition offsets and no edit list late by the largest negative offset
// (dts_shift in its mov.c, up to version 9 at least), so its absolute times are of no use; that the first frame is presented
// at 0 is read from the boxes: see firstPresented.
func flashes(t *testing.T, input string) []float64 {
	t.Helper()
	out := tool(t, "ffmpeg", "-nostdin", "-v", "error", "-i", input, "-map", "0:v:0", "-vf",
		"crop=iw:ih/4:0:ih/8,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-")
	var at []float64
	var time, first float64
	seen, bright := false, false
	for line := range strings.SplitSeq(out, "\n") {
		if _, value, ok := strings.Cut(line, "pts_time:"); ok {
			time, _ = strconv.ParseFloat(strings.TrimSpace(value), 64)
			if !seen {
				first, seen = time, true
			}
		}
		if _, value, ok := strings.Cut(line, "YAVG="); ok {
			y, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if y > 200 && !bright {
				at = append(at, time-first)
			}
			bright = y > 200
		}
	}
	return at
}

// beeps are the times at which the tone starts, in seconds of presentation: what the edit list hides is before 0 and cut.
func beeps(t *testing.T, input string) []float64 {
	t.Helper()
	const rate = 48000
	const quiet = rate / 5 // a beep lasts half of that
	file := filepath.Join(t.TempDir(), "audio.f32")
	tool(t, "ffmpeg", "-nostdin", "-v", "error", "-y", "-copyts", "-i", input, "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0",
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

// firstPresented is the presentation time of a segment's first sample, in ticks: tfdt and composition offset, read by mp4ff.
func firstPresented(t *testing.T, segment []byte) int64 {
	t.Helper()
	file, err := mp4.DecodeFile(bytes.NewReader(segment))
	if err != nil {
		t.Fatal(err)
	}
	traf := file.Segments[0].Fragments[0].Moof.Traf
	return int64(traf.Tfdt.BaseMediaDecodeTime()) + int64(traf.Trun.Samples[0].CompositionTimeOffset)
}

func verifyLipSync(t *testing.T, master string, got ingested, seconds int) {
	t.Helper()
	playlist := string(fetch(t, got.HLS, 200))
	video := regexp.MustCompile(`(?m)^([0-9a-z]+)\.m3u8$`).FindStringSubmatch(playlist)[1]
	if first := firstPresented(t, fetch(t, resolve(t, got.HLS, "../"+video+"/1.m4s"), 200)); first != 0 {
		t.Errorf("the first frame is presented at %d, want 0", first)
	}
	want := lipSync(t, master, seconds)
	for _, input := range []string{got.HLS, got.DASH} {
		for i, offset := range lipSync(t, input, seconds) {
			if math.Abs(offset-want[i]) > 0.005 {
				t.Errorf("%s: beep %d starts %.1f ms after its flash, in the master %.1f ms", input, i, offset*1000, want[i]*1000)
			}
		}
	}
}
