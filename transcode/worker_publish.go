package transcode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"

	weir "github.com/weirstream/weir"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chunk is one packed chunk of one rendition before it is stored.
type chunk struct {
	rendition string
	number    int    // from 0
	first     int    // number of the first segment
	init      []byte // the CMAF header
	sha256    string // of the chunk object
	length    int64
	segments  []weir.Segment
}

// points are the kill points at which one kind of chunk is stored.
type points struct{ init, chunk, page string }

var (
	videoPoints = points{"worker.init-put", "worker.chunk-put", "worker.page-put"}
	audioPoints = points{"worker.audio-init-put", "worker.audio-chunk-put", "worker.audio-page-put"}
)

// publish stores a chunk's three objects, its bytes by put, and says where they are. The page comes last, since it names
// the other two. Nothing counts before it is recorded.
func (a *attempt) publish(ctx context.Context, c chunk, at points, put func(ctx context.Context, key string) error) (Output, error) {
	org, asset := a.claim.Job.Organisation, a.claim.Job.Asset
	initKey := weir.InitKey(org, asset, c.rendition, hexSHA256(c.init))
	if err := a.putBytes(ctx, initKey, c.init); err != nil {
		return Output{}, err
	}
	reach(a.At, at.init)
	key := weir.ChunkKey(org, asset, c.rendition, c.number, c.sha256)
	if err := put(ctx, key); err != nil {
		return Output{}, err
	}
	reach(a.At, at.chunk)
	page, err := weir.EncodePage(weir.Page{Version: weir.PageVersion, Object: key, SHA256: c.sha256, Length: c.length, Init: initKey,
		InitCRC: crc32.Checksum(c.init, castagnoli), First: c.first, Segments: c.segments})
	if err != nil {
		return Output{}, weir.Errorf(weir.Internal, "encode page: %w", err)
	}
	if err := a.putBytes(ctx, weir.PageKey(key), page); err != nil {
		return Output{}, err
	}
	reach(a.At, at.page)
	return Output{Rendition: c.rendition, Chunk: c.number, Object: key, SHA256: c.sha256, Length: c.length, Init: initKey,
		Page: weir.PageRef{Key: weir.PageKey(key), First: c.first, Count: len(c.segments)}}, nil
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// tiles checks that segments are the count the plan asked for and follow each other exactly.
func tiles(segments []weir.Segment, count int) error {
	if len(segments) != count {
		return weir.Errorf(weir.Internal, "the encoder made %d segments, the plan asked for %d", len(segments), count)
	}
	for i := 1; i < len(segments); i++ {
		if p := segments[i-1]; p.Start+p.Duration != segments[i].Start || p.Offset+p.Length != segments[i].Offset {
			return weir.Errorf(weir.Internal, "segment %d does not follow the one before it", i)
		}
	}
	return nil
}
