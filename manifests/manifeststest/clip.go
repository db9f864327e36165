package manifeststest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests/cmaf"
)

// Of a clip's timeline: 25 frames a second, segments of one second, chunks of two segments.
const (
	ClipSegments      = 5
	clipSegmentFrames = 25
	clipChunkSegments = 2
)

// Clip is a real asset: moving pictures in two sizes and a tone, encoded by ffmpeg and packed by package cmaf.
type Clip struct {
	Head    weir.Head // complete
	Pages   map[string]weir.Page
	Objects map[string][]byte // chunks and init segments
}

// NewClip encodes a clip, which takes about a second. ffmpeg runs the encoder with the arguments given and returns its
// standard output: no package but a test may start processes.
func NewClip(t testing.TB, ffmpeg func(args ...string) []byte) *Clip {
	t.Helper()
	c := &Clip{Pages: map[string]weir.Page{}, Objects: map[string][]byte{}}
	c.Head = weir.Head{Version: weir.HeadVersion, Organisation: weir.DefaultOrganisation, Asset: "clip", Revision: 1,
		State: weir.Complete, FirstSegment: 1, Segments: ClipSegments, TargetDuration: 1, Anchor: Anchor,
		Duration: weir.Rational{Num: ClipSegments, Den: 1},
		Periods:  []weir.Period{{ID: "1", Start: weir.Rational{Den: 1}, FirstSegment: 1}},
		Tracks: []weir.Track{
			{Rendition: "v2", Kind: weir.Video, Name: "72p", Timescale: 90000, Width: 128, Height: 72, FrameRate: weir.Rational{Num: 25, Den: 1}, Cap: 400000},
			{Rendition: "v1", Kind: weir.Video, Name: "36p", Timescale: 90000, Width: 64, Height: 36, FrameRate: weir.Rational{Num: 25, Den: 1}, Cap: 200000},
			{Rendition: "a1", Kind: weir.Audio, Name: "Tone", Timescale: 48000, Language: "en", Default: true, SampleRate: 48000, Channels: 2, Cap: 64000},
		}}
	for i := range c.Head.Tracks {
		if track := &c.Head.Tracks[i]; track.Kind == weir.Video {
			c.video(t, ffmpeg, track)
		} else {
			c.audio(t, ffmpeg, track)
		}
	}
	return c
}

// Index is what Build takes.
func (c *Clip) Index() (weir.Head, map[string]weir.Page) { return c.Head, c.Pages }

func (c *Clip) video(t testing.TB, ffmpeg func(...string) []byte, track *weir.Track) {
	t.Helper()
	for first := 0; first < ClipSegments; first += clipChunkSegments {
		n := min(clipChunkSegments, ClipSegments-first)
		spec := cmaf.VideoSpec{Timescale: track.Timescale, FrameDuration: 3600, FirstFrame: int64(first * clipSegmentFrames),
			Frames: int64(n * clipSegmentFrames), FirstSegment: 1 + first}
		for i := range n {
			spec.SegmentStarts = append(spec.SegmentStarts, int64((first+i)*clipSegmentFrames))
		}
		in := ffmpeg("-v", "error", "-nostdin", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=%dx%d:r=25", track.Width, track.Height),
			"-vf", fmt.Sprintf("trim=start_frame=%d", spec.FirstFrame), "-frames:v", strconv.FormatInt(spec.Frames, 10),
			"-pix_fmt", "yuv420p", "-c:v", "libx264", "-threads", "1", "-preset", "veryfast", "-bf", "2", "-g", strconv.Itoa(clipSegmentFrames),
			"-sc_threshold", "0", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "pipe:1")
		var out bytes.Buffer
		packed, err := cmaf.PackVideo(bytes.NewReader(in), &out, spec)
		if err != nil {
			t.Fatalf("PackVideo: %v", err)
		}
		track.Codec, track.Colour = packed.Codec, packed.Colour
		c.add(track, packed.Init, out.Bytes(), 1+first, packed.Segments)
	}
}

func (c *Clip) audio(t testing.TB, ffmpeg func(...string) []byte, track *weir.Track) {
	t.Helper()
	spec := cmaf.AudioSpec{FirstSegment: 1}
	for i := range ClipSegments + 1 {
		spec.Boundaries = append(spec.Boundaries, int64(i)*48000)
	}
	in := ffmpeg("-v", "error", "-nostdin", "-f", "lavfi", "-i", "sine=f=440:r=48000", "-af", fmt.Sprintf("atrim=end_sample=%d", ClipSegments*48000),
		"-ac", "2", "-c:a", "aac", "-b:a", "64k", "-frag_duration", "500000", "-movflags", "+empty_moov+delay_moov+default_base_moof", "-f", "mp4", "pipe:1")
	var object []byte
	var segments []weir.Segment
	info, err := cmaf.PackAudio(bytes.NewReader(in), spec, nil, func(s cmaf.AudioSegment) error {
		s.Segment.Offset = int64(len(object))
		object, segments = append(object, s.Data...), append(segments, s.Segment)
		return nil
	})
	if err != nil {
		t.Fatalf("PackAudio: %v", err)
	}
	track.Codec, track.EditOffset = info.Codec, info.EditOffset
	c.add(track, info.Init, object, 1, segments)
}

// add stores a chunk with its page and names it in the track.
func (c *Clip) add(track *weir.Track, init, object []byte, first int, segments []weir.Segment) {
	prefix := weir.AssetPrefix(c.Head.Organisation, c.Head.Asset) + track.Rendition
	key, initKey := fmt.Sprintf("%s/%d.cmf", prefix, first), prefix+"/init.mp4"
	page := weir.PageKey(key)
	c.Objects[key], c.Objects[initKey] = object, init
	c.Pages[page] = weir.Page{Version: weir.PageVersion, Object: key, Length: int64(len(object)), Init: initKey,
		InitCRC: crc32.Checksum(init, crc32.MakeTable(crc32.Castagnoli)), First: first, Segments: segments}
	track.Pages = append(track.Pages, weir.PageRef{Key: page, First: first, Count: len(segments)})
}
