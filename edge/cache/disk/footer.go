package disk

import (
	"encoding/binary"
	"hash/crc32"
)

// A footer closes a full region, so that a start reads one piece of each file and not every header. It is a mark for each
// record (live or dead, written again like the record's own), the headers in order, and a trailer:
//
//	 0  magic "WDF1"
//	 4  uint32 how many records
//	 8  uint64 bytes of the headers
//	16  uint64 number of the region
//	24  uint32 crc32c of the headers
//	28  uint32 crc32c of bytes 0 to 28
const (
	footerMagic = "WDF1"
	trailerLen  = 32
)

// footer is a region's list of records: all of it while the region grows, and as written when it is full.
type footer struct {
	marks   []byte // live or dead, by number of the record
	headers []byte // encoded one after another
}

// add notes the next record and returns its number.
func (f *footer) add(encoded []byte) int {
	f.marks = append(f.marks, encoded[markAt])
	f.headers = append(f.headers, encoded...)
	return len(f.marks) - 1
}

// len is the bytes of the footer once one more record is in it.
func (f *footer) len(next int64) int64 {
	return int64(len(f.marks)+len(f.headers)) + 1 + next + trailerLen
}

// encode is what is written after the last record.
func (f *footer) encode(region uint64) []byte {
	b := make([]byte, 0, f.len(0))
	b = append(append(b, f.marks...), f.headers...)
	at := len(b)
	b = append(b, footerMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.marks)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.headers)))
	b = binary.LittleEndian.AppendUint64(b, region)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(f.headers, castagnoli))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

// parseTrailer reads the last bytes of a file: how many records there are and how long the whole footer is.
func parseTrailer(b []byte, region uint64) (records, length int64, headersCRC uint32, ok bool) {
	if len(b) != trailerLen || string(b[:4]) != footerMagic || binary.LittleEndian.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) ||
		binary.LittleEndian.Uint64(b[16:]) != region {
		return 0, 0, 0, false
	}
	records = int64(binary.LittleEndian.Uint32(b[4:]))
	headers := binary.LittleEndian.Uint64(b[8:])
	if headers > maxRegion || uint64(records)*fixedLen > headers {
		return 0, 0, 0, false
	}
	return records, records + int64(headers) + trailerLen, binary.LittleEndian.Uint32(b[24:]), true
}

// parseFooter walks a footer whose trailer was read, calling each with where the record begins. It is false, and what
// was called so far is worth nothing, unless the records fill the file exactly up to end, where the footer begins.
func parseFooter(b []byte, records int64, headersCRC uint32, region uint64, end int64, each func(h header, off int64)) bool {
	marks, headers := b[:records], b[records:len(b)-trailerLen]
	if crc32.Checksum(headers, castagnoli) != headersCRC {
		return false
	}
	off := int64(0)
	for _, mark := range marks {
		h, ok := parseHeader(headers, region)
		if !ok {
			return false
		}
		h.dead = mark != live
		each(h, off)
		headers = headers[headLen(h.key.Object):]
		off += recordLen(h.key, h.size)
	}
	return len(headers) == 0 && off == end
}
