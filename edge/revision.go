package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/cmaf"
	"github.com/weirstream/weir/manifests/dash"
	"github.com/weirstream/weir/manifests/hls"
)

// parallelReads bounds how many pages of one revision are read at once; segmentBytes is about what a listed segment
// costs in memory: its entry, and its lines in manifests.
const (
	parallelReads = 16
	segmentBytes  = 250
)

// revision is one listed state of a revision: its head, what follows from it, and what was made of it so far. All but
// made is set once.
type revision struct {
	head  weir.Head
	etag  string // of the head
	show  manifests.Presentation
	pages map[string]weir.Page // by key; kept while growing, for the next state
	inits map[string]initBytes // by key
	bytes int64                // about what it costs in memory

	mu   sync.Mutex // guards made
	made map[string]*rendered
}

// initBytes is an init segment and the hex sha256 of it.
type initBytes struct {
	data []byte
	sum  string
}

// rendered is a manifest, plain and compressed, or a track. It is not changed.
type rendered struct {
	plain, gzipped       []byte
	plainSum, gzippedSum string    // hex sha256
	at                   time.Time // the second it speaks of, if it tells the time
	track                *track
	trackSum             string
}

// readRevision reads the state that the head names now; old, if not nil, is an earlier one, of which everything immutable
// is taken over. NotFound means that there is no head.
func readRevision(ctx context.Context, from *origin.Origin, key revisionKey, old *revision) (*revision, bool, error) {
	var known string
	if old != nil {
		if old.head.State == weir.Deleted {
			return old, false, nil // a tombstone is never overwritten
		}
		known = old.etag
	}
	head, tag, err := from.Head(ctx, key.organisation, key.asset, key.revision, known)
	if err != nil || (old != nil && tag == known) {
		return old, false, err
	}
	r := &revision{head: head, etag: tag, made: map[string]*rendered{}}
	if head.State == weir.Deleted {
		return r, true, nil
	}
	if err := r.readPages(ctx, from, old); err != nil {
		return nil, false, weir.Errorf(weir.Unavailable, "read pages: %w", err)
	}
	r.show, err = manifests.Build(head, func(key string) (weir.Page, bool) { p, ok := r.pages[key]; return p, ok })
	if err != nil {
		return nil, false, fmt.Errorf("build presentation: %w", err)
	}
	if err := r.readInits(ctx, from, old); err != nil {
		return nil, false, weir.Errorf(weir.Unavailable, "read init segments: %w", err)
	}
	for _, t := range r.show.Tracks {
		r.bytes += int64(len(t.Segments)) * segmentBytes
	}
	if r.show.Complete() {
		r.pages = nil
	}
	return r, true, nil
}

// readPages gets every page that lists a segment within the extent.
func (r *revision) readPages(ctx context.Context, from *origin.Origin, old *revision) error {
	r.pages = map[string]weir.Page{}
	var mu sync.Mutex // guards r.pages
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for _, t := range r.head.Tracks {
		for _, ref := range t.Pages {
			if ref.First >= r.head.FirstSegment+r.head.Segments {
				break
			}
			if old != nil {
				if p, ok := old.pages[ref.Key]; ok {
					mu.Lock()
					r.pages[ref.Key] = p
					mu.Unlock()
					continue
				}
			}
			g.Go(func() error {
				p, err := from.Page(ctx, ref.Key)
				if err != nil {
					return fmt.Errorf("page %s: %w", ref.Key, err)
				}
				mu.Lock()
				defer mu.Unlock()
				r.pages[ref.Key] = p
				return nil
			})
		}
	}
	return g.Wait()
}

// readInits gets the init segments: small, and needed by everybody.
func (r *revision) readInits(ctx context.Context, from *origin.Origin, old *revision) error {
	r.inits = map[string]initBytes{}
	var mu sync.Mutex // guards r.inits
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for _, t := range r.show.Tracks {
		for _, in := range t.Inits {
			if old != nil {
				if b, ok := old.inits[in.Key]; ok {
					mu.Lock()
					r.inits[in.Key] = b
					mu.Unlock()
					continue
				}
			}
			g.Go(func() error {
				b, err := from.Init(ctx, in.Key, in.CRC)
				if err != nil {
					return fmt.Errorf("init %s: %w", in.Key, err)
				}
				mu.Lock()
				defer mu.Unlock()
				r.inits[in.Key] = initBytes{b, hexSum(b)}
				return nil
			})
		}
	}
	return g.Wait()
}

// represent says what t means in this state of the revision, for a client that takes gzip or not. Errors: NotFound.
func (r *revision) represent(t *target, gzip bool, now time.Time) (representation, error) {
	if string(t.form) != "clear" {
		return representation{}, weir.Errorf(weir.NotFound, "there is no form %q of this asset", t.form)
	}
	switch t.what {
	case mediaSegment:
		return r.segment(t)
	case initSegment:
		return r.init(t)
	case poster:
		return r.poster(t)
	case wholeTrack:
		return r.track(t)
	default:
		return r.manifest(t, gzip, now)
	}
}

