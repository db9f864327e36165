package probe

import weir "github.com/weirstream/weir"

// Facts are what is known of a master. They hold integers only, and are the same for the same bytes and tool.
type Facts struct {
	Demuxer   string // the one input format that reads it
	Video     *Video // nil if there is no picture
	Audio     []Audio
	OriginNum int64 // raw timestamp of the first presented picture, or sample if there is no picture ...
	OriginDen int64 // ... in ticks of this many a second
}

// Video is the picture stream that is used: the default one, or the first. Cover art is none.
type Video struct {
	Index       int // of the stream within the file
	Codec       string
	Width       int // as shown: square pixels, upright
	Height      int
	CodedWidth  int
	CodedHeight int
	Rate        weir.Rational // frames a second of the grid its frames are put on
	Frames      int64         // grid frames from the origin to the end of its last picture
	Interlaced  bool
	Rotation    int    // degrees, 0, 90, 180 or 270: ffmpeg turns it upright
	HDR         string // "pq", "hlg" or ""
	RGB         bool   // the pixels have no luma yet
	Delay       int64  // ticks of OriginDen by which its decoder stamps pictures late: AVI has no presentation times
	Keys        []Key  // in order of presentation
}

// Key is a picture that decoding can start at.
type Key struct {
	At   int64 // time after the origin, in ticks of OriginDen a second; may be negative
	Slot int64 // grid frame it falls on
	PTS  int64 // raw presentation timestamp in microseconds, rounded up
	DTS  int64 // raw decoding timestamp in microseconds, rounded down; equal to PTS where unknown
}

// Audio is a sound stream.
type Audio struct {
	Index      int
	Codec      string
	Channels   int
	SampleRate int
	Language   string // as the file says it: BCP 47 or ISO 639-2; "" is unknown
	Default    bool
	EndUS      int64 // where its last packet ends after the origin, in microseconds
}
