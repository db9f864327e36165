package weir

import (
	"encoding/json"
	"time"
)

// HeadVersion and PageVersion are what this code writes. Readers skip unknown fields and refuse larger versions.
const (
	HeadVersion = 1
	PageVersion = 1
)

// RevisionState is the state of one listed revision of an asset.
type RevisionState string

// Revision states. Growing only gains segments; Complete is immutable; Deleted is a tombstone that is never overwritten.
const (
	Growing  RevisionState = "growing"
	Complete RevisionState = "complete"
	Deleted  RevisionState = "deleted"
)

// TrackKind is what a track carries.
type TrackKind string

// Track kinds.
const (
	Video TrackKind = "video"
	Audio TrackKind = "audio"
	Text  TrackKind = "text"
	Image TrackKind = "image"
)

// Head is the root of a revision's index: the one mutable object of an asset, at HeadKey, replaced with If-Match only.
// Segments are numbered from FirstSegment in every track alike: segment n of any track covers the same stretch of the
// presentation, so the extent (what may be listed) is one count.
type Head struct {
	Version        int           `json:"version"`
	Organisation   string        `json:"organisation"`
	Asset          string        `json:"asset"`
	Revision       int           `json:"revision"` // per-asset counter from 1; part of every URL
	State          RevisionState `json:"state"`
	FirstSegment   int           `json:"first_segment"`   // 1 for VOD
	Segments       int           `json:"segments"`        // the extent: how many segments every listed track has
	TargetDuration int           `json:"target_duration"` // seconds, fixed by the plan (RFC 8216bis section 4.4.3.1)
	Duration       Rational      `json:"duration"`        // seconds: the plan's normalised timeline
	Anchor         time.Time     `json:"anchor,omitzero"` // wall clock of the first listed segment; zero when nothing is listed
	Periods        []Period      `json:"periods"`
	Tracks         []Track       `json:"tracks"` // ladder order: video best first, then audio
	Poster         *Still        `json:"poster,omitempty"`
}

// Period is a stretch of the presentation without a discontinuity (DASH Period, HLS discontinuity sequence).
type Period struct {
	ID            string   `json:"id"`
	Start         Rational `json:"start"` // seconds
	FirstSegment  int      `json:"first_segment"`
	Discontinuity int      `json:"discontinuity"`
}

