package probe

import (
	"bytes"
	"strconv"

	weir "github.com/weirstream/weir"
)

// Bounds of a timeline.
const (
	maxHours   = 24
	maxPackets = 30 << 20 // of all streams
	maxFrames  = 6 << 20  // of the picture: a day at 60 a second, and some
	maxRow     = 4 << 10
	maxTicks   = 1 << 52 // of any clock: more is garbage and would overflow what is done with it
)

// packet is a row of ffprobe's -show_packets. Times are in ticks of the stream's time base.
type packet struct {
	stream         int
	pts, dts       int64
	hasPTS, hasDTS bool
	duration       int64 // 0 if unknown
	key            bool
	discard        bool // decoded, but not presented
}

// parsePacket reads "stream,pts,dts,duration,flags[,...]"; N/A is unknown.
func parsePacket(row []byte) (packet, bool) {
	fields := bytes.SplitN(bytes.TrimSpace(row), []byte(","), 6)
	if len(fields) < 5 {
		return packet{}, false
	}
	var p packet
	index, ok := ticks(fields[0])
	if !ok || index < 0 || index > 1<<20 {
		return packet{}, false
	}
	p.stream = int(index)
	p.pts, p.hasPTS = ticks(fields[1])
	p.dts, p.hasDTS = ticks(fields[2])
	if d, ok := ticks(fields[3]); ok && d > 0 {
		p.duration = d
	}
	p.key = bytes.IndexByte(fields[4], 'K') >= 0
	p.discard = bytes.IndexByte(fields[4], 'D') >= 0
	return p, true
}

// ticks reads a timestamp.
func ticks(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n > maxTicks || n < -maxTicks {
		return 0, false
	}
	return n, true
}

// picked is one picture's packet.
type picked struct {
	pts, dts       int64
	duration       int64
	hasPTS, hasDTS bool
	key, discard   bool
}

// track is what is kept of the packets of a sound stream, or of one that is not used.
type track struct {
	base     weir.Rational
	packets  int64
	start    int64 // of the first presented packet, in ticks
	end      int64 // of the latest one
	anything bool
}

// seconds are ticks of the track's time base, for comparison and for the ends of sound.
func (t track) seconds(ticks int64) float64 {
	return float64(ticks) * float64(t.base.Num) / float64(t.base.Den)
}

// collector reads ffprobe's rows as they come and keeps the picture's packets and the ends of all other streams.
type collector struct {
	picture  int // stream index, -1 is none
	tracks   map[int]*track
	pictures []picked
	rows     int64
	part     []byte
	err      error
}

func newCollector(r report, picture *stream) *collector {
	c := &collector{picture: -1, tracks: map[int]*track{}}
	if picture != nil {
		c.picture = picture.Index
	}
	for _, s := range r.Streams {
		if base, ok := s.timeBase(); ok {
			c.tracks[s.Index] = &track{base: base}
		}
	}
	return c
}

// Write takes the next bytes of ffprobe's output. Its error ends ffprobe.
func (c *collector) Write(b []byte) (int, error) {
	n := len(b)
	for {
		row, rest, ended := bytes.Cut(b, []byte("\n"))
		if len(c.part)+len(row) > maxRow {
			c.err = refuse("this file cannot be read: a packet of it is described in more than %d letters", maxRow)
			return 0, c.err
		}
		c.part = append(c.part, row...)
		if !ended {
			return n, nil
		}
		if p, ok := parsePacket(c.part); ok {
			if c.err = c.add(p); c.err != nil {
				return 0, c.err
			}
		}
		c.part, b = c.part[:0], rest
	}
}

func (c *collector) add(p packet) error {
	if c.rows++; c.rows > maxPackets {
		return refuse("this file has more than %d packets", maxPackets)
	}
	t := c.tracks[p.stream]
	if t == nil {
		return nil
	}
	t.packets++
	if p.stream == c.picture {
		if len(c.pictures) >= maxFrames {
			return refuse("this file has more than %d pictures", maxFrames)
		}
		c.pictures = append(c.pictures, picked{pts: p.pts, dts: p.dts, hasPTS: p.hasPTS, hasDTS: p.hasDTS,
			duration: p.duration, key: p.key, discard: p.discard})
	}
	at, ok := p.pts, p.hasPTS
	if !ok {
		at, ok = p.dts, p.hasDTS
	}
	if !ok || p.discard {
		return nil
	}
	if !t.anything || at < t.start {
		t.start = at
	}
	if end := at + p.duration; !t.anything || end > t.end {
		t.end = end
	}
	t.anything = true
	return nil
}
