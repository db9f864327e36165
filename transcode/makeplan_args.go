package transcode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/weirstream/weir/transcode/ffmpeg"
)

// stillWidth is the widest that a poster gets.
const stillWidth = 640

// ChunkArgs are ffmpeg's arguments to encode chunk c of the master at path: files[i] in the work folder is Video[i].
func (p Plan) ChunkArgs(path string, c Chunk, files []string) []string {
	e := ffmpeg.Encode{Preset: p.Preset, SegmentFrames: p.Grid.SegmentFrames}
	for i, v := range p.Video {
		e.Outputs = append(e.Outputs, ffmpeg.Output{Rung: v.Rung, File: files[i]})
	}
	return ffmpeg.ChunkArgs(p.Normalise(path, c), e)
}

// AudioArgs are ffmpeg's arguments to encode rendition a of the master at path to stdout.
func (p Plan) AudioArgs(path string, a Audio) []string {
	return ffmpeg.AudioArgs(ffmpeg.Audio{Input: p.input(path, p.Source.Audio[a.Source].Index), Rung: a.Rung, Samples: a.Samples})
}

// StillArgs are ffmpeg's arguments to take the poster of task s into file in the work folder, and the size it will have.
func (p Plan) StillArgs(path string, s Spec, file string) (args []string, width, height int) {
	width, height = stillSize(p.Source.Video.Width, p.Source.Video.Height)
	n := p.Normalise(path, Chunk{FirstFrame: s.At, Frames: 1, Seek: s.Seek})
	return ffmpeg.StillArgs(n, width, height, file), width, height
}

func stillSize(width, height int) (int, int) {
	if width > stillWidth {
		width, height = stillWidth, height*stillWidth/width
	}
	return max(2, width/2*2), max(2, height/2*2)
}

// Normalise is how chunk c of the master at path is put on the grid.
func (p Plan) Normalise(path string, c Chunk) ffmpeg.Normalise {
	v := p.Source.Video
	n := ffmpeg.Normalise{Input: p.input(path, v.Index), Rate: p.Grid.Rate, First: c.FirstFrame, Frames: c.Frames,
		Interlaced: v.Interlaced, Width: v.CodedWidth, Height: v.CodedHigh, Colour: v.HDR}
	if v.Rotation%180 != 0 {
		n.Width, n.Height = n.Height, n.Width
	}
	if n.Colour == "" && v.RGB {
		n.Colour = ffmpeg.ColourRGB
	}
	n.Input.Origin.Num += v.Delay
	n.Input.Seek = c.Seek
	return n
}

func (p Plan) input(path string, stream int) ffmpeg.Input {
	return ffmpeg.Input{Path: path, Demuxer: p.Source.Demuxer, Stream: stream,
		Origin: ffmpeg.Time{Num: p.Source.OriginNum, Den: p.Source.OriginDen}}
}

// made is everything that the bytes of a rendition depend on; its hash is the rendition's id.
type made struct {
	Master string   `json:"master"`
	Args   []string `json:"args"` // of the whole rendition: the same template for every chunk
	Tool   string   `json:"tool"`
	Grid   Grid     `json:"grid"`
}

func (p Plan) videoID(v Video) string {
	whole := Chunk{Frames: p.Grid.Frames}
	one := p
	one.Video = []Video{v} // whatever else the ladder holds
	return p.id(one.ChunkArgs("master", whole, []string{"rendition"}))
}

func (p Plan) audioID(a Audio) string { return p.id(p.AudioArgs("master", a)) }

// id is 24 hex digits, 96 bits: a collision within one asset would take 2^48 renditions.
func (p Plan) id(args []string) string {
	b, err := json.Marshal(made{Master: p.Source.SHA256, Args: args, Tool: p.Tool, Grid: p.Grid})
	if err != nil {
		panic(err) // strings and integers always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:24]
}
