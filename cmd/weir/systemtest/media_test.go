package systemtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/grafov/m3u8"

	contract "github.com/weirstream/weir"
)

// listed is what the data folder says about an asset: its head and every listed segment of each track.
type listed struct {
	head     contract.Head
	segments map[string][]contract.Segment
}

func readHead(t *testing.T, data, asset string) listed {
	t.Helper()
	read := func(key string) []byte {
		b, err := os.ReadFile(filepath.Join(data, "blobs", filepath.FromSlash(key)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	head, err := contract.ParseHead(read(contract.HeadKey(contract.DefaultOrganisation, asset, 1)))
	if err != nil {
		t.Fatal(err)
	}
	l := listed{head: head, segments: map[string][]contract.Segment{}}
	for _, track := range head.Tracks {
		for _, ref := range track.Pages {
			page, err := contract.ParsePage(read(ref.Key))
			if err != nil {
				t.Fatal(err)
			}
			l.segments[track.Rendition] = append(l.segments[track.Rendition], page.Segments...)
		}
	}
	return l
}

// media is the length of a track's media in ticks: presentation and what the edit list hides.
func (l listed) media(track contract.Track) int64 {
	segments := l.segments[track.Rendition]
	last := segments[len(segments)-1]
	return last.Start + last.Duration + track.EditOffset
}

// frames is how many frames (video) or packets (audio) the plan says a track has.
func (l listed) frames(track contract.Track) int64 {
	if track.Kind == contract.Audio {
		return (l.media(track) + 1023) / 1024
	}
	return l.media(track) * track.FrameRate.Num / (track.FrameRate.Den * track.Timescale)
}

// verify judges a complete asset by tools nobody here wrote: counts, decoding, timing, schema, strict playlists.
func verify(t *testing.T, data string, got ingested) listed {
	t.Helper()
	l := readHead(t, data, got.Asset)
	if l.head.State != contract.Complete {
		t.Fatalf("head is %s, want complete", l.head.State)
	}
	verifyTiling(t, l)
	verifyPlaylists(t, l, got.HLS)
	for _, track := range l.head.Tracks {
		playlist := resolve(t, got.HLS, track.Rendition+".m3u8")
		if n := count(t, playlist, track.Kind); n != l.frames(track) {
			t.Errorf("HLS %s: ffprobe reads %d frames, want the plan's %d", track.Name, n, l.frames(track))
		}
		decode(t, playlist)
		verifyConcatenation(t, l, got, track)
	}
	verifyDASH(t, l, got.DASH)
	verifyDuration(t, l, got)
	return l
}

// verifyTiling: every track has every segment once, without hole or overlap.
func verifyTiling(t *testing.T, l listed) {
	t.Helper()
	for _, track := range l.head.Tracks {
		var end int64
		for i, s := range l.segments[track.Rendition] {
			if s.Start != end {
				t.Errorf("%s: segment %d starts at %d, want %d", track.Name, i+1, s.Start, end)
			}
			end = s.Start + s.Duration
		}
		if n := len(l.segments[track.Rendition]); n != l.head.Segments {
			t.Errorf("%s has %d segments, want %d", track.Name, n, l.head.Segments)
		}
		want := l.head.Duration.Float()
		if got := float64(end) / float64(track.Timescale); math.Abs(got-want) > 1e-4 {
			t.Errorf("%s lasts %f s, want %f", track.Name, got, want)
		}
	}
}

func resolve(t *testing.T, base, ref string) string {
	t.Helper()
	b, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

// verifyPlaylists reads every playlist with grafov/m3u8 in strict mode.
func verifyPlaylists(t *testing.T, l listed, main string) {
	t.Helper()
	list, kind, err := m3u8.DecodeFrom(bytes.NewReader(fetch(t, main, 200)), true)
	if err != nil || kind != m3u8.MASTER {
		t.Fatalf("strict reading of main.m3u8: kind %v, %v", kind, err)
	}
	for _, v := range list.(*m3u8.MasterPlaylist).Variants {
		if v.Codecs == "" || v.Bandwidth == 0 {
			t.Errorf("variant %s has no CODECS or BANDWIDTH", v.URI)
		}
		media, kind, err := m3u8.DecodeFrom(bytes.NewReader(fetch(t, resolve(t, main, v.URI), 200)), true)
		if err != nil || kind != m3u8.MEDIA {
			t.Fatalf("strict reading of %s: kind %v, %v", v.URI, kind, err)
		}
		p := media.(*m3u8.MediaPlaylist)
		if int(p.Count()) != l.head.Segments || !p.Closed {
			t.Errorf("%s lists %d segments (closed: %v), want %d", v.URI, p.Count(), p.Closed, l.head.Segments)
		}
		for _, s := range p.Segments {
			if s != nil && math.Round(s.Duration) > p.TargetDuration {
				t.Errorf("%s: EXTINF %f over TARGETDURATION %f", v.URI, s.Duration, p.TargetDuration)
			}
		}
	}
}

// count reads the packets of a track as ffprobe sees them; video frames are decoded.
func count(t *testing.T, input string, kind contract.TrackKind) int64 {
	t.Helper()
	args := []string{"-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries", "stream=nb_read_frames"}
	if kind == contract.Audio {
		args = []string{"-v", "error", "-select_streams", "a:0", "-count_packets", "-show_entries", "stream=nb_read_packets"}
	}
	out := tool(t, "ffprobe", append(args, "-of", "csv=p=0", input)...)
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n") // HLS: the stream stands once more in its program
	n, err := strconv.ParseInt(strings.Trim(first, ","), 10, 64)
	if err != nil {
		t.Fatalf("ffprobe %s counted %q", input, out)
	}
	return n
}

// decode has ffmpeg decode all of input; any message is an error. The muxer is one that takes timestamps as they come: ffmpeg's
// DASH reader gives the last frames of a stream with B-frames doubled ones, of which the null muxer would complain.
func decode(t *testing.T, input string) {
	t.Helper()
	tool(t, "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", input, "-map", "0", "-vsync", "passthrough", "-f", "framecrc", "-y", "/dev/null")
}

// verifyConcatenation: init plus all segments, concatenated, is a file with the plan's frames.
func verifyConcatenation(t *testing.T, l listed, got ingested, track contract.Track) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "track.mp4")
	b := fetch(t, resolve(t, got.HLS, "../"+track.Rendition+"/init.mp4"), 200)
	for n := range l.head.Segments {
		b = append(b, fetch(t, resolve(t, got.HLS, fmt.Sprintf("../%s/%d.m4s", track.Rendition, n+1)), 200)...)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := count(t, file, track.Kind); n != l.frames(track) {
		t.Errorf("%s, init and segments: ffprobe reads %d frames, want the plan's %d", track.Name, n, l.frames(track))
	}
	decode(t, file)
}

// verifyDASH: the MPD fits its schema, and ffmpeg's reader finds every frame of every representation. It may drop one
// final audio packet.
func verifyDASH(t *testing.T, l listed, mpd string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.mpd")
	if err := os.WriteFile(file, fetch(t, mpd, 200), 0o600); err != nil {
		t.Fatal(err)
	}
	schema(t, file)
	decode(t, mpd)
	out := tool(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_type,height,nb_read_packets", "-of", "json", mpd)
	var probe struct {
		Streams []struct {
			Type    string `json:"codec_type"`
			Height  int    `json:"height"`
			Packets string `json:"nb_read_packets"`
		} `json:"streams"`
	}
	if err := json.Unmarshal([]byte(out), &probe); err != nil {
		t.Fatal(err)
	}
	if len(probe.Streams) != len(l.head.Tracks) {
		t.Fatalf("DASH: ffprobe finds %d streams, want %d", len(probe.Streams), len(l.head.Tracks))
	}
	for _, track := range l.head.Tracks {
		for _, s := range probe.Streams {
			if s.Type != string(track.Kind) || s.Height != track.Height {
				continue
			}
			n, _ := strconv.ParseInt(s.Packets, 10, 64)
			if want := l.frames(track); n != want && (track.Kind != contract.Audio || n != want-1) {
				t.Errorf("DASH %s: ffprobe reads %d packets, want the plan's %d", track.Name, n, want)
			}
		}
	}
}

// schema validates an MPD against ISO/IEC 23009-1's schema. xmllint says "validates" on standard error.
func schema(t *testing.T, file string) {
	t.Helper()
	tool(t, "sh", "-c", `xmllint --nonet --noout --schema "$1" "$2" 2>&1 | grep -qx "$2 validates" || { xmllint --nonet --noout --schema "$1" "$2"; exit 1; }`,
		"sh", "../../../manifests/dash/testdata/DASH-MPD.xsd", file)
}

// verifyDuration: what players are told is the normalised timeline within a frame.
func verifyDuration(t *testing.T, l listed, got ingested) {
	t.Helper()
	frame := 0.04
	if r := l.head.Tracks[0].FrameRate; r.Known() {
		frame = 1 / r.Float()
	}
	want := l.head.Duration.Float()
	out := tool(t, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", got.HLS)
	if d, err := strconv.ParseFloat(strings.TrimSpace(out), 64); err != nil || math.Abs(d-want) > frame {
		t.Errorf("ffprobe %s: duration %q, want %f within a frame", got.HLS, out, want)
	}
	// ffmpeg's DASH reader cuts mediaPresentationDuration to whole seconds, so the attribute itself is read.
	m := regexp.MustCompile(`mediaPresentationDuration="PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?"`).FindSubmatch(fetch(t, got.DASH, 200))
	if m == nil {
		t.Fatal("the MPD has no mediaPresentationDuration")
	}
	d := 0.0
	for i, unit := range []float64{3600, 60, 1} {
		n, _ := strconv.ParseFloat(string(m[i+1]), 64)
		d += n * unit
	}
	if math.Abs(d-want) > frame {
		t.Errorf("mediaPresentationDuration is %f s, want %f within a frame", d, want)
	}
}
