package hls

import (
	"fmt"
	"strings"

	"github.com/Eyevinn/hls-m3u8/m3u8"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
)

// Multivariant is the multivariant playlist, to be served as <form>/hls/main.m3u8. Each video track is a variant with
// each audio group; without video each audio group is a variant, of the track a player starts with. Tracks of other kinds
// are not listed. The error is NotFound: nothing is listed yet.
func Multivariant(p manifests.Presentation) ([]byte, error) {
	if err := p.Listed(); err != nil {
		return nil, err
	}
	list := m3u8.NewMasterPlaylist()
	list.SetVersion(version)
	list.SetIndependentSegments(true)
	list.SetWritePrecision(3)
	video, groups := split(p)
	for _, v := range video {
		if len(groups) == 0 {
			list.Append(uri(v.Rendition), nil, variant(p, v, nil))
		}
		for i := range groups {
			list.Append(uri(v.Rendition), nil, variant(p, v, &groups[i]))
		}
	}
	if len(video) == 0 {
		for i := range groups {
			list.Append(uri(groups[i].first().Rendition), nil, alone(p, &groups[i]))
		}
	}
	return list.Encode().Bytes(), nil
}

func uri(rendition string) string { return rendition + ".m3u8" }

// group is audio that can replace each other: one codec and one channel count.
type group struct {
	id     string
	tracks []manifests.Track
}

// split returns the video tracks and the audio groups, each in the head's order.
func split(p manifests.Presentation) (video []manifests.Track, groups []group) {
	for _, t := range p.Tracks {
		switch t.Kind {
		case weir.Video:
			video = append(video, t)
		case weir.Audio:
			groups = add(groups, t)
		}
	}
	return video, groups
}

// first is the track a player starts with: the first default one, or the first.
func (g *group) first() manifests.Track {
	for _, t := range g.tracks {
		if t.Default {
			return t
		}
	}
	return g.tracks[0]
}

func add(groups []group, t manifests.Track) []group {
	id := fmt.Sprintf("%s-%dch", strings.ReplaceAll(t.Codec, ".", "-"), t.Channels)
	for i := range groups {
		if groups[i].id == id {
			groups[i].tracks = append(groups[i].tracks, t)
			return groups
		}
	}
	return append(groups, group{id: id, tracks: []manifests.Track{t}})
}

// alone describes g played without video. Its tracks are renditions and not variants, among which a player chooses by
// bandwidth and not by language.
func alone(p manifests.Presentation, g *group) m3u8.VariantParams {
	peak, average := largest(p, g)
	v := m3u8.VariantParams{Codecs: g.tracks[0].Codec, Bandwidth: clamp(peak), AverageBandwidth: clamp(average)}
	if len(g.tracks) > 1 {
		v.Audio, v.Alternatives = g.id, renditions(g)
	}
	return v
}

// largest are the largest peak and average of the group's tracks.
func largest(p manifests.Presentation, g *group) (peak, average int64) {
	for _, t := range g.tracks {
		most, mean := p.Bandwidth(t)
		peak, average = max(peak, most), max(average, mean)
	}
	return peak, average
}

// variant describes video t played alone or with any one rendition of g.
func variant(p manifests.Presentation, t manifests.Track, g *group) m3u8.VariantParams {
	peak, average := p.Bandwidth(t)
	v := m3u8.VariantParams{Codecs: t.Codec, Resolution: fmt.Sprintf("%dx%d", t.Width, t.Height),
		FrameRate: t.FrameRate.Float(), VideoRange: videoRange(t.Colour)}
	if g != nil {
		v.Audio, v.Alternatives = g.id, renditions(g)
		v.Codecs = strings.Trim(v.Codecs+","+g.tracks[0].Codec, ",")
		// RFC 8216bis section 4.4.6.2: the largest sum that any playable combination of renditions makes.
		most, mean := largest(p, g)
		peak, average = peak+most, average+mean
	}
	v.Bandwidth, v.AverageBandwidth = clamp(peak), clamp(average)
	return v
}

func clamp(n int64) uint32 { return uint32(min(n, 1<<31-1)) }

// renditions are the EXT-X-MEDIA tags of a group: unique names, and exactly one default.
func renditions(g *group) []*m3u8.Alternative {
	first := g.first().Rendition
	taken := map[string]bool{}
	var out []*m3u8.Alternative
	for _, t := range g.tracks {
		out = append(out, &m3u8.Alternative{Type: "AUDIO", GroupId: g.id, Name: unique(taken, t), Language: quotable(t.Language),
			Default: t.Rendition == first, Autoselect: true, Channels: &m3u8.Channels{Amount: t.Channels}, URI: uri(t.Rendition)})
	}
	return out
}

// unique is the track's name for people, made different from those taken.
func unique(taken map[string]bool, t manifests.Track) string {
	name := quotable(t.Name)
	if name == "" {
		name = quotable(t.Language)
	}
	if name == "" {
		name = "Audio"
	}
	base := name
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s %d", base, n)
	}
	taken[name] = true
	return name
}

// quotable drops what a quoted-string and a playlist may not hold (RFC 8216bis sections 4.1 and 4.2).
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r < ' ' || r >= 0x7f && r <= 0x9f {
			return -1
		}
		return r
	}, s)
}

// videoRange is VIDEO-RANGE, "" when the colour is not known.
func videoRange(c *weir.Colour) string {
	switch {
	case c == nil || c.Transfer == 2:
		return ""
	case c.Transfer == 16:
		return "PQ"
	case c.Transfer == 18:
		return "HLG"
	}
	return "SDR"
}
