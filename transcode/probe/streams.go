package probe

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"

	weir "github.com/weirstream/weir"
)

// Bounds of ffprobe's answer.
const (
	maxReport  = 4 << 20
	maxStreams = 128
	maxSounds  = 16
)

// report is what ffprobe says of a file: the part of -show_streams -show_format that is read.
type report struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Start    string `json:"start_time"`
		Duration string `json:"duration"`
	} `json:"format"`
}

type stream struct {
	Index       int            `json:"index"`
	Type        string         `json:"codec_type"`
	Codec       string         `json:"codec_name"`
	Tag         string         `json:"codec_tag_string"`
	Width       int            `json:"width"`
	Height      int            `json:"height"`
	CodedWidth  int            `json:"coded_width"`
	CodedHeight int            `json:"coded_height"`
	Aspect      string         `json:"sample_aspect_ratio"`
	PixelFormat string         `json:"pix_fmt"`
	FieldOrder  string         `json:"field_order"`
	Transfer    string         `json:"color_transfer"`
	Rate        string         `json:"r_frame_rate"`
	AverageRate string         `json:"avg_frame_rate"`
	TimeBase    string         `json:"time_base"`
	Channels    int            `json:"channels"`
	SampleRate  string         `json:"sample_rate"`
	Disposition map[string]int `json:"disposition"`
	Tags        tags           `json:"tags"`
	SideData    []sideData     `json:"side_data_list"`
}

type tags struct {
	Language string `json:"language"`
}

type sideData struct {
	Rotation float64 `json:"rotation"`
}

// parseReport reads ffprobe's JSON. Its errors are of kind Internal: ffprobe is ours, so this is a defect.
func parseReport(b []byte) (report, error) {
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		return report{}, weir.Errorf(weir.Internal, "ffprobe's answer is not JSON: %w", err)
	}
	if len(r.Streams) > maxStreams {
		return report{}, refuse("this file has %d tracks, more than %d", len(r.Streams), maxStreams)
	}
	return r, nil
}

// picture is the stream to use: the default one or else the first. Cover art and thumbnails are none.
func (r report) picture() *stream {
	var found *stream
	for i := range r.Streams {
		s := &r.Streams[i]
		d := s.Disposition
		if s.Type != "video" || d["attached_pic"]+d["timed_thumbnails"]+d["still_image"] > 0 {
			continue
		}
		if found == nil || d["default"] > found.Disposition["default"] {
			found = s
		}
	}
	return found
}

// sounds are the sound streams that can be decoded, in file order. Unprocessable if there are some but none can.
func (r report) sounds() ([]stream, error) {
	var found []stream
	unknown := ""
	for _, s := range r.Streams {
		switch {
		case s.Type != "audio":
		case !s.decodable() || s.Channels < 1 || s.Channels > 64:
			unknown = s.name()
		case len(found) < maxSounds:
			found = append(found, s)
		}
	}
	if len(found) == 0 && unknown != "" {
		return nil, refuse("its sound is in a format that cannot be decoded here (%s)", unknown)
	}
	return found, nil
}

func (s stream) decodable() bool { return s.Codec != "" && s.Codec != "unknown" && s.Codec != "none" }

var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)

// name is the codec for people. The tag comes from the file, so it is shown only if it is plain.
func (s stream) name() string {
	for _, n := range []string{s.Codec, s.Tag} {
		if plainName.MatchString(n) && n != "unknown" && n != "none" {
			return n
		}
	}
	return "unknown"
}

// Bounds of a picture.
const (
	minSide   = 16
	maxSide   = 8192
	maxPixels = 8192 * 4352
)

// video describes s but for its timeline.
func (s stream) video() (*Video, error) {
	if !s.decodable() {
		return nil, refuse("its picture is in a format that cannot be decoded here (%s)", s.name())
	}
	v := &Video{Index: s.Index, Codec: s.Codec, CodedWidth: s.Width, CodedHeight: s.Height, Rotation: s.rotation(),
		Interlaced: strings.Contains("tt bb tb bt", s.FieldOrder) && s.FieldOrder != "", RGB: isRGB(s.PixelFormat)}
	switch s.Transfer {
	case "smpte2084":
		v.HDR = "pq"
	case "arib-std-b67":
		v.HDR = "hlg"
	}
	if err := checkSize(s.Width, s.Height); err != nil {
		return nil, err
	}
	v.Width, v.Height = s.shown()
	if v.Rotation%180 != 0 {
		v.Width, v.Height = v.Height, v.Width
	}
	return v, checkSize(v.Width, v.Height)
}

func checkSize(width, height int) error {
	switch {
	case width <= 0 || height <= 0:
		return refuse("its picture has no size")
	case width < minSide || height < minSide:
		return refuse("its picture is %dx%d pixels, smaller than %dx%[3]d", width, height, minSide)
	case width > maxSide || height > maxSide || width*height > maxPixels:
		return refuse("its picture is %dx%d pixels, larger than %dx%d", width, height, maxSide, maxPixels/maxSide)
	}
	return nil
}

// shown is the size in square pixels, before rotation: the width is stretched or squeezed. A pixel more than four times
// as wide as high, or the other way round, is a defect of the file and not believed.
func (s stream) shown() (width, height int) {
	a, ok := parseRatio(s.Aspect, ":")
	if !ok || a.Num > 4*a.Den || a.Den > 4*a.Num {
		return s.Width, s.Height
	}
	return int((2*int64(s.Width)*a.Num + a.Den) / (2 * a.Den)), s.Height
}

// rotation is that of the display matrix if it is by quarter turns, and nothing otherwise.
func (s stream) rotation() int {
	for _, d := range s.SideData {
		if quarter := int(math.Round(d.Rotation / 90)); quarter != 0 && math.Abs(d.Rotation-float64(90*quarter)) <= 1 {
			return ((quarter%4 + 4) % 4) * 90
		}
	}
	return 0
}

func isRGB(format string) bool {
	for _, p := range []string{"rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr"} {
		if strings.HasPrefix(format, p) {
			return true
		}
	}
	return false
}

func (s stream) audio() Audio {
	rate, _ := strconv.Atoi(s.SampleRate)
	language := s.Tags.Language
	if !plainName.MatchString(language) || language == "und" {
		language = ""
	}
	return Audio{Index: s.Index, Codec: s.Codec, Channels: s.Channels, SampleRate: rate, Language: language, Default: s.Disposition["default"] == 1}
}

// timeBase is a tick in seconds.
func (s stream) timeBase() (weir.Rational, bool) { return parseRatio(s.TimeBase, "/") }

// maxPart bounds what is believed of a ratio, so that arithmetic on it cannot overflow.
const maxPart = 1 << 31

// parseRatio reads "num/den" with positive parts.
func parseRatio(text, sep string) (weir.Rational, bool) {
	a, b, ok := strings.Cut(text, sep)
	num, err1 := strconv.ParseInt(a, 10, 64)
	den, err2 := strconv.ParseInt(b, 10, 64)
	if !ok || err1 != nil || err2 != nil || num < 1 || den < 1 || num > maxPart || den > maxPart {
		return weir.Rational{}, false
	}
	return weir.Rational{Num: num, Den: den}, true
}

// microseconds reads seconds with a decimal point; anything else is 0.
func microseconds(text string) int64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) > 1e9 || f != f {
		return 0
	}
	return int64(math.Round(f * 1e6))
}