// Still is a JPEG picture taken from the asset.
type Still struct {
	Key    string `json:"key"` // an object in Blobs
	Length int64  `json:"length"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Track is one rendition as listed in a revision.
type Track struct {
	Rendition  string    `json:"rendition"` // the hash of what made it; names its objects and its URLs
	Kind       TrackKind `json:"kind"`
	Name       string    `json:"name"`  // for people: "480p", "English"
	Codec      string    `json:"codec"` // RFC 6381, read from the bitstream: "avc1.64001e", "mp4a.40.2"
	Timescale  int64     `json:"timescale"`
	EditOffset int64     `json:"edit_offset,omitempty"` // media time of presentation time 0 (audio: the encoder's priming)
	Language   string    `json:"language,omitempty"`    // BCP 47; "" is unknown
	Default    bool      `json:"default,omitempty"`

	Width     int      `json:"width,omitempty"`
	Height    int      `json:"height,omitempty"`
	FrameRate Rational `json:"frame_rate,omitzero"`
	Colour    *Colour  `json:"colour,omitempty"`

	SampleRate int `json:"sample_rate,omitempty"` // Hz
	Channels   int `json:"channels,omitempty"`

	Cap     int64     `json:"cap"`               // bits per second: what the plan promises as the peak
	Peak    int64     `json:"peak,omitempty"`    // measured when complete (RFC 8216bis section 4.4.6.2, BANDWIDTH)
	Average int64     `json:"average,omitempty"` // measured when complete (AVERAGE-BANDWIDTH)
	Pages   []PageRef `json:"pages"`             // in segment order, without a hole
}

// Colour holds the code points of ISO/IEC 23091-2 and the HDR kind, "" for SDR.
type Colour struct {
	Primaries int    `json:"primaries"`
	Transfer  int    `json:"transfer"`
	Matrix    int    `json:"matrix"`
	FullRange bool   `json:"full_range,omitempty"`
	HDR       string `json:"hdr,omitempty"`
}

// PageRef names one index page and the segments it holds.
type PageRef struct {
	Key   string `json:"key"`
	First int    `json:"first"` // number of its first segment
	Count int    `json:"count"`
}

// Page is the immutable index of one chunk object. It is written beside the chunk by the worker that made it.
type Page struct {
	Version  int       `json:"version"`
	Object   string    `json:"object"` // the chunk's key in Blobs
	SHA256   string    `json:"sha256"` // of the chunk object, hex
	Length   int64     `json:"length"` // bytes of the chunk object
	Init     string    `json:"init"`   // key of the init segment (CMAF header) its segments need
	InitCRC  uint32    `json:"init_crc"`
	First    int       `json:"first"` // number of Segments[0]
	Segments []Segment `json:"segments"`
}

// Segment is one CMAF segment: a range of the chunk object.
type Segment struct {
	Offset   int64  `json:"offset"`
	Length   int64  `json:"length"`
	Start    int64  `json:"start"`    // presentation time after the edit, in the track's timescale
	Duration int64  `json:"duration"` // presentation duration, in the track's timescale
	KeyBytes int64  `json:"key_bytes,omitempty"`
	CRC32C   uint32 `json:"crc32c"` // Castagnoli, of the segment's bytes
}

// Bounds of what a reader of heads and pages accepts.
const (
	MaxHeadBytes    = 4 << 20
	MaxPageBytes    = 1 << 20
	MaxSegmentBytes = 64 << 20
	maxTracks       = 64
	maxPages        = 20000
	maxPageSegments = 4096
	maxSegments     = 1 << 20
	maxPeriods      = 4096
	maxTarget       = 3600 // seconds
)

// EncodeHead is h in its stored form.
func EncodeHead(h Head) ([]byte, error) { return json.Marshal(h) }

// ParseHead reads a stored head and checks every bound and relation a reader relies on. Errors are of kind Internal: a
// head is ours, so a bad one is a defect or damage.
func ParseHead(b []byte) (Head, error) {
	var h Head
	if len(b) > MaxHeadBytes {
		return Head{}, Errorf(Internal, "head has %d bytes, more than %d", len(b), MaxHeadBytes)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return Head{}, Errorf(Internal, "head is not JSON: %w", err)
	}
	return h, h.check()
}

func (h Head) check() error {
	switch {
	case h.Version < 1 || h.Version > HeadVersion:
		return Errorf(Internal, "head version %d is not one this program reads (1 to %d)", h.Version, HeadVersion)
	case !ValidID(h.Organisation) || !ValidID(h.Asset) || h.Revision < 1:
		return Errorf(Internal, "head names no valid revision")
	case h.State != Growing && h.State != Complete && h.State != Deleted:
		return Errorf(Internal, "head state %q is unknown", h.State)
	case h.Segments < 0 || h.Segments > maxSegments || h.FirstSegment < 0 || h.FirstSegment > 1<<31 || len(h.Tracks) > maxTracks ||
		len(h.Periods) > maxPeriods || h.TargetDuration > maxTarget:
		return Errorf(Internal, "head is out of bounds")
	case h.Poster != nil && !ValidKey(h.Poster.Key):
		return Errorf(Internal, "head has a poster without an object")
	case h.State != Deleted && (h.TargetDuration < 1 || !h.Duration.Known()):
		return Errorf(Internal, "head has no duration")
	}
	for _, t := range h.Tracks {
		if err := t.check(h); err != nil {
			return err
		}
	}
	return nil
}

func (t Track) check(h Head) error {
	if !ValidID(t.Rendition) || t.Timescale < 1 || t.Timescale > 1<<32-1 || len(t.Pages) > maxPages || t.EditOffset < 0 {
		return Errorf(Internal, "track %q is out of bounds", t.Rendition)
	}
	next := h.FirstSegment
	for _, p := range t.Pages {
		if p.First != next || p.Count < 1 || p.Count > maxPageSegments {
			return Errorf(Internal, "track %q has a hole before segment %d", t.Rendition, p.First)
		}
		next += p.Count
	}
	if next-h.FirstSegment < h.Segments {
		return Errorf(Internal, "track %q lists %d segments, fewer than the extent %d", t.Rendition, next-h.FirstSegment, h.Segments)
	}
	return nil
}

// EncodePage is p in its stored form.
func EncodePage(p Page) ([]byte, error) { return json.Marshal(p) }

// ParsePage reads a stored page and checks that its segments tile the chunk object. Errors are of kind Internal.
func ParsePage(b []byte) (Page, error) {
	var p Page
	if len(b) > MaxPageBytes {
		return Page{}, Errorf(Internal, "page has %d bytes, more than %d", len(b), MaxPageBytes)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return Page{}, Errorf(Internal, "page is not JSON: %w", err)
	}
	if p.Version < 1 || p.Version > PageVersion || p.Object == "" || p.Init == "" ||
		len(p.Segments) == 0 || len(p.Segments) > maxPageSegments {
		return Page{}, Errorf(Internal, "page is out of bounds")
	}
	var end int64
	for i, s := range p.Segments {
		if s.Offset != end || s.Length < 1 || s.Length > MaxSegmentBytes || s.Start < 0 || s.Start > 1<<52 ||
			s.Duration < 1 || s.Duration > 1<<40 || s.KeyBytes < 0 || s.KeyBytes > s.Length {
			return Page{}, Errorf(Internal, "segment %d of page is out of bounds", i)
		}
		end += s.Length
	}
	if end > p.Length {
		return Page{}, Errorf(Internal, "page lists %d bytes of an object of %d", end, p.Length)
	}
	return p, nil
}
