package edge

import (
	"context"
	"sort"

	"github.com/weirstream/weir/edge/cache"
)

// track is a whole track as one file, which is stored nowhere: the init segment and one sidx, then every segment. Its
// byte ranges are found by arithmetic on the index.
type track struct {
	index    []byte   // init segment and sidx
	segments []object // in order
	ends     []int64  // ends[i] is where segment i ends in the file
}

func newTrack(index []byte, segments []object) *track {
	t := &track{index: index, segments: segments, ends: make([]int64, len(segments))}
	end := int64(len(index))
	for i, s := range segments {
		end += s.key.Length
		t.ends[i] = end
	}
	return t
}

func (t *track) size() int64 {
	if len(t.ends) == 0 {
		return int64(len(t.index))
	}
	return t.ends[len(t.ends)-1]
}

// at returns the segment that holds byte off of the file, and where it starts; the index is segment -1.
func (t *track) at(off int64) (segment int, start int64) {
	if off < int64(len(t.index)) {
		return -1, 0
	}
	i := sort.Search(len(t.ends), func(i int) bool { return t.ends[i] > off })
	return i, t.ends[i] - t.segments[i].key.Length
}

// trackSource gives the parts of a track, each segment through the cache as its turn comes. When a segment cannot be had
// the connection is closed: a short answer is seen as one.
type trackSource struct {
	handler *handler
	track   *track
	index   plainContent
	begun   bool // a segment was asked for: the answer is not cut for load
}

func (t *trackSource) open(off int64) (c content, start, end int64, err error) {
	i, start := t.track.at(off)
	if i < 0 {
		return &t.index, 0, int64(len(t.track.index)), nil
	}
	if !t.begun {
		if err := t.handler.allowMiss(&t.track.segments[i]); err != nil {
			return nil, 0, 0, err
		}
		t.begun = true
	}
	body, err := t.handler.open(&t.track.segments[i])
	if err != nil {
		return nil, 0, 0, err
	}
	return body, start, t.track.ends[i], nil
}

// plainContent is bytes of the heap.
type plainContent []byte

// Run returns bytes.
func (b *plainContent) Run(_ context.Context, off, n int64) (cache.Run, error) {
	return cache.Run{Bytes: (*b)[off:min(off+n, int64(len(*b)))], File: -1}, nil
}

// Release does nothing.
func (b *plainContent) Release() {}
