package transcode_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/sandbox"
)

// beeps is a sound of 50 ms at every whole second but 0.
const beeps = "aevalsrc='if(lt(mod(t,1),0.05)*gte(t,1),0.8*sin(2*PI*1000*t),0)':duration=5:sample_rate="

// encodeSound runs the plan's first sound rendition and decodes it again, as 48 kHz samples of the first channel.
func encodeSound(t *testing.T, p transcode.Plan, path string) []float64 {
	t.Helper()
	var out bytes.Buffer
	err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: p.AudioArgs(path, p.Audio[0]), Dir: t.TempDir(), Input: path, Stdout: &out})
	if err != nil {
		t.Fatalf("encode the sound: %v", err)
	}
	made := filepath.Join(t.TempDir(), "made.mp4")
	if err := os.WriteFile(made, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	// The edit list puts the encoder's priming before time 0.
	raw, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", made, "-f", "s16le", "-af", "atrim=start=0,pan=mono|c0=c0", "-").Output()
	if err != nil {
		t.Fatalf("decode what was made: %v", err)
	}
	samples := make([]float64, len(raw)/2)
	for i := range samples {
		samples[i] = float64(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
	}
	return samples
}

// onsets are the times in seconds at which a beep starts: loud after 20 ms of quiet.
func onsets(samples []float64) []float64 {
	var at []float64
	quiet := 960
	for i, s := range samples {
		if math.Abs(s) < 0.1 {
			quiet++
			continue
		}
		if quiet >= 960 {
			at = append(at, float64(i)/48000)
		}
		quiet = 0
	}
	return at
}

// heard are the times at which a player of the master would beep, after the origin.
func heard(t *testing.T, path string, p transcode.Plan) []float64 {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-nostdin", "-hide_banner", "-copyts", "-i", path, "-map", fmt.Sprintf("0:%d", p.Source.Audio[0].Index),
		"-af", "silencedetect=noise=0.1:duration=0.02", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("decode %s: %v: %s", path, err, out)
	}
	var at []float64
	for _, m := range regexp.MustCompile(`silence_end: ([0-9.]+)`).FindAllStringSubmatch(string(out), -1) {
		s, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, s-float64(p.Source.OriginNum)/float64(p.Source.OriginDen))
	}
	return at
}

// TestSoundIsOnTheTimeline holds lip-sync: what is heard at second k of the master is at second k of the timeline,
// whatever the container's clock, the codec's priming, gaps and a late start do.
func TestSoundIsOnTheTimeline(t *testing.T) {
	f := func(name string, nominal []float64, args ...string) {
		t.Run(name, func(t *testing.T) {
			path := clip(t, name, args...)
			p := planOf(t, path)
			want := heard(t, path, p)[:len(nominal)] // the last silence is ended by the file
			for i := range want {
				if math.Abs(want[i]-nominal[i]) > 0.06 { // MP3 in AVI has its priming in it
					t.Fatalf("%s beeps at %.3f itself", name, want)
				}
			}
			samples := encodeSound(t, p, path)
			if n := int64(len(samples)) - p.Audio[0].Samples; n < 0 || n > 2048 {
				t.Errorf("%s has %d samples, want %d and at most two packets more", name, len(samples), p.Audio[0].Samples)
			}
			got := onsets(samples)
			if len(got) != len(want) {
				t.Fatalf("%s beeps at %.3f, want %.3f", name, got, want)
			}
			for i := range got {
				if d := got[i] - want[i]; math.Abs(d) > 0.004 {
					t.Errorf("%s: beep %d is %.1f ms late", name, i, d*1000)
				}
			}
		})
	}
	all := []float64{1, 2, 3, 4}
	both := func(hertz string, more ...string) []string {
		return append([]string{"-f", "lavfi", "-i", picture + "25", "-f", "lavfi", "-i", beeps + hertz, "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2"}, more...)
	}
	f("aac.mp4", all, both("44100", "-c:a", "aac")...)
	f("late.mp4", all, both("48000", "-c:a", "aac", "-output_ts_offset", "3.3")...)
	f("transport.ts", all, both("48000", "-c:a", "mp2")...)
	f("opus.mkv", all, both("48000", "-c:a", "libopus")...)
	f("surround.mkv", all, both("48000", "-af", "pan=5.1|c0=c0|c1=c0|c2=c0", "-c:a", "ac3")...)
	f("h264.avi", all, both("22050", "-c:a", "libmp3lame")...)
	f("program.mpg", all, both("44100", "-c:v", "mpeg2video", "-c:a", "mp2")...)
	f("flash.flv", all, both("44100", "-c:a", "aac")...)
	f("gap.mkv", []float64{1, 3, 4}, both("48000", "-af", "aselect='not(between(t,1.5,2.5))'", "-c:a", "flac")...)
	f("late-sound.mkv", []float64{2, 3, 4}, both("48000", "-af", "aselect='gte(t,1.7)'", "-c:a", "flac")...)
	f("sound.wav", all, "-f", "lavfi", "-i", beeps+"32000")
	f("sound.flac", all, "-f", "lavfi", "-i", beeps+"96000")
	f("sound.mp3", all, "-f", "lavfi", "-i", beeps+"44100", "-c:a", "libmp3lame")
	f("sound.m4a", all, "-f", "lavfi", "-i", beeps+"44100", "-c:a", "aac")
	f("sound.ogg", all, "-f", "lavfi", "-i", beeps+"48000", "-c:a", "libvorbis")
}

