package transcode

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	weir "github.com/weirstream/weir"
)

// FirstRevision is the revision that a job's first plan makes.
const FirstRevision = 1

// Assembly is what Assemble decided.
type Assembly struct {
	Head     weir.Head
	Changed  bool // Head must be written; otherwise it is prev as it stands
	Playable bool // Head lists segments
	Complete bool // nothing is missing, so the job is done once Head is written
}

// Assemble makes the head of a plan from the records there are: pages in segment order up to the first hole of each track,
// and as extent what every track has. There is no head (Playable is false) before every track has its first segment. The
// order of records, and how often each is given, makes no difference.
//
// prev is the stored head or nil. What it lists stays listed, its anchor stays, and a head that is complete or deleted is
// never changed. page reads an index page and is called only to measure a track when nothing is missing. Errors are of
// kind Internal, or page's own.
func Assemble(plan Plan, job weir.Job, records []weir.Record, page func(key string) (weir.Page, error), prev *weir.Head,
	now time.Time) (Assembly, error) {
	if prev != nil && prev.State != weir.Growing {
		return Assembly{Head: *prev, Playable: prev.State == weir.Complete, Complete: prev.State == weir.Complete}, nil
	}
	f, err := gather(plan, records)
	if err != nil {
		return Assembly{}, err
	}
	h, err := f.head(plan, job, prev, now)
	if err != nil || h.Segments == 0 {
		return Assembly{}, err
	}
	if shrinks(h, prev) { // an older view of the records than prev was made of
		return Assembly{Head: *prev, Playable: true}, nil
	}
	if h.Segments == plan.Grid.Segments() && f.stills == f.stillTasks {
		if err := measure(&h, page); err != nil {
			return Assembly{}, err
		}
		h.State = weir.Complete
	}
	changed, err := differs(h, prev)
	return Assembly{Head: h, Changed: changed, Playable: true, Complete: h.State == weir.Complete}, err
}

// finished is what the records of a job say is made.
type finished struct {
	outputs    map[string]map[int]Output // by rendition, by number of the first segment
	poster     *weir.Still
	stills     int // still tasks with a record
	stillTasks int
}

// gather reads the records in the order of task and seq, so that of two that claim the same segments (which the ledger
// does not let happen) the same one always counts.
func gather(plan Plan, records []weir.Record) (finished, error) {
	f := finished{outputs: map[string]map[int]Output{}}
	for _, s := range plan.Tasks {
		if s.Kind == weir.TaskStill {
			f.stillTasks++
		}
	}
	records = slices.Clone(records)
	slices.SortFunc(records, byTaskAndSeq)
	records = slices.CompactFunc(records, func(a, b weir.Record) bool { return byTaskAndSeq(a, b) == 0 })
	for _, rec := range records {
		r, err := ParseResult(rec.Body)
		if err != nil {
			return finished{}, err
		}
		if rec.Task >= 1 && rec.Task <= len(plan.Tasks) && plan.Tasks[rec.Task-1].Kind == weir.TaskStill {
			f.stills++
			if f.poster == nil {
				f.poster = r.Still
			}
		}
		for _, o := range r.Outputs {
			f.add(o)
		}
	}
	return f, nil
}

func byTaskAndSeq(a, b weir.Record) int {
	return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Seq, b.Seq))
}

func (f finished) add(o Output) {
	m := f.outputs[o.Rendition]
	if m == nil {
		m = map[int]Output{}
		f.outputs[o.Rendition] = m
	}
	if _, ok := m[o.Page.First]; !ok {
		m[o.Page.First] = o
	}
}

// contiguous are the outputs of a rendition from segment 1 up to the first hole.
func (f finished) contiguous(rendition string) []Output {
	var list []Output
	for next := 1; ; {
		o, ok := f.outputs[rendition][next]
		if !ok {
			return list
		}
		list = append(list, o)
		next += o.Page.Count
	}
}