func (r *revision) segment(t *target) (representation, error) {
	s, seg, ok := r.show.Segment(string(t.rendition), int(t.number))
	if !ok {
		return representation{}, weir.Errorf(weir.NotFound, "this segment is not listed")
	}
	return representation{mediaType: r.mediaType(t), cacheControl: immutable, etag: segmentTag(s.SHA256, t.number, t.form),
		size: seg.Length, object: segmentObject(s, seg)}, nil
}

func segmentObject(s manifests.Span, seg weir.Segment) object {
	return object{key: cache.Key{Object: s.Object, Offset: seg.Offset}, size: seg.Length, crc: seg.CRC32C}
}

func (r *revision) init(t *target) (representation, error) {
	tr := r.find(t.rendition)
	if tr == nil || t.number > int64(len(tr.Inits)) {
		return representation{}, weir.Errorf(weir.NotFound, "this init segment is not listed")
	}
	b := r.inits[tr.Inits[t.number-1].Key]
	return representation{mediaType: r.mediaType(t), cacheControl: immutable, etag: segmentTag(b.sum, t.number, t.form),
		size: int64(len(b.data)), data: b.data}, nil
}

func (r *revision) poster(t *target) (representation, error) {
	p := r.head.Poster
	if p == nil {
		return representation{}, weir.Errorf(weir.NotFound, "this asset has no poster")
	}
	return representation{mediaType: "image/jpeg", cacheControl: immutable,
		etag: segmentTag(strings.TrimSuffix(path.Base(p.Key), ".jpg"), 0, t.form),
		size: p.Length, object: object{key: cache.Key{Object: p.Key}, size: p.Length, still: true}}, nil
}

// find returns a listed track, nil if there is none.
func (r *revision) find(rendition []byte) *manifests.Track {
	for i := range r.show.Tracks {
		if r.show.Tracks[i].Rendition == string(rendition) {
			return &r.show.Tracks[i]
		}
	}
	return nil
}

func (r *revision) mediaType(t *target) string {
	if tr := r.find(t.rendition); tr != nil && tr.Kind == weir.Audio {
		return "audio/mp4"
	}
	return "video/mp4"
}

func (r *revision) track(t *target) (representation, error) {
	tr := r.find(t.rendition)
	if tr == nil || !r.show.Complete() || len(tr.Inits) != 1 {
		return representation{}, weir.Errorf(weir.NotFound, "this track is not a single file")
	}
	made, err := r.make(t, time.Time{}, func() (*rendered, error) {
		index, err := cmaf.TrackIndex(r.inits[tr.Inits[0].Key].data, tr.Track, tr.Segments)
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		sum.Write(index)
		var segments []object
		for _, s := range tr.Spans {
			sum.Write([]byte(s.SHA256))
			at := s.First - r.head.FirstSegment
			for _, seg := range tr.Segments[at : at+s.Count] {
				segments = append(segments, segmentObject(s, seg))
			}
		}
		return &rendered{trackSum: hex.EncodeToString(sum.Sum(nil)), track: newTrack(index, segments)}, nil
	})
	if err != nil {
		return representation{}, err
	}
	return representation{mediaType: r.mediaType(t), cacheControl: immutable, etag: segmentTag(made.trackSum, 0, t.form),
		size: made.track.size(), stream: made.track}, nil
}

func (r *revision) manifest(t *target, gzip bool, now time.Time) (representation, error) {
	var at time.Time
	if t.what == dashMPD && !r.show.Complete() {
		at = now.Truncate(time.Second) // a dynamic MPD tells players the time
	}
	made, err := r.make(t, at, func() (*rendered, error) { return renderManifest(r.show, t, at) })
	if err != nil {
		return representation{}, err
	}
	rep := representation{mediaType: "application/vnd.apple.mpegurl", cacheControl: immutable, varies: true,
		etag: segmentTag(made.plainSum, 0, t.form), size: int64(len(made.plain)), data: made.plain}
	if t.what == dashMPD {
		rep.mediaType = "application/dash+xml"
	}
	if !r.show.Complete() {
		rep.cacheControl = fmt.Sprintf("public, max-age=%d", max(1, r.head.TargetDuration/2))
	}
	if gzip {
		rep.data, rep.size, rep.gzipped = made.gzipped, int64(len(made.gzipped)), true
		rep.etag = segmentTag(made.gzippedSum, 0, t.form)
	}
	return rep, nil
}

// make returns what the target's path was rendered to, rendering it the first time and when it speaks of another second.
func (r *revision) make(t *target, at time.Time, render func() (*rendered, error)) (*rendered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if made := r.made[string(t.path)]; made != nil && made.at.Equal(at) {
		return made, nil
	}
	made, err := render()
	if err == nil {
		r.made[string(t.path)] = made
	}
	return made, err
}

func renderManifest(show manifests.Presentation, t *target, at time.Time) (*rendered, error) {
	var b []byte
	var err error
	switch t.what {
	case hlsMultivariant:
		b, err = hls.Multivariant(show)
	case hlsMedia:
		b, err = hls.Media(show, string(t.rendition))
	default:
		b, err = dash.MPD(show, at)
	}
	if err != nil {
		return nil, err
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(b); err != nil {
		return nil, fmt.Errorf("compress manifest: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress manifest: %w", err)
	}
	return &rendered{plain: b, gzipped: zipped.Bytes(), plainSum: hexSum(b), gzippedSum: hexSum(zipped.Bytes()), at: at}, nil
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
