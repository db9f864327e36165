package ffmpeg

import (
	"strconv"
	"strings"
)

// Progress is how far a run has come.
type Progress struct {
	Frames    int64 // video frames written
	OutTimeUS int64 // time of the output written, in microseconds
}

// progressParser reads what -progress prints: a block of key=value lines, ended by "progress=".
type progressParser struct{ now Progress }

// progressKeys are the keys of a block; a line with any other is the tool talking. Some are prefixes: one a stream.
var progressKeys = [...]string{"frame", "fps", "stream_", "bitrate", "total_size", "out_time", "dup_frames", "drop_frames", "speed", "progress"}

// line takes one line. mine says that it belongs to a block, complete that it ends one, whose totals are p. Values that
// are no numbers (N/A) or negative leave what was known.
func (s *progressParser) line(line string) (p Progress, complete, mine bool) {
	key, value, ok := strings.Cut(line, "=")
	if !ok || !progressKey(key) {
		return Progress{}, false, false
	}
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		advance(&s.now.Frames, value)
	case "out_time_us":
		advance(&s.now.OutTimeUS, value)
	case "progress":
		return s.now, true, true
	}
	return Progress{}, false, true
}

func progressKey(key string) bool {
	for _, k := range progressKeys {
		if strings.HasPrefix(key, k) && !strings.ContainsAny(key, " :[]") {
			return true
		}
	}
	return false
}

// advance sets v to the number in text if that is larger.
func advance(v *int64, text string) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > *v {
		*v = n
	}
}