// head is the growing head; one of no segments says that some track has none.
func (f finished) head(plan Plan, job weir.Job, prev *weir.Head, now time.Time) (weir.Head, error) {
	h := weir.Head{Version: weir.HeadVersion, Organisation: job.Organisation, Asset: job.Asset, Revision: job.Revision,
		State: weir.Growing, FirstSegment: 1, Segments: plan.Grid.Segments(), TargetDuration: plan.Grid.TargetDuration(),
		Duration: plan.Grid.Duration(), Anchor: now.UTC(), Poster: f.poster,
		Periods: []weir.Period{{ID: "1", Start: weir.Rational{Num: 0, Den: 1}, FirstSegment: 1}}}
	if prev != nil {
		h.Anchor, h.Poster = prev.Anchor, cmp.Or(prev.Poster, f.poster)
	}
	for _, t := range tracksOf(plan) {
		list := f.contiguous(t.Rendition)
		if len(list) == 0 {
			return weir.Head{}, nil
		}
		h.Tracks = append(h.Tracks, describe(t, list))
		last := list[len(list)-1].Page
		h.Segments = min(h.Segments, last.First+last.Count-1)
	}
	if len(h.Tracks) == 0 {
		return weir.Head{}, weir.Errorf(weir.Internal, "plan of asset %s has no track", job.Asset)
	}
	return h, keeps(h, prev)
}

// tracksOf is what the plan alone says of each track, in the order they are listed.
func tracksOf(plan Plan) []weir.Track {
	var tracks []weir.Track
	for _, v := range plan.Video {
		tracks = append(tracks, weir.Track{Rendition: v.ID, Kind: weir.Video, Name: v.Rung.Name, Timescale: plan.Grid.Timescale(),
			FrameRate: plan.Grid.Rate, Cap: videoCap(v.Rung, plan.Grid)})
	}
	for _, a := range plan.Audio {
		tracks = append(tracks, weir.Track{Rendition: a.ID, Kind: weir.Audio, Name: a.Rung.Name, Timescale: int64(a.Rung.SampleRate),
			Language: a.Language, Default: a.Default, SampleRate: a.Rung.SampleRate, Channels: a.Rung.Channels, Cap: audioCap(a.Rung)})
	}
	return tracks
}

// videoCap is the most bits per second that the encoder can make of any stretch a peak is measured on, which is half the
// target duration or the whole of a shorter clip: its rate, and one full buffer.
func videoCap(r weir.Rung, g Grid) int64 {
	d, size := g.Duration(), int64(r.BufferSize)
	return int64(r.MaxRate) + max(2*size/int64(g.TargetDuration()), size*d.Den/d.Num)
}

// audioCap adds an eighth for the encoder's bit reservoir.
func audioCap(r weir.Rung) int64 { return int64(r.MaxRate) * 9 / 8 }

// describe completes t with what was read from the bitstream of its first chunk, and lists the pages.
func describe(t weir.Track, list []Output) weir.Track {
	o := list[0]
	t.Codec, t.EditOffset, t.Width, t.Height, t.Colour = o.Codec, o.EditOffset, o.Width, o.Height, o.Colour
	if t.Kind == weir.Audio {
		t.SampleRate, t.Channels = cmp.Or(o.SampleRate, t.SampleRate), cmp.Or(o.Channels, t.Channels)
	}
	for _, o := range list {
		t.Pages = append(t.Pages, o.Page)
	}
	return t
}

// keeps checks that h lists every page that prev does, as far as it goes: listed bytes never change within a revision.
func keeps(h weir.Head, prev *weir.Head) error {
	if prev == nil {
		return nil
	}
	if len(prev.Tracks) != len(h.Tracks) {
		return weir.Errorf(weir.Internal, "head of asset %s lists %d tracks, the plan has %d", h.Asset, len(prev.Tracks), len(h.Tracks))
	}
	for i, t := range h.Tracks {
		n := min(len(t.Pages), len(prev.Tracks[i].Pages))
		if prev.Tracks[i].Rendition != t.Rendition || !slices.Equal(prev.Tracks[i].Pages[:n], t.Pages[:n]) {
			return weir.Errorf(weir.Internal, "the records of asset %s do not hold what its head lists of rendition %s", h.Asset, t.Rendition)
		}
	}
	return nil
}

// shrinks says whether some track of h has fewer pages than in prev.
func shrinks(h weir.Head, prev *weir.Head) bool {
	if prev == nil {
		return false
	}
	for i, t := range prev.Tracks {
		if len(h.Tracks[i].Pages) < len(t.Pages) {
			return true
		}
	}
	return false
}

func differs(h weir.Head, prev *weir.Head) (bool, error) {
	if prev == nil {
		return true, nil
	}
	a, err := weir.EncodeHead(h)
	if err != nil {
		return false, weir.Errorf(weir.Internal, "encode head of asset %s: %w", h.Asset, err)
	}
	b, err := weir.EncodeHead(*prev)
	return !bytes.Equal(a, b), err
}
