package transcode

import (
	"fmt"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
)

// measure sets the bandwidths of every track from its pages, which it also checks against what the head lists.
func measure(h *weir.Head, page func(key string) (weir.Page, error)) error {
	for i := range h.Tracks {
		t := &h.Tracks[i]
		var segments []weir.Segment
		for _, ref := range t.Pages {
			p, err := page(ref.Key)
			if err != nil {
				return fmt.Errorf("measure rendition %s: %w", t.Rendition, err)
			}
			if p.First != ref.First || len(p.Segments) != ref.Count {
				return weir.Errorf(weir.Internal, "page %s does not hold the segments it is listed for", ref.Key)
			}
			segments = append(segments, p.Segments...)
		}
		t.Peak, t.Average = manifests.Measure(segments, t.Timescale, h.TargetDuration)
	}
	return nil
}
