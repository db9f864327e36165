package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// memoryBlock is the largest block held in memory.
const memoryBlock = 64 << 20

// block is bytes that can be sent again: one part, or a whole small object.
type block struct {
	at   io.ReaderAt
	size int64
	sum  string   // CRC32C as S3 writes it, so that the store refuses what was damaged on the way
	end  bool     // the reader ended with it
	buf  []byte   // what at reads, to be used again; nil with a file
	file *os.File // nameless; nil in memory
}

// readBlock reads limit bytes, or fewer if r ends; into buf, if it is not nil and they fit memory.
func readBlock(ctx context.Context, r io.Reader, limit int64, buf []byte) (*block, error) {
	r = &steady{ctx: ctx, r: r}
	if limit > memoryBlock {
		return fileBlock(r, limit)
	}
	buf = buf[:0]
	for int64(len(buf)) < limit {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, int(min(max(int64(len(buf)), 32<<10), limit-int64(len(buf)))))
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), int(limit))])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return memory(buf, true), nil
		}
		if err != nil {
			return nil, err
		}
	}
	return memory(buf, false), nil
}

func memory(buf []byte, end bool) *block {
	return &block{at: bytes.NewReader(buf), size: int64(len(buf)), sum: sum(crc32.Checksum(buf, castagnoli())), end: end, buf: buf}
}

// fileBlock holds bytes on the local disk: the parts of objects near 5 TiB are half a gigabyte.
func fileBlock(r io.Reader, limit int64) (*block, error) {
	f, err := os.CreateTemp("", "weir-part-")
	if err != nil {
		return nil, fmt.Errorf("hold a part: %w", err)
	}
	err = os.Remove(f.Name()) // the file stays as long as it is open
	hash, n := crc32.New(castagnoli()), int64(0)
	if err == nil {
		n, err = io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, limit))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &block{at: f, size: n, sum: sum(hash.Sum32()), end: n < limit, file: f}, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func sum(crc uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}

// body is the block's bytes from the start, for one attempt.
func (k *block) body(w *watch) io.ReadSeeker {
	return &body{SectionReader: io.NewSectionReader(k.at, 0, k.size), watch: w}
}

// free gives back what the block holds. A block in memory needs none.
func (k *block) free() {
	if k.file != nil {
		_ = k.file.Close()
	}
}

// body tells the watch of each read: the store took what was read before.
type body struct {
	*io.SectionReader
	watch *watch
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	b.watch.moved()
	return b.SectionReader.Read(p)
}

// maxEmptyReads is how often in turn a reader may yield nothing.
const maxEmptyReads = 100

// steady fails once ctx has ended, and when r yields nothing too often.
type steady struct {
	ctx   context.Context
	r     io.Reader
	empty int
}

// Read implements [io.Reader].
func (s *steady) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	if n > 0 || err != nil {
		s.empty = 0
	} else if s.empty++; s.empty > maxEmptyReads {
		return 0, io.ErrNoProgress
	}
	return n, err
}

// Part sizes. Unknown lengths have the first; what is known to be longer than all parts of it grows.
const (
	partSize = 16 << 20
	maxPart  = 10000
	minPart  = 5 << 20
)

// partSizeFor is the size of the equal parts r is sent in: S3 has at most 10,000 of them, and some of its kin want them equal.
func partSizeFor(r io.Reader) int64 {
	size := int64(partSize)
	if n := length(r); n > size*maxPart {
		size = (n/maxPart/(1<<20) + 1) << 20
	}
	return size
}

// length is how many bytes r has at most, or -1.
func length(r io.Reader) int64 {
	switch r := r.(type) {
	case *io.LimitedReader:
		return r.N
	case io.Seeker:
		at, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return -1
		}
		end, err := r.Seek(0, io.SeekEnd)
		if _, back := r.Seek(at, io.SeekStart); err != nil || back != nil {
			return -1
		}
		return end - at
	}
	return -1
}
