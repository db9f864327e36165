package cmaf

import (
	"bytes"
	"hash/crc32"
	"io"

	"github.com/Eyevinn/mp4ff/mp4"

	weir "github.com/weirstream/weir"
)

// trackID of every track Weir writes: one track a file.
const trackID = 1

// castagnoli is the polynomial of Segment.CRC32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// outSample is a sample as it is written.
type outSample struct {
	length int64 // duration
	offset int64 // composition offset, signed
	sync   bool
	data   []byte
}

// writeSegment writes one CMAF segment (styp, moof, mdat) whose first sample is decoded at decode. It fills in Length,
// KeyBytes (up to the end of the first sample) and CRC32C.
func writeSegment(w io.Writer, number int, decode int64, samples []outSample) (weir.Segment, error) {
	fragment, err := mp4.CreateFragment(uint32(number), trackID)
	if err != nil {
		return weir.Segment{}, bad("make fragment: %w", err)
	}
	fragment.EncOptimize = mp4.OptimizeTrun
	traf := fragment.Moof.Traf
	traf.Tfdt.SetBaseMediaDecodeTime(uint64(decode))
	traf.Tfdt.Version = 1
	for _, s := range samples {
		if int64(int32(s.offset)) != s.offset || int64(uint32(s.length)) != s.length {
			return weir.Segment{}, bad("segment %d: a sample's offset %d or duration %d does not fit", number, s.offset, s.length)
		}
		flags := mp4.SyncSampleFlags
		if !s.sync {
			flags = mp4.NonSyncSampleFlags | mp4.SampleDependsOn1
		}
		traf.Trun.AddSample(mp4.NewSample(flags, uint32(s.length), uint32(len(s.data)), int32(s.offset)))
		fragment.Mdat.AddSampleDataPart(s.data)
	}
	sum := &sumWriter{w: w}
	if err := mp4.NewStyp("cmfs", 0, []string{"cmfs", "msdh"}).Encode(sum); err != nil {
		return weir.Segment{}, bad("write segment %d: %w", number, err)
	}
	if err := fragment.Encode(sum); err != nil {
		return weir.Segment{}, bad("write segment %d: %w", number, err)
	}
	if sum.n > weir.MaxSegmentBytes {
		return weir.Segment{}, bad("segment %d has %d bytes, more than %d", number, sum.n, weir.MaxSegmentBytes)
	}
	media := fragment.Mdat.DataLength() - uint64(len(samples[0].data))
	return weir.Segment{Length: sum.n, KeyBytes: sum.n - int64(media), CRC32C: sum.crc}, nil
}

// sumWriter counts and sums what passes through it.
type sumWriter struct {
	w   io.Writer
	n   int64
	crc uint32
}

func (s *sumWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	s.crc = crc32.Update(s.crc, castagnoli, p[:n])
	return n, err
}

// newInit starts an init segment (CMAF header) with one empty track. Nothing in it depends on time, so equal tracks have
// equal bytes.
func newInit(kind string, timescale int64) (*mp4.InitSegment, *mp4.TrakBox) {
	init := mp4.NewMP4Init()
	init.AddChild(mp4.NewFtyp("cmfc", 0, []string{"iso6", "cmfc", "dash"}))
	moov := mp4.NewMoovBox()
	init.AddChild(moov)
	mvhd := mp4.CreateMvhd()
	mvhd.Timescale = uint32(timescale)
	moov.AddChild(mvhd)
	moov.AddChild(mp4.NewMvexBox())
	track := init.AddEmptyTrack(uint32(timescale), kind, "und")
	track.Mdia.Hdlr.Name = "Weir " + kind
	return init, track
}

func encodeInit(init *mp4.InitSegment) ([]byte, error) {
	var b bytes.Buffer
	if err := init.Encode(&b); err != nil {
		return nil, bad("write init segment: %w", err)
	}
	return b.Bytes(), nil
}
