package dash

import (
	"slices"
	"strconv"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
)

// continuity says that a Period goes on where the one it names ended (ISO/IEC 23009-1 section 5.3.2.4).
const continuity = "urn:mpeg:dash:period-continuity:2015"

// stretch is what becomes one Period: listed segments without a discontinuity, each track with one init segment.
type stretch struct {
	first, count int
	follows      string // id of the Period before, if this one continues it
}

func (s stretch) id() string { return "p" + strconv.Itoa(s.first) }

// stretches cuts the listed segments at the head's periods and wherever a track's init segment changes.
func stretches(p manifests.Presentation) []stretch {
	first, end := p.Head.FirstSegment, p.Head.FirstSegment+p.Head.Segments
	numbers := []int{first}
	broken := map[int]bool{}
	for _, t := range p.Tracks {
		for i := 1; i < len(t.Spans); i++ {
			if t.Spans[i].Init != t.Spans[i-1].Init {
				numbers = append(numbers, t.Spans[i].First)
			}
		}
	}
	for i := 1; i < len(p.Head.Periods); i++ {
		if at := p.Head.Periods[i].FirstSegment; at > first && at < end {
			numbers = append(numbers, at)
			broken[at] = p.Head.Periods[i].Discontinuity != p.Head.Periods[i-1].Discontinuity
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	out := make([]stretch, len(numbers))
	for i, n := range numbers {
		next := end
		if i+1 < len(numbers) {
			next = numbers[i+1]
		}
		out[i] = stretch{first: n, count: next - n}
		if i > 0 && !broken[n] {
			out[i].follows = out[i-1].id()
		}
	}
	return out
}

// start of a stretch in milliseconds, which an MPD says exactly; the rest of the way is presentationTimeOffset's.
func (s stretch) start(p manifests.Presentation) int64 {
	if s.first == p.Head.FirstSegment {
		return 0
	}
	t := p.Tracks[0]
	return (t.Segments[s.first-p.Head.FirstSegment].Start*1000 + t.Timescale/2) / t.Timescale
}

func period(p manifests.Presentation, s stretch) *mpd.Period {
	out := &mpd.Period{Id: s.id(), Start: duration(time.Duration(s.start(p)) * time.Millisecond)}
	for _, tracks := range switchable(p.Tracks) {
		set := videoSet(p, tracks)
		address(p, s, set, tracks)
		out.AdaptationSets = append(out.AdaptationSets, set)
	}
	main := mainAudio(p.Tracks)
	for _, t := range p.Tracks {
		if t.Kind == weir.Audio {
			set := audioSet(p, t, t.Rendition == main)
			address(p, s, set, []manifests.Track{t})
			out.AdaptationSets = append(out.AdaptationSets, set)
		}
	}
	for i, set := range out.AdaptationSets {
		set.Id = mpd.Ptr(uint32(i))
		if s.follows != "" {
			set.SupplementalProperties = append(set.SupplementalProperties, mpd.NewDescriptor(continuity, s.follows, ""))
		}
	}
	return out
}

// address adds the segment templates: one for the whole set where its tracks agree, else one a Representation.
func address(p manifests.Presentation, s stretch, set *mpd.AdaptationSetType, tracks []manifests.Track) {
	if agree(p, s, tracks) {
		set.SegmentTemplate = template(p, s, tracks[0])
		return
	}
	for i, t := range tracks {
		set.Representations[i].SegmentTemplate = template(p, s, t)
	}
}

// agree says whether one template describes all the tracks.
func agree(p manifests.Presentation, s stretch, tracks []manifests.Track) bool {
	from, to := s.first-p.Head.FirstSegment, s.first-p.Head.FirstSegment+s.count
	a := tracks[0]
	for _, b := range tracks[1:] {
		if a.Timescale != b.Timescale || initName(a, s) != initName(b, s) {
			return false
		}
		for i := from; i < to; i++ {
			if a.Segments[i].Start != b.Segments[i].Start || a.Segments[i].Duration != b.Segments[i].Duration {
				return false
			}
		}
	}
	return true
}

// initName of the stretch, in which every track has one.
func initName(t manifests.Track, s stretch) string {
	for _, span := range t.Spans {
		if s.first < span.First+span.Count {
			return t.Inits[span.Init].Name
		}
	}
	return ""
}

func template(p manifests.Presentation, s stretch, t manifests.Track) *mpd.SegmentTemplateType {
	out := &mpd.SegmentTemplateType{
		Media:          "../$RepresentationID$/$Number$.m4s",
		Initialization: "../$RepresentationID$/" + initName(t, s),
	}
	out.StartNumber = mpd.Ptr(uint32(s.first))
	out.Timescale = mpd.Ptr(uint32(t.Timescale))
	if offset := (s.start(p)*t.Timescale + 500) / 1000; offset > 0 {
		out.PresentationTimeOffset = mpd.Ptr(uint64(offset))
	}
	at := s.first - p.Head.FirstSegment
	out.SegmentTimeline = timeline(t.Segments[at : at+s.count])
	return out
}

// timeline lists segments, which tile, as runs of equal durations.
func timeline(segments []weir.Segment) *mpd.SegmentTimelineType {
	runs := 0
	for i := range segments {
		if i == 0 || segments[i].Duration != segments[i-1].Duration {
			runs++
		}
	}
	all := make([]mpd.S, 0, runs)
	out := &mpd.SegmentTimelineType{S: make([]*mpd.S, 0, runs)}
	for i, s := range segments {
		if i > 0 && s.Duration == segments[i-1].Duration {
			all[len(all)-1].R++
			continue
		}
		all = append(all, mpd.S{D: uint64(s.Duration)})
		out.S = append(out.S, &all[len(all)-1])
	}
	all[0].T = mpd.Ptr(uint64(segments[0].Start))
	return out
}