// TestSoundThatChanges turns from one channel to six in the middle, as some broadcasts do. ffmpeg's filters would start
// again from time 0, so it is refused in words and not encoded wrongly.
func TestSoundThatChanges(t *testing.T) {
	path := clip(t, "mono.ts", "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2", "-c:a", "ac3")
	join(t, path, clip(t, "surround.ts", "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2", "-af", "pan=5.1|c0=c0|c1=c0", "-c:a", "ac3", "-output_ts_offset", "2"))
	p := planOf(t, path)
	err := ffmpeg.Run(t.Context(), sandbox.Run, ffmpeg.Job{Args: p.AudioArgs(path, p.Audio[0]), Dir: t.TempDir(), Input: path, Stdout: io.Discard})
	if weir.KindOf(err) != weir.Unprocessable || !strings.Contains(weir.Detail(err), "changes") {
		t.Errorf("Run() = %v, want a refusal in words", err)
	}
}

// TestTracksOfUnequalLength holds the longer picture, or adds silence: every track lasts as long as the timeline.
func TestTracksOfUnequalLength(t *testing.T) {
	f := func(name string, frames, pictures int64, picture, sound string) {
		t.Run(name, func(t *testing.T) {
			path := clip(t, "unequal.mp4", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration="+picture,
				"-f", "lavfi", "-i", "sine=sample_rate=48000:duration="+sound, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
			p := planOf(t, path)
			if p.Grid.Frames != frames || p.Source.Video.Frames != pictures || p.Audio[0].Samples != frames*1920 {
				t.Fatalf("%v with %d pictures and %d samples, want %d frames, %d pictures", p, p.Source.Video.Frames, p.Audio[0].Samples, frames, pictures)
			}
			last := p.Chunks[len(p.Chunks)-1]
			if last.FirstFrame >= pictures {
				t.Errorf("chunk %+v has no picture", last)
			}
			got := hashes(t, path, ffmpeg.FramesArgs(p.Normalise(path, last), 64, 48))
			if int64(len(got)) != last.Frames || strings.Join(got[pictures-last.FirstFrame-1:], "") != strings.Repeat(got[len(got)-1], int(frames-pictures+1)) {
				t.Errorf("the last chunk has %d frames that do not hold the last picture, want %d", len(got), last.Frames)
			}
			if n := int64(len(encodeSound(t, p, path))); n < p.Audio[0].Samples {
				t.Errorf("sound of %d samples, want at least %d", n, p.Audio[0].Samples)
			}
		})
	}
	f("sound longer", 100, 50, "2", "4")
	f("picture longer", 100, 100, "4", "1.5")
}
