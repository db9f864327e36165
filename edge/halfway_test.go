package edge_test

import (
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// A crash test's named point is in the middle of a segment's bytes, and of nothing smaller.
func TestMidSegmentPoint(t *testing.T) {
	points := make(chan string, 10)
	s := start(t, 200_000, func(s *edge.Server) { s.At = func(point string) { points <- point } })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	s.wantStatus(200, videoID+"/init.mp4")
	if len(points) != 0 {
		t.Errorf("small answers reach %d points", len(points))
	}
	if a := s.wantStatus(200, videoID+"/1.m4s"); len(points) != 1 || <-points != "edge.mid-segment" || len(a.body) < 100_000 {
		t.Errorf("a segment of %d bytes reaches %d points, want edge.mid-segment", len(a.body), len(points))
	}
}
