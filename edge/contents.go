package edge

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/manifests"
	"github.com/weirstream/weir/manifests/cmaf"
	"github.com/weirstream/weir/manifests/dash"
	"github.com/weirstream/weir/manifests/hls"
)

// maxStillBytes bounds a picture that a head may list.
const maxStillBytes = 16 << 20

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
	o := segmentObject(s, seg)
	o.live = !r.show.Complete()
	return representation{mediaType: r.mediaType(t), cacheControl: immutable, etag: segmentTag(s.SHA256, t.number, t.form),
		size: seg.Length, object: o, of: r}, nil
}

func segmentObject(s manifests.Span, seg weir.Segment) object {
	return object{key: cache.Key{Object: s.Object, Offset: seg.Offset, Length: seg.Length}, crc: seg.CRC32C}
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
	if p.Length < 1 || p.Length > maxStillBytes {
		return representation{}, weir.Errorf(weir.Internal, "the head lists a poster of %d bytes", p.Length)
	}
	return representation{mediaType: "image/jpeg", cacheControl: immutable,
		etag: segmentTag(strings.TrimSuffix(path.Base(p.Key), ".jpg"), 0, t.form),
		size: p.Length, object: object{key: cache.Key{Object: p.Key, Length: p.Length}, still: true}}, nil
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
		size: made.track.size(), stream: made.track, of: r}, nil
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
		etag: segmentTag(made.plainSum, 0, t.form), size: int64(len(made.plain)), data: made.plain, of: r}
	if t.what == dashMPD {
		rep.mediaType = "application/dash+xml"
	}
	if !r.show.Complete() {
		rep.cacheControl = fmt.Sprintf("public, max-age=%d", r.head.TargetDuration/2)
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
