package cmaf

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/aac"
	"github.com/Eyevinn/mp4ff/mp4"
)

// maxPriming bounds the encoder delay that an edit list may claim, in samples.
const maxPriming = 1 << 16

// audioInfo reads a track's sample entry and edit list and makes the init segment.
func audioInfo(track *mp4.TrakBox) (info AudioInfo, err error) {
	defer recoverTo(&err)
	entry, ok := track.Mdia.Minf.Stbl.Stsd.Children[0].(*mp4.AudioSampleEntryBox)
	if !ok || entry.Type() != "mp4a" || entry.Esds == nil {
		return AudioInfo{}, bad("the stream is not AAC")
	}
	config := entry.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig
	asc, err := aac.DecodeAudioSpecificConfig(bytes.NewReader(config))
	if err != nil {
		return AudioInfo{}, bad("parse AudioSpecificConfig: %w", err)
	}
	rate := int64(track.Mdia.Mdhd.Timescale)
	if asc.ObjectType != aac.AAClc || int64(asc.SamplingFrequency) != rate {
		return AudioInfo{}, bad("the stream is AAC object type %d at %d Hz in a timescale of %d, want LC at its own rate",
			asc.ObjectType, asc.SamplingFrequency, rate)
	}
	priming, err := editOffset(track)
	if err != nil {
		return AudioInfo{}, err
	}
	info = AudioInfo{Codec: fmt.Sprintf("mp4a.40.%d", asc.ObjectType), EditOffset: priming, SampleRate: rate,
		Channels: int64(channels(asc, entry))}
	info.Init, err = audioInit(info, config)
	return info, err
}

// channels are those of ISO/IEC 14496-3 table 1.19; configuration 0 defers to the sample entry.
func channels(asc *aac.AudioSpecificConfig, entry *mp4.AudioSampleEntryBox) int {
	switch c := int(asc.ChannelConfiguration); c {
	case 0:
		return int(entry.ChannelCount)
	case 7:
		return 8
	default:
		return c
	}
}

// editOffset is the media time at which presentation starts. The list must be there: without it the priming would be
// presented as sound.
func editOffset(track *mp4.TrakBox) (int64, error) {
	if track.Edts == nil || len(track.Edts.Elst) != 1 || len(track.Edts.Elst[0].Entries) != 1 {
		return 0, bad("the stream has no edit list of one entry: write it with +delay_moov, from time 0")
	}
	at := track.Edts.Elst[0].Entries[0].MediaTime
	if at < 0 || at > maxPriming {
		return 0, bad("the edit list starts at %d", at)
	}
	return at, nil
}

func audioInit(info AudioInfo, config []byte) ([]byte, error) {
	init, track := newInit("audio", info.SampleRate)
	edits := &mp4.EdtsBox{}
	edits.AddChild(&mp4.ElstBox{Entries: []mp4.ElstEntry{{MediaTime: info.EditOffset, MediaRateInteger: 1}}})
	// ISO/IEC 14496-12 section 8.3.1: edts stands before mdia.
	track.AddChild(edits)
	last := len(track.Children) - 1
	track.Children[1], track.Children[last] = track.Children[last], track.Children[1]
	entry := mp4.CreateAudioSampleEntryBox("mp4a", uint16(info.Channels), 16, uint16(info.SampleRate), mp4.CreateEsdsBox(config))
	track.Mdia.Minf.Stbl.Stsd.AddChild(entry)
	return encodeInit(init)
}
