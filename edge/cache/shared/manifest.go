package shared

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strconv"

	"github.com/weirstream/weir/edge/cache"
)

// A manifest is what is kept under the name of a key: all numbers big-endian,
//
//	 0  magic "WSM1"
//	 4  uint32 bytes of a chunk
//	 8  uint64 size of the body
//	16  uint64 stamp
//	24  uint64 generation, which is in the names of the chunks: those of two writers do not mix
//	32  32 bytes of the key's sha256
//	64  uint32 crc32c of each chunk
//	    uint32 crc32c of all before
//
// and behind it, if there is one chunk only, that chunk.
const (
	magic       = "WSM1"
	manifestLen = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type manifest struct {
	chunkBytes, size  int64
	stamp, generation uint64
	sums              []uint32
}

func (m *manifest) chunks() int { return int((m.size + m.chunkBytes - 1) / m.chunkBytes) }

// chunk is where chunk i lies in the body.
func (m *manifest) chunk(i int) (off, n int64) {
	off = int64(i) * m.chunkBytes
	return off, min(m.chunkBytes, m.size-off)
}

// hashOf names a key by a hash, so that names are short whatever an origin calls its objects.
func hashOf(key cache.Key) [32]byte {
	b := make([]byte, 0, len(key.Object)+16)
	b = binary.BigEndian.AppendUint64(b, uint64(key.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(key.Length))
	return sha256.Sum256(append(b, key.Object...))
}

func name(kind string, hash [32]byte) string {
	return "edge/" + kind + "/" + hex.EncodeToString(hash[:16])
}

func chunkName(hash [32]byte, generation uint64, i int) string {
	return name("chunk", hash) + "/" + strconv.FormatUint(generation, 16) + "/" + strconv.Itoa(i)
}

func (m *manifest) append(b []byte, hash [32]byte) []byte {
	at := len(b)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, uint32(m.chunkBytes))
	b = binary.BigEndian.AppendUint64(b, uint64(m.size))
	b = binary.BigEndian.AppendUint64(b, m.stamp)
	b = binary.BigEndian.AppendUint64(b, m.generation)
	b = append(b, hash[:]...)
	for _, sum := range m.sums {
		b = binary.BigEndian.AppendUint32(b, sum)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

// parse reads a manifest of that key with bodies of at most limit bytes, and returns what is behind it.
func parse(b []byte, hash [32]byte, limit int64) (m *manifest, rest []byte, ok bool) {
	if len(b) < manifestLen+8 || string(b[:4]) != magic || [32]byte(b[32:64]) != hash {
		return nil, nil, false
	}
	m = &manifest{chunkBytes: int64(binary.BigEndian.Uint32(b[4:])), stamp: binary.BigEndian.Uint64(b[16:]), generation: binary.BigEndian.Uint64(b[24:])}
	size := binary.BigEndian.Uint64(b[8:])
	if size == 0 || size > uint64(limit) || m.chunkBytes < minChunk || m.chunkBytes > maxChunk {
		return nil, nil, false
	}
	m.size = int64(size)
	end := manifestLen + 4*m.chunks()
	if len(b) < end+4 || crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return nil, nil, false
	}
	for i := range m.chunks() {
		m.sums = append(m.sums, binary.BigEndian.Uint32(b[manifestLen+4*i:]))
	}
	return m, b[end+4:], true
}
