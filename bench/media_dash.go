package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	weir "github.com/weirstream/weir"
)

// readDASH reads an MPD with SegmentTemplate (ISO/IEC 23009-1 section 5.3.9.4), by timeline or by number. Renditions that
// several periods have in common, by id, are one.
func readDASH(base *url.URL, b []byte) (Presentation, error) {
	if err := wellFormed(b); err != nil {
		return Presentation{}, err
	}
	m, err := mpd.MPDFromBytes(b)
	if err != nil {
		return Presentation{}, weir.Errorf(weir.Unprocessable, "read MPD: %w", err)
	}
	p := Presentation{Live: m.GetType() == "dynamic"}
	if m.MinimumUpdatePeriod != nil {
		p.Again = max(1, m.MinimumUpdatePeriod.Seconds())
	}
	if base, err = below(base, m.BaseURL); err != nil {
		return p, err
	}
	video, audio := map[string]*Rendition{}, map[string]*Rendition{}
	start := 0.0
	for i, period := range m.Periods {
		if period.Start != nil {
			start = period.Start.Seconds()
		}
		length := periodLength(m, i, start)
		pb, err := below(base, period.BaseURLs)
		if err != nil {
			return p, err
		}
		for _, set := range period.AdaptationSets {
			into := video
			if kind := string(set.ContentType) + set.MimeType; strings.HasPrefix(kind, "audio") {
				into = audio
			} else if !strings.HasPrefix(kind, "video") && kind != "" {
				continue
			}
			if err := readSet(into, pb, set, start, length); err != nil {
				return p, err
			}
		}
		start += length
	}
	if len(video) == 0 {
		video, audio = audio, nil
	}
	for _, r := range video {
		p.Rungs = append(p.Rungs, *r)
	}
	slices.SortFunc(p.Rungs, func(a, b Rendition) int { return int(a.Rate - b.Rate) })
	for _, r := range audio {
		if len(p.Audio) == 0 || r.Rate < p.Audio[0].Rate {
			p.Audio = []Rendition{*r}
		}
	}
	return p, nil
}

// wellFormed reads a document with the standard library first: dash-mpd's reader does not come to an end on one that breaks
// off (testdata/fuzz/FuzzReadManifest).
func wellFormed(b []byte) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	root := ""
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && root == "MPD":
			return nil
		case err != nil:
			return weir.Errorf(weir.Unprocessable, "this is neither a playlist nor an MPD: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if root == "" {
				root = token.Name.Local
			}
		case xml.CharData:
			if root == "" && len(bytes.TrimSpace(token)) > 0 {
				return weir.Errorf(weir.Unprocessable, "this is neither a playlist nor an MPD: it begins with text")
			}
		}
	}
}

// periodLength is 0 if the MPD does not tell.
func periodLength(m *mpd.MPD, i int, start float64) float64 {
	switch p := m.Periods[i]; {
	case p.Duration != nil:
		return p.Duration.Seconds()
	case i+1 < len(m.Periods) && m.Periods[i+1].Start != nil:
		return m.Periods[i+1].Start.Seconds() - start
	case m.MediaPresentationDuration != nil:
		return m.MediaPresentationDuration.Seconds() - start
	case m.GetType() == "dynamic":
		if began, err := m.AvailabilityStartTime.ConvertToSeconds(); err == nil {
			return float64(time.Now().UnixMilli())/1000 - began - start
		}
	}
	return 0
}

func below(base *url.URL, list []*mpd.BaseURLType) (*url.URL, error) {
	if len(list) == 0 {
		return base, nil
	}
	return resolve(base, string(list[0].Value))
}

func readSet(into map[string]*Rendition, base *url.URL, set *mpd.AdaptationSetType, start, length float64) error {
	base, err := below(base, set.BaseURLs)
	if err != nil {
		return err
	}
	for _, rep := range set.Representations {
		t := rep.SegmentTemplate
		if t == nil {
			t = set.SegmentTemplate
		}
		if t == nil {
			return weir.Errorf(weir.Unprocessable, "representation %q has no SegmentTemplate, which is all that is read", rep.Id)
		}
		rb, err := below(base, rep.BaseURLs)
		if err != nil {
			return err
		}
		r := into[rep.Id]
		if r == nil {
			r = &Rendition{Rate: int64(rep.Bandwidth)}
			into[rep.Id] = r
		}
		if err := expand(r, rb, rep, t, start, length); err != nil {
			return err
		}
		total := 0
		for _, r := range into {
			total += len(r.Segments)
		}
		if len(into) > maxRungs || total > maxSegments {
			return weir.Errorf(weir.Unprocessable, "more than %d renditions or %d segments", maxRungs, maxSegments)
		}
	}
	return nil
}

// expand makes the segments of one representation in one period.
func expand(r *Rendition, base *url.URL, rep *mpd.RepresentationType, t *mpd.SegmentTemplateType, start, length float64) error {
	var init *url.URL
	var err error
	if t.Initialization != "" {
		if init, err = resolve(base, fillIn(t.Initialization, rep, 0, 0)); err != nil {
			return err
		}
	}
	scale := float64(max(1, t.GetTimescale()))
	var offset, number uint64 = 0, 1
	if t.PresentationTimeOffset != nil {
		offset = *t.PresentationTimeOffset
	}
	if t.StartNumber != nil {
		number = uint64(*t.StartNumber)
	}
	add := func(at, d uint64) error {
		if len(r.Segments) >= maxSegments {
			return weir.Errorf(weir.Unprocessable, "more than %d segments", maxSegments)
		}
		u, err := resolve(base, fillIn(t.Media, rep, number, at))
		r.Segments = append(r.Segments, MediaSegment{URL: u, Init: init, Start: start + (float64(at)-float64(offset))/scale, Seconds: float64(d) / scale,
			Number: uint64(len(r.Segments))})
		number++
		return err
	}
	switch {
	case t.SegmentTimeline != nil:
		at := uint64(0)
		for _, s := range t.SegmentTimeline.S {
			if s.T != nil {
				at = *s.T
			}
			n := s.R + 1
			if s.R < 0 && s.D > 0 {
				n = int((length*scale - (float64(at) - float64(offset))) / float64(s.D))
			}
			for range n {
				if err := add(at, s.D); err != nil {
					return err
				}
				at += s.D
			}
		}
	case t.Duration != nil && *t.Duration > 0:
		d := uint64(*t.Duration)
		for at := uint64(0); float64(at) < length*scale-1; at += d {
			if err := add(at+offset, d); err != nil {
				return err
			}
		}
	default:
		return weir.Errorf(weir.Unprocessable, "representation %q has neither a timeline nor a duration", rep.Id)
	}
	return nil
}

var identifier = regexp.MustCompile(`\$(RepresentationID|Number|Time|Bandwidth)?(%0(\d{1,2})d)?\$`)

// fillIn replaces the identifiers of a template: ISO/IEC 23009-1 table 21.
func fillIn(template string, rep *mpd.RepresentationType, number, at uint64) string {
	return identifier.ReplaceAllStringFunc(template, func(s string) string {
		m := identifier.FindStringSubmatch(s)
		width, _ := strconv.Atoi(m[3])
		switch m[1] {
		case "RepresentationID":
			return rep.Id
		case "Number":
			return fmt.Sprintf("%0*d", width, number)
		case "Time":
			return fmt.Sprintf("%0*d", width, at)
		case "Bandwidth":
			return fmt.Sprintf("%0*d", width, rep.Bandwidth)
		}
		return "$" // $$
	})
}
