package cmaf

import (
	"fmt"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/mp4"

	weir "github.com/weirstream/weir"
)

// describe makes the init segment and reads what the parameter sets say.
func (p *videoPacker) describe(track *mp4.TrakBox) (err error) {
	defer recoverTo(&err)
	entry, ok := track.Mdia.Minf.Stbl.Stsd.Children[0].(*mp4.VisualSampleEntryBox)
	if !ok || entry.Type() != "avc1" || entry.AvcC == nil || len(entry.AvcC.SPSnalus) == 0 {
		return bad("the stream is not H.264 with its parameter sets in an avcC")
	}
	if entry.Pasp != nil && entry.Pasp.HSpacing != entry.Pasp.VSpacing {
		return bad("pixels are %d:%d, want square ones", entry.Pasp.HSpacing, entry.Pasp.VSpacing)
	}
	record := entry.AvcC.DecConfRec
	sps, err := avc.ParseSPSNALUnit(record.SPSnalus[0], true)
	if err != nil {
		return bad("parse SPS: %w", err)
	}
	if sps.Width < 1 || sps.Width > 1<<14 || sps.Height < 1 || sps.Height > 1<<14 {
		return bad("SPS size %dx%d is out of bounds", sps.Width, sps.Height)
	}
	p.out.Codec = fmt.Sprintf("avc1.%02x%02x%02x", record.AVCProfileIndication, record.ProfileCompatibility, record.AVCLevelIndication)
	p.out.Width, p.out.Height = int(sps.Width), int(sps.Height)
	p.out.Colour = colour(sps.VUI)
	p.out.Init, err = videoInit(p.spec.Timescale, p.out, entry)
	return err
}

func videoInit(timescale int64, out Packed, from *mp4.VisualSampleEntryBox) ([]byte, error) {
	init, track := newInit("video", timescale)
	track.Tkhd.Width, track.Tkhd.Height = mp4.Fixed32(out.Width<<16), mp4.Fixed32(out.Height<<16)
	entry := mp4.CreateVisualSampleEntryBox("avc1", uint16(out.Width), uint16(out.Height), from.AvcC)
	entry.CompressorName = ""
	if c := out.Colour; c != nil {
		entry.AddChild(&mp4.ColrBox{ColorType: mp4.ColorTypeOnScreenColors, ColorPrimaries: uint16(c.Primaries),
			TransferCharacteristics: uint16(c.Transfer), MatrixCoefficients: uint16(c.Matrix), FullRangeFlag: c.FullRange})
	}
	if from.Pasp != nil {
		entry.AddChild(&mp4.PaspBox{HSpacing: 1, VSpacing: 1})
	}
	track.Mdia.Minf.Stbl.Stsd.AddChild(entry)
	return encodeInit(init)
}

// unspecified is the code point "unknown" of each of the three colour fields (ISO/IEC 23091-2).
const unspecified = 2

// colour is what the VUI says, nil if nothing.
func colour(vui *avc.VUIParameters) *weir.Colour {
	if vui == nil || !vui.VideoSignalTypePresentFlag {
		return nil
	}
	c := weir.Colour{Primaries: unspecified, Transfer: unspecified, Matrix: unspecified, FullRange: vui.VideoFullRangeFlag}
	if vui.ColourDescriptionFlag {
		c.Primaries, c.Transfer, c.Matrix = int(vui.ColourPrimaries), int(vui.TransferCharacteristics), int(vui.MatrixCoefficients)
	}
	switch {
	case c.Transfer == 16:
		c.HDR = "pq"
	case c.Transfer == 18:
		c.HDR = "hlg"
	case c == weir.Colour{Primaries: unspecified, Transfer: unspecified, Matrix: unspecified}:
		return nil
	}
	return &c
}
