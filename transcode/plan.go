package transcode

import (
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
)

// Plan is everything a job will do: a pure function of (normalised probe, policy, tool version), stored once in canonical
// bytes and resumed from there, never recomputed. It holds integers and rationals only.
type Plan struct {
	Version int     `json:"version"`
	Tool    string  `json:"tool"`   // the encoder's version; workers with another do not claim its tasks
	Preset  string  `json:"preset"` // x264's
	Source  Source  `json:"source"`
	Grid    Grid    `json:"grid"`
	Video   []Video `json:"video"`  // renditions, best first; empty for audio only
	Audio   []Audio `json:"audio"`  // tracks; empty for video only
	Chunks  []Chunk `json:"chunks"` // of the video renditions, in order
	Tasks   []Spec  `json:"tasks"`  // Tasks[i] is the ledger's task i+1
}

// Source is what the planner needs to know of a master: the normalised probe.
type Source struct {
	SHA256     string        `json:"sha256"`
	Video      *VideoSource  `json:"video,omitempty"`
	Audio      []AudioSource `json:"audio,omitempty"`
	Demuxer    string        `json:"demuxer"`     // the one input format ffmpeg is told to use
	OriginNum  int64         `json:"origin_num"`  // raw timestamp that becomes presentation time 0 ...
	OriginDen  int64         `json:"origin_den"`  // ... in ticks of this many a second
	DurationUS int64         `json:"duration_us"` // from the origin to the end of the longest planned track
}

// VideoSource is the video stream of a master that is encoded.
type VideoSource struct {
	Index      int           `json:"index"` // stream index in the file
	Codec      string        `json:"codec"`
	Width      int           `json:"width"`  // display size: square pixels, after rotation
	Height     int           `json:"height"` //
	CodedWidth int           `json:"coded_width"`
	CodedHigh  int           `json:"coded_height"`
	Rate       weir.Rational `json:"rate"`   // snapped
	Frames     int64         `json:"frames"` // grid frames that have a source picture
	Interlaced bool          `json:"interlaced,omitempty"`
	Rotation   int           `json:"rotation,omitempty"` // degrees, as ffmpeg will apply it
	HDR        string        `json:"hdr,omitempty"`      // "pq" or "hlg": tone-mapped
	RGB        bool          `json:"rgb,omitempty"`
	Delay      int64         `json:"delay,omitempty"` // ticks of Source.OriginDen by which decoded pictures are stamped late
}

// AudioSource is an audio stream of a master that is encoded.
type AudioSource struct {
	Index      int    `json:"index"`
	Codec      string `json:"codec"`
	Channels   int    `json:"channels"`
	SampleRate int    `json:"sample_rate"`
	Language   string `json:"language,omitempty"`
	Default    bool   `json:"default,omitempty"`
}

// Video is one video rendition to make.
type Video struct {
	ID   string    `json:"id"` // the hash of what makes it
	Rung weir.Rung `json:"rung"`
}

// Audio is one audio rendition to make: one uninterrupted encode.
type Audio struct {
	ID       string    `json:"id"`
	Rung     weir.Rung `json:"rung"`
	Source   int       `json:"source"`  // index in Source.Audio
	Samples  int64     `json:"samples"` // of presentation, at Rung.SampleRate: the timeline's length
	Language string    `json:"language,omitempty"`
	Default  bool      `json:"default,omitempty"`
}

// Chunk is a run of whole segments that one task encodes and one object a rendition holds.
type Chunk struct {
	FirstFrame   int64 `json:"first_frame"`
	Frames       int64 `json:"frames"`
	FirstSegment int   `json:"first_segment"` // counted from 0
	Segments     int   `json:"segments"`

	Seek *ffmpeg.Seek `json:"seek,omitempty"` // where decoding starts; nil is the start of the file
}

// Spec says what a task of the ledger works on.
type Spec struct {
	Kind  weir.TaskKind `json:"kind"`
	Chunk int           `json:"chunk,omitempty"` // TaskVideo: index in Chunks
	Audio int           `json:"audio,omitempty"` // TaskAudio: index in Audio
	At    int64         `json:"at,omitempty"`    // TaskStill: grid frame (of the source)
	Order int           `json:"order"`
	Total int64         `json:"total"` // units of progress

	Seek *ffmpeg.Seek `json:"seek,omitempty"` // TaskStill: where decoding starts; nil is the start of the file
}
