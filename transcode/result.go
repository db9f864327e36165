package transcode

import (
	"encoding/json"

	weir "github.com/weirstream/weir"
)

// ResultVersion is what this code writes in Result.Version. A reader skips unknown fields and refuses larger versions.
const ResultVersion = 1

// Result is the body of a [weir.Record]: the objects of an attempt that count. It is written after every object it names
// is durable.
type Result struct {
	Version int         `json:"version"`
	Outputs []Output    `json:"outputs,omitempty"` // one a rendition (video), or one in all (audio)
	Still   *weir.Still `json:"still,omitempty"`   // absent if the source has no picture to take
}

// Output is one chunk object of one rendition, with what the head must say about its track.
type Output struct {
	Rendition  string       `json:"rendition"`
	Chunk      int          `json:"chunk"`  // number of the chunk within its rendition, from 0
	Object     string       `json:"object"` // key of the chunk object
	SHA256     string       `json:"sha256"` // of the chunk object, hex
	Length     int64        `json:"length"` // bytes of the chunk object
	Init       string       `json:"init"`   // key of the init segment
	Page       weir.PageRef `json:"page"`   // segments numbered from 1
	Codec      string       `json:"codec"`  // RFC 6381, read from the bitstream
	EditOffset int64        `json:"edit_offset,omitempty"`
	Width      int          `json:"width,omitempty"`
	Height     int          `json:"height,omitempty"`
	Colour     *weir.Colour `json:"colour,omitempty"`
	SampleRate int          `json:"sample_rate,omitempty"` // Hz
	Channels   int          `json:"channels,omitempty"`
}

// Encode is r in its stored form, with the current version.
func (r Result) Encode() ([]byte, error) {
	r.Version = ResultVersion
	b, err := json.Marshal(r)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "encode result: %w", err)
	}
	return b, nil
}

// ParseResult reads a record's body and checks what the assembler relies on. Errors are of kind Internal: a record is
// ours, so a bad one is a defect or damage.
func ParseResult(b []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return Result{}, weir.Errorf(weir.Internal, "result is not JSON: %w", err)
	}
	if r.Version < 1 || r.Version > ResultVersion {
		return Result{}, weir.Errorf(weir.Internal, "result version %d is not one this program reads (1 to %d)", r.Version, ResultVersion)
	}
	for _, o := range r.Outputs {
		if !weir.ValidID(o.Rendition) || !weir.ValidKey(o.Object) || !weir.ValidKey(o.Init) || !weir.ValidKey(o.Page.Key) ||
			o.Chunk < 0 || o.Page.First < 1 || o.Page.Count < 1 || o.Codec == "" || o.EditOffset < 0 {
			return Result{}, weir.Errorf(weir.Internal, "result of rendition %q is out of bounds", o.Rendition)
		}
	}
	if r.Still != nil && !weir.ValidKey(r.Still.Key) {
		return Result{}, weir.Errorf(weir.Internal, "result has a still without a key")
	}
	return r, nil
}
