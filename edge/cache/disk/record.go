package disk

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/weirstream/weir/edge/cache"
)

// A region file is a sequence of records, and after the last one, once the region is full, a footer (footer.go). All
// numbers are little-endian. A record is
//
//	 0  magic "WDR1"
//	 4  mark: live, or anything else for dead. Not under a checksum, since it is the one byte that is written again
//	 5  version, 1
//	 6  uint16 length of the object's name
//	 8  int64  Key.Offset
//	16  int64  Key.Length, Unknown allowed
//	24  int64  size of the body
//	32  uint64 stamp
//	40  uint64 number of the region: bytes of another file are never taken for this one's
//	48  uint32 crc32c of the table
//	52  uint32 crc32c of bytes 5 to 52 and of the name
//	56  the name, the table (crc32c of each block of the body), the body
//
// The header is written after all that follows it, so that a header means a record.
const (
	magic       = "WDR1"
	version     = 1
	live        = 0xA5 // no flip of a single bit brings a dead record back
	dead        = 0x00
	markAt      = 4
	fixedLen    = 56
	maxName     = 4 << 10
	block       = 64 << 10 // bytes of a body under one checksum, and the least that is handed on
	tableEntry  = 4
	maxBodySize = 256 << 20
)

// castagnoli is crc32c, which processors compute.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the decoded front of a record.
type header struct {
	key      cache.Key
	size     int64
	stamp    uint64
	region   uint64
	tableCRC uint32
	dead     bool
}

func blocks(size int64) int64 { return (size + block - 1) / block }

// headLen is the bytes of a record with this name before its table.
func headLen(name string) int64 { return fixedLen + int64(len(name)) }

// recordLen is all bytes of a record.
func recordLen(key cache.Key, size int64) int64 {
	return headLen(key.Object) + blocks(size)*tableEntry + size
}

// append encodes h, live or dead as it says.
func (h header) append(b []byte) []byte {
	at := len(b)
	b = append(b, magic...)
	if h.dead {
		b = append(b, dead, version)
	} else {
		b = append(b, live, version)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.key.Object)))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.key.Offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.key.Length))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.size))
	b = binary.LittleEndian.AppendUint64(b, h.stamp)
	b = binary.LittleEndian.AppendUint64(b, h.region)
	b = binary.LittleEndian.AppendUint32(b, h.tableCRC)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, h.key.Object...)
	binary.LittleEndian.PutUint32(b[at+52:], headerCRC(b[at:]))
	return b
}

// headerCRC is of an encoded header with its name.
func headerCRC(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[markAt+1:52], castagnoli), castagnoli, b[fixedLen:])
}

// parseHeader decodes the header at the front of b, which may be longer. It is false for anything but a header that was
// written whole to this region.
func parseHeader(b []byte, region uint64) (header, bool) {
	if len(b) < fixedLen || string(b[:4]) != magic || b[markAt+1] != version {
		return header{}, false
	}
	name := int(binary.LittleEndian.Uint16(b[6:]))
	if name > maxName || len(b) < fixedLen+name {
		return header{}, false
	}
	b = b[:fixedLen+name]
	if headerCRC(b) != binary.LittleEndian.Uint32(b[52:]) {
		return header{}, false
	}
	h := header{
		key: cache.Key{Object: string(b[fixedLen:]), Offset: int64(binary.LittleEndian.Uint64(b[8:])),
			Length: int64(binary.LittleEndian.Uint64(b[16:]))},
		size:     int64(binary.LittleEndian.Uint64(b[24:])),
		stamp:    binary.LittleEndian.Uint64(b[32:]),
		region:   binary.LittleEndian.Uint64(b[40:]),
		tableCRC: binary.LittleEndian.Uint32(b[48:]),
		dead:     b[markAt] != live,
	}
	ok := h.region == region && h.size > 0 && h.size <= maxBodySize && (h.key.Length == cache.Unknown || h.key.Length == h.size)
	return h, ok
}
