package cmaf

import (
	"bytes"
	"errors"
	"io"
	"slices"

	weir "github.com/weirstream/weir"
)

// AudioSpec says what one audio rendition must be. Positions count samples of presentation, after the priming.
type AudioSpec struct {
	Boundaries   []int64 // 0, the other segments' nominal starts, and the end of the timeline: one more than segments
	FirstSegment int     // number of the first segment
}

// AudioInfo describes an audio rendition.
type AudioInfo struct {
	Init       []byte // the CMAF header; its edit list skips EditOffset samples
	Codec      string // RFC 6381, from the esds: "mp4a.40.2"
	EditOffset int64  // the encoder's priming in samples, from its own edit list
	SampleRate int64  // Hz; also the timescale
	Channels   int64
	Packets    int64 // how many the timeline needs, priming included
}

// AudioSegment is one segment. Its bytes belong to whoever receives it.
type AudioSegment struct {
	Number  int
	Data    []byte
	Segment weir.Segment // Offset is 0
}

// packetSamples is what one AAC packet decodes to.
const packetSamples = 1024

// maxTail is how many packets may follow the last one needed: an encoder flushes its delay.
const maxTail = 8

// PackAudio reads AAC-LC as ffmpeg wrote it (-f mp4 -movflags +empty_moov+delay_moov+default_base_moof -frag_duration D,
// or +frag_every_frame), calls onInit once, if it is not nil, and then emit for each segment as soon as it is complete.
// Packets are never cut: segment n holds those whose presentation starts in [Boundaries[n], Boundaries[n+1]), the first
// one also the priming. The last packet's duration is cut so that the whole lasts exactly to the last boundary; packets
// behind it are dropped. At most one segment and one fragment are held in memory. Errors are of kind Internal; those of r
// are wrapped, those of the callbacks returned as they are.
func PackAudio(r io.Reader, spec AudioSpec, onInit func(AudioInfo) error, emit func(AudioSegment) error) (AudioInfo, error) {
	if err := spec.check(); err != nil {
		return AudioInfo{}, err
	}
	src, err := openSource(r)
	if err != nil {
		return AudioInfo{}, err
	}
	info, err := audioInfo(src.track)
	if err != nil {
		return AudioInfo{}, err
	}
	total := spec.Boundaries[len(spec.Boundaries)-1] + info.EditOffset
	info.Packets = (total + packetSamples - 1) / packetSamples
	if onInit != nil {
		if err := onInit(info); err != nil {
			return AudioInfo{}, err
		}
	}
	p := &audioPacker{spec: spec, priming: info.EditOffset, total: total, packets: info.Packets, emit: emit}
	for {
		samples, err := src.fragment()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return AudioInfo{}, err
		}
		if err := p.add(samples); err != nil {
			return AudioInfo{}, err
		}
	}
	if p.next < p.packets {
		return AudioInfo{}, bad("audio ends early: %d of %d packets are missing", p.packets-p.next, p.packets)
	}
	if last := len(spec.Boundaries) - 2; p.segment != last {
		return AudioInfo{}, bad("segment %d holds no packet", spec.FirstSegment+last)
	}
	return info, p.flush()
}

func (s AudioSpec) check() error {
	if len(s.Boundaries) < 2 || s.Boundaries[0] != 0 || s.FirstSegment < 0 || s.Boundaries[len(s.Boundaries)-1] > 1<<40 {
		return bad("audio spec is out of bounds")
	}
	for i := range s.Boundaries[1:] {
		if s.Boundaries[i+1] <= s.Boundaries[i] {
			return bad("audio spec: segment %d is empty", s.FirstSegment+i)
		}
	}
	return nil
}

// audioPacker cuts a stream of packets into segments.
type audioPacker struct {
	spec    AudioSpec
	priming int64
	total   int64 // samples, priming included
	packets int64 // needed
	emit    func(AudioSegment) error

	next    int64 // number of the packet that comes next
	segment int   // counted from 0, the one being filled
	first   int64 // number of its first packet
	pending []outSample
	bytes   int64 // of pending
}

// add takes the packets of one fragment and emits every segment that they complete.
func (p *audioPacker) add(samples []sample) error {
	for _, s := range samples {
		k := p.next
		if k >= p.packets+maxTail {
			return bad("audio runs on: more than %d packets, want %d", k, p.packets)
		}
		if s.decode != k*packetSamples || s.present != s.decode {
			return bad("packet %d is at %d, want %d", k, s.decode, k*packetSamples)
		}
		p.next++
		if k >= p.packets {
			continue
		}
		for p.segment+2 < len(p.spec.Boundaries) && k*packetSamples-p.priming >= p.spec.Boundaries[p.segment+1] {
			if err := p.flush(); err != nil {
				return err
			}
		}
		length := min(packetSamples, p.total-k*packetSamples)
		p.pending = append(p.pending, outSample{length: length, sync: true, data: s.data})
		if p.bytes += int64(len(s.data)); p.bytes > weir.MaxSegmentBytes {
			return bad("segment %d has more than %d bytes", p.spec.FirstSegment+p.segment, weir.MaxSegmentBytes)
		}
	}
	return nil
}

// flush emits the pending packets as one segment.
func (p *audioPacker) flush() error {
	number := p.spec.FirstSegment + p.segment
	end := p.spec.Boundaries[len(p.spec.Boundaries)-1]
	packets := int64(len(p.pending))
	if packets == 0 {
		return bad("segment %d holds no packet", number)
	}
	var data bytes.Buffer
	data.Grow(int(p.bytes + 8*packets + 256))
	segment, err := writeSegment(&data, number, p.first*packetSamples, p.pending)
	if err != nil {
		return err
	}
	segment.KeyBytes = 0 // every packet is a sync sample: nothing to fetch first
	segment.Start = max(0, p.first*packetSamples-p.priming)
	segment.Duration = min(end, (p.first+packets)*packetSamples-p.priming) - segment.Start
	p.segment, p.first, p.bytes = p.segment+1, p.first+packets, 0
	p.pending = slices.Delete(p.pending, 0, len(p.pending))
	if segment.Duration < 1 {
		return bad("segment %d presents nothing", number)
	}
	return p.emit(AudioSegment{Number: number, Data: data.Bytes(), Segment: segment})
}
