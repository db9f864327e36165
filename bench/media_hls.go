package bench

import (
	"bytes"
	"net/url"
	"slices"

	"github.com/grafov/m3u8"

	weir "github.com/weirstream/weir"
)

func isPlaylist(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(b, "\ufeff \r\n"), []byte("#EXTM3U"))
}

// decode is grafov's reading. It panics on some playlists that are none (testdata/fuzz/FuzzReadManifest).
func decode(b []byte) (list m3u8.Playlist, kind m3u8.ListType, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = weir.Errorf(weir.Unprocessable, "this playlist cannot be read: %v", p)
		}
	}()
	list, kind, err = m3u8.DecodeFrom(bytes.NewReader(b), false)
	if err != nil {
		return nil, 0, weir.Errorf(weir.Unprocessable, "read playlist: %w", err)
	}
	return list, kind, nil
}

func readHLS(base *url.URL, b []byte) (Presentation, error) {
	list, kind, err := decode(b)
	if err != nil {
		return Presentation{}, err
	}
	if kind == m3u8.MEDIA {
		r := Rendition{}
		p := Presentation{}
		err := p.update(&r, base, b)
		p.Rungs = []Rendition{r}
		return p, err
	}
	master, ok := list.(*m3u8.MasterPlaylist)
	if !ok {
		return Presentation{}, weir.Errorf(weir.Unprocessable, "this is not a playlist")
	}
	var p Presentation
	for _, v := range master.Variants {
		if v == nil || v.Iframe || v.URI == "" {
			continue
		}
		u, err := resolve(base, v.URI)
		if err != nil {
			return p, err
		}
		p.Rungs = append(p.Rungs, Rendition{Rate: int64(v.Bandwidth), Playlist: u})
		for _, a := range v.Alternatives {
			if a == nil || a.Type != "AUDIO" || a.URI == "" || len(p.Audio) > 0 && !a.Default {
				continue
			}
			u, err := resolve(base, a.URI)
			if err != nil {
				return p, err
			}
			p.Audio = []Rendition{{Playlist: u}}
		}
	}
	slices.SortStableFunc(p.Rungs, func(a, b Rendition) int { return int(a.Rate - b.Rate) })
	p.Rungs = slices.CompactFunc(p.Rungs, func(a, b Rendition) bool { return a.Playlist.String() == b.Playlist.String() })
	return p, nil
}

// update takes the segments of a rendition's media playlist. A segment that was listed before keeps its start; one that is new
// begins where the one before it ends.
func (p *Presentation) update(r *Rendition, base *url.URL, b []byte) error {
	list, _, err := decode(b)
	if err != nil {
		return err
	}
	media, ok := list.(*m3u8.MediaPlaylist)
	if !ok || media.Count() > maxSegments {
		return weir.Errorf(weir.Unprocessable, "this is not a media playlist of up to %d segments", maxSegments)
	}
	at, known := 0.0, r.Segments
	var segments []MediaSegment
	var init *url.URL
	if media.Map != nil {
		if init, err = resolve(base, media.Map.URI); err != nil {
			return err
		}
	}
	for i := range media.Count() {
		s := media.Segments[i]
		if s.Map != nil {
			if init, err = resolve(base, s.Map.URI); err != nil {
				return err
			}
		}
		u, err := resolve(base, s.URI)
		if err != nil {
			return err
		}
		number := media.SeqNo + uint64(i)
		if i == 0 {
			at = startOf(known, number)
		}
		segments = append(segments, MediaSegment{URL: u, Init: init, Start: at, Seconds: s.Duration, Number: number})
		at += s.Duration
	}
	r.Segments = segments
	p.Live, p.Growing, p.Again = !media.Closed, !media.Closed && media.MediaType == m3u8.EVENT, max(1, media.TargetDuration)
	return nil
}

// startOf is when the segment of a number begins, given what was listed before.
func startOf(known []MediaSegment, number uint64) float64 {
	for _, s := range known {
		if s.Number == number {
			return s.Start
		}
	}
	if len(known) == 0 {
		return 0
	}
	last := known[len(known)-1]
	return last.Start + last.Seconds*float64(number-last.Number)
}
