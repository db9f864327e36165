package origin

import (
	"context"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

// Part is bytes of an object that a listing names: a segment with its CRC32C, or a still, whose name is its hash.
type Part struct {
	Key         string
	Off, Length int64
	Sum         uint32
	Still       bool
}

// Priority is who waits for a read.
type Priority uint8

// The priorities: nobody yet, and a player.
const (
	Prefetch Priority = iota
	Player
)

// Want is how urgent a read is.
type Want struct {
	Priority Priority
	Deadline time.Time // after which the bytes are of no use to who asked first; zero is none
}

// Copy reads a part into sink from its byte have on; sum is the CRC32C of the bytes before, which are in the sink already. Nil
// means that all of the part is there and is what it should be.
func (o *Origin) Copy(ctx context.Context, p Part, want Want, sink cache.Sink, have int64, sum uint32) error {
	var b []byte
	var err error
	if p.Still {
		b, err = o.Still(ctx, p.Key, p.Length)
	} else {
		b, err = o.Segment(ctx, p.Key, p.Off, p.Length, p.Sum)
	}
	if err == nil && cache.Pour(sink, b[have:]) < len(b)-int(have) {
		err = weir.Errorf(weir.Unavailable, "the fill was given up")
	}
	return err
}

// Raise says that a player waits for a part now, whoever asked first.
func (o *Origin) Raise(p Part) {}
