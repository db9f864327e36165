package transcode

import (
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ladder"
)

// Policy is what an installation wants of its renditions. The zero value of a field takes the default named beside it.
type Policy struct {
	Ladder         ladder.Policy // sizes and rates
	Preset         string        // x264's; "veryfast"
	SegmentSeconds int           // target length of a segment; 4
	ChunkSeconds   int           // target length of a chunk once the first ones are out; 60
}

func (p Policy) withDefaults() Policy {
	if p.Preset == "" {
		p.Preset = "veryfast"
	}
	if p.SegmentSeconds <= 0 {
		p.SegmentSeconds = 4
	}
	if p.ChunkSeconds <= 0 {
		p.ChunkSeconds = 60
	}
	return p
}

// x264Presets are the presets a policy may name.
var x264Presets = map[string]bool{"ultrafast": true, "superfast": true, "veryfast": true, "faster": true, "fast": true,
	"medium": true, "slow": true, "slower": true, "veryslow": true}

// Check says what cannot be asked for. Errors are of kind Invalid.
func (p Policy) Check() error {
	p = p.withDefaults()
	switch {
	case !x264Presets[p.Preset]:
		return weir.Errorf(weir.Invalid, "%q is no x264 preset", p.Preset)
	case p.SegmentSeconds > 30:
		return weir.Errorf(weir.Invalid, "segments of %d s are longer than 30 s", p.SegmentSeconds)
	case p.ChunkSeconds > 600:
		return weir.Errorf(weir.Invalid, "chunks of %d s are longer than 600 s", p.ChunkSeconds)
	case p.Ladder.MaxHeight != 0 && p.Ladder.MaxHeight < 120:
		return weir.Errorf(weir.Invalid, "a ladder up to %d lines is lower than 120", p.Ladder.MaxHeight)
	case p.Ladder.CRF > 51:
		return weir.Errorf(weir.Invalid, "a CRF of %d is above 51", p.Ladder.CRF)
	}
	return nil
}
