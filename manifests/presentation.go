package manifests

import (
	"fmt"
	"sort"

	weir "github.com/weirstream/weir"
)

// Presentation is a revision as players see it. It is immutable after Build and safe for concurrent use; its slices are
// not to be changed.
type Presentation struct {
	Head   weir.Head
	Tracks []Track // in the head's order
}

// Track is one rendition with the segments that are listed. The embedded Pages may reach past the extent; Segments and
// Spans do not.
type Track struct {
	weir.Track
	Segments []weir.Segment // Segments[i] is number Head.FirstSegment+i
	Spans    []Span         // where they are stored, in order, without a hole
	Inits    []Init         // distinct, in order of first appearance
}

// Span is a run of listed segments that one object holds and that share an init segment.
type Span struct {
	First  int    // number of the first segment
	Count  int    // at least 1
	Object string // key in Blobs; segment offsets count in it
	SHA256 string // of the object, hex
	Length int64  // of the object, bytes
	Init   int    // index in Track.Inits
}

// Init is an init segment (CMAF header) of a track.
type Init struct {
	Key  string // in Blobs
	Name string // as in URIs: "init.mp4", "init-2.mp4" ...
	CRC  uint32 // CRC-32C of its bytes
}

// Complete says whether no more segments will be listed.
func (p Presentation) Complete() bool { return p.Head.State == weir.Complete }

// Build lays out the listed part of head. page returns an index page by its key; only pages within the extent are asked
// for. Errors: Gone (the head is a tombstone), Internal (a page is missing or disagrees with the head).
func Build(head weir.Head, page func(key string) (weir.Page, bool)) (Presentation, error) {
	if head.State == weir.Deleted {
		return Presentation{}, weir.Errorf(weir.Gone, "this asset was deleted")
	}
	p := Presentation{Head: head, Tracks: make([]Track, len(head.Tracks))}
	for i, t := range head.Tracks {
		var err error
		if p.Tracks[i], err = build(head, t, page); err != nil {
			return Presentation{}, err
		}
	}
	return p, nil
}

func build(head weir.Head, from weir.Track, page func(key string) (weir.Page, bool)) (Track, error) {
	t := Track{Track: from, Segments: make([]weir.Segment, 0, head.Segments)}
	for _, ref := range from.Pages {
		listed := min(ref.Count, head.Segments-len(t.Segments))
		if listed <= 0 {
			break
		}
		pg, ok := page(ref.Key)
		switch {
		case !ok:
			return Track{}, weir.Errorf(weir.Internal, "index page %s is missing", ref.Key)
		case pg.First != ref.First || len(pg.Segments) != ref.Count || ref.First != head.FirstSegment+len(t.Segments):
			return Track{}, weir.Errorf(weir.Internal, "index page %s holds %d segments from %d, the head says %d from %d",
				ref.Key, len(pg.Segments), pg.First, ref.Count, ref.First)
		}
		if n := len(t.Segments); n > 0 && t.Segments[n-1].Start+t.Segments[n-1].Duration != pg.Segments[0].Start {
			return Track{}, weir.Errorf(weir.Internal, "index page %s leaves a hole in time before segment %d", ref.Key, ref.First)
		}
		t.Segments = append(t.Segments, pg.Segments[:listed]...)
		t.Spans = append(t.Spans, Span{First: ref.First, Count: listed, Object: pg.Object, SHA256: pg.SHA256, Length: pg.Length,
			Init: t.init(pg.Init, pg.InitCRC)})
	}
	if len(t.Segments) < head.Segments {
		return Track{}, weir.Errorf(weir.Internal, "track %s has %d segments, fewer than the extent %d", t.Rendition, len(t.Segments), head.Segments)
	}
	return t, nil
}

// init is the index in Inits of the init segment with this key, added if it is new.
func (t *Track) init(key string, crc uint32) int {
	for i, in := range t.Inits {
		if in.Key == key {
			return i
		}
	}
	name := "init.mp4"
	if n := len(t.Inits); n > 0 {
		name = fmt.Sprintf("init-%d.mp4", n+1)
	}
	t.Inits = append(t.Inits, Init{Key: key, Name: name, CRC: crc})
	return len(t.Inits) - 1
}

// Track finds a rendition.
func (p Presentation) Track(rendition string) (Track, bool) {
	for i := range p.Tracks {
		if p.Tracks[i].Rendition == rendition {
			return p.Tracks[i], true
		}
	}
	return Track{}, false
}

// Segment finds the listed segment n of a rendition and the span it is stored in. It does not allocate.
func (p Presentation) Segment(rendition string, n int) (Span, weir.Segment, bool) {
	for i := range p.Tracks {
		if t := &p.Tracks[i]; t.Rendition == rendition {
			at := n - p.Head.FirstSegment
			if at < 0 || at >= len(t.Segments) {
				return Span{}, weir.Segment{}, false
			}
			return t.span(n), t.Segments[at], true
		}
	}
	return Span{}, weir.Segment{}, false
}

// span is the one that holds segment n, which is listed.
func (t *Track) span(n int) Span {
	return t.Spans[sort.Search(len(t.Spans), func(i int) bool { return t.Spans[i].First > n })-1]
}

// Init finds an init segment of a rendition by its name in URIs.
func (p Presentation) Init(rendition, name string) (Init, bool) {
	for i := range p.Tracks {
		if p.Tracks[i].Rendition != rendition {
			continue
		}
		for _, in := range p.Tracks[i].Inits {
			if in.Name == name {
				return in, true
			}
		}
	}
	return Init{}, false
}

// Listed says whether the presentation can be played: NotFound if nothing is listed yet.
func (p Presentation) Listed() error {
	if p.Head.Segments == 0 || len(p.Tracks) == 0 {
		return weir.Errorf(weir.NotFound, "nothing of this asset can be played yet")
	}
	return nil
}
