package dash

import (
	"fmt"
	"strings"

	"github.com/Eyevinn/dash-mpd/mpd"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
)

// switchable groups the video tracks that a player may switch between: those of one codec.
func switchable(tracks []manifests.Track) [][]manifests.Track {
	var groups [][]manifests.Track
	var codecs []string
next:
	for _, t := range tracks {
		if t.Kind != weir.Video {
			continue
		}
		codec, _, _ := strings.Cut(t.Codec, ".")
		for i := range codecs {
			if codecs[i] == codec {
				groups[i] = append(groups[i], t)
				continue next
			}
		}
		codecs, groups = append(codecs, codec), append(groups, []manifests.Track{t})
	}
	return groups
}

func videoSet(p manifests.Presentation, tracks []manifests.Track) *mpd.AdaptationSetType {
	set := mpd.NewAdaptationSetWithParams("video", mpd.MIME_TYPE_VIDEO_MP4, true, 1)
	set.Roles = []*mpd.DescriptorType{mpd.NewRole("main")}
	shape := weir.Rational{Num: int64(tracks[0].Width), Den: int64(tracks[0].Height)}.Reduced()
	if shape.Known() {
		set.Par = mpd.RatioType(fmt.Sprintf("%d:%d", shape.Num, shape.Den))
	}
	for _, t := range tracks {
		set.MaxWidth, set.MaxHeight = max(set.MaxWidth, uint32(t.Width)), max(set.MaxHeight, uint32(t.Height))
		r := representation(p, t)
		r.Width, r.Height, r.Sar = uint32(t.Width), uint32(t.Height), "1:1"
		r.FrameRate = frameRate(t.FrameRate)
		set.Representations = append(set.Representations, r)
	}
	return set
}

func frameRate(r weir.Rational) mpd.FrameRateType {
	switch r = r.Reduced(); {
	case !r.Known():
		return ""
	case r.Den == 1:
		return mpd.FrameRateType(fmt.Sprint(r.Num))
	}
	return mpd.FrameRateType(r.String())
}

// audioSet holds one track: tracks of equal language may still be different sound, and players switch within a set.
func audioSet(p manifests.Presentation, t manifests.Track, main bool) *mpd.AdaptationSetType {
	set := mpd.NewAdaptationSetWithParams("audio", mpd.MIME_TYPE_AUDIO_MP4, true, 1)
	role := "alternate"
	if main {
		role = "main"
	}
	set.Roles = []*mpd.DescriptorType{mpd.NewRole(role)}
	if validLanguage(t.Language) {
		set.Lang = t.Language
	}
	if name := label(t.Name); name != "" {
		set.Labels = []*mpd.LabelType{{Value: name}}
	}
	r := representation(p, t)
	if t.SampleRate > 0 {
		r.AudioSamplingRate = mpd.Ptr(mpd.UIntVectorType(fmt.Sprint(t.SampleRate)))
	}
	if layout := channelConfiguration(t.Channels); layout > 0 {
		r.AudioChannelConfigurations = []*mpd.DescriptorType{
			mpd.NewDescriptor(mpd.AUDIO_CHANNEL_CONFIGURATION_CICP, fmt.Sprint(layout), "")}
	}
	set.Representations = []*mpd.RepresentationType{r}
	return set
}

// mainAudio is the rendition a player starts with: the first default one, or the first.
func mainAudio(tracks []manifests.Track) string {
	first := ""
	for _, t := range tracks {
		switch {
		case t.Kind != weir.Audio:
		case t.Default:
			return t.Rendition
		case first == "":
			first = t.Rendition
		}
	}
	return first
}

// channelConfiguration is the usual layout of that many channels (ISO/IEC 23091-3 section 6.2), 0 if there is none.
func channelConfiguration(channels int) int {
	switch {
	case channels >= 1 && channels <= 6:
		return channels
	case channels == 8:
		return 12
	}
	return 0
}

func representation(p manifests.Presentation, t manifests.Track) *mpd.RepresentationType {
	peak, _ := p.Bandwidth(t)
	return &mpd.RepresentationType{Id: t.Rendition, Bandwidth: uint32(max(1, min(peak, 1<<31-1))),
		RepresentationBaseType: mpd.RepresentationBaseType{Codecs: t.Codec}}
}

// validLanguage says whether s is an xs:language, as the schema asks.
func validLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if part == "" || len(part) > 8 {
			return false
		}
		for _, r := range part {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			if !letter && (i == 0 || r < '0' || r > '9') {
				return false
			}
		}
	}
	return true
}
