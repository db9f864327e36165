package weir

// Rung is a target for one rendition. A video rung has Width and Height, an audio rung has Channels.
type Rung struct {
	Name       string `json:"name"`  // "480p", "stereo"; unique within its ladder
	Codec      string `json:"codec"` // "h264", "aac"
	Width      int    `json:"width,omitempty"`
	Height     int    `json:"height,omitempty"` // square pixels, both even
	CRF        int    `json:"crf,omitempty"`    // constant rate factor of the encoder, capped by MaxRate
	MaxRate    int    `json:"max_rate"`         // bits per second: the cap (video) or the rate (audio)
	BufferSize int    `json:"buffer_size,omitempty"`
	Channels   int    `json:"channels,omitempty"`
	SampleRate int    `json:"sample_rate,omitempty"` // Hz
}

// Ladder is the ordered set of rungs to make of one master, best first, video before audio.
type Ladder []Rung
