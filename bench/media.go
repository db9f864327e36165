package bench

import (
	"net/url"

	weir "github.com/weirstream/weir"
)

// The bounds of what a player reads.
const (
	maxManifest = 8 << 20
	maxSegments = 200_000 // of an MPD's pictures, or of a playlist
	maxRungs    = 64
)

// Presentation is what a manifest lists, as far as a player must know it.
type Presentation struct {
	Rungs []Rendition // video, or sound alone; bit rates rise
	Audio []Rendition // the sound that goes with it, at most one rendition
	Live  bool        // it grows: the manifest is to be read again
	Again float64     // seconds after which
	// Growing says that it is Live only until it is complete, and is watched from its start: HLS's EVENT.
	Growing bool
}

// Rendition is one encoding of a track. HLS has a playlist each, so Segments is empty until that is read.
type Rendition struct {
	Rate     int64    // bits a second
	Playlist *url.URL // of HLS; nil is none
	Segments []MediaSegment
}

// MediaSegment is one segment. Init is what has to be loaded before it, "" if nothing.
type MediaSegment struct {
	URL, Init *url.URL
	Start     float64 // seconds since the presentation's start; of a sliding window, since the first that was ever listed
	Seconds   float64
	Number    uint64 // rises by one a segment
}

// End is the time at which the last listed segment ends.
func (r Rendition) End() float64 {
	if len(r.Segments) == 0 {
		return 0
	}
	last := r.Segments[len(r.Segments)-1]
	return last.Start + last.Seconds
}

// after is the first segment that ends after a time.
func (r Rendition) after(t float64) (MediaSegment, bool) {
	for _, s := range r.Segments {
		if s.Start+s.Seconds > t+1e-3 {
			return s, true
		}
	}
	return MediaSegment{}, false
}

// ReadManifest reads a multivariant playlist, a media playlist or an MPD, found at base. Errors are Unprocessable.
func ReadManifest(base *url.URL, b []byte) (Presentation, error) {
	if len(b) >= maxManifest {
		return Presentation{}, weir.Errorf(weir.Unprocessable, "a manifest of %d bytes or more", maxManifest)
	}
	var p Presentation
	var err error
	if isPlaylist(b) {
		p, err = readHLS(base, b)
	} else {
		p, err = readDASH(base, b)
	}
	switch {
	case err != nil:
		return p, err
	case len(p.Rungs) == 0 || len(p.Rungs) > maxRungs:
		return p, weir.Errorf(weir.Unprocessable, "a manifest of %d renditions", len(p.Rungs))
	}
	return p, nil
}

func resolve(base *url.URL, uri string) (*url.URL, error) {
	u, err := base.Parse(uri)
	if err != nil {
		return nil, weir.Errorf(weir.Unprocessable, "a manifest names %q: %w", uri, err)
	}
	return u, nil
}
