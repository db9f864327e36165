package redis

import (
	"bytes"
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// found is what a read came to.
type found int

const (
	miss found = iota
	hit
	torn // the value was replaced while it was read
)

// piecesAtOnce bounds what a server must hold for one reader: the pieces asked for in one round trip.
const piecesAtOnce = 4

// get reads a value: whole if it is small, else its first bytes and then the pieces.
func (c *Cache) get(ctx context.Context, key string) ([]byte, found, error) {
	first, err := c.small.GetRange(within(ctx, smallCall), key, 0, firstRead-1).Bytes()
	if err != nil {
		return nil, miss, err
	}
	if len(first) > 0 && first[0] == smallKind {
		return first[1:], hit, nil
	}
	size, ok := bigSize(first)
	if !ok {
		return nil, miss, nil
	}
	return c.getBig(ctx, key, first, size)
}

// getBig reads what follows first, which begins a value of size bytes, straight into its place. The head is read again
// behind the pieces of each round trip: a server takes the commands of one connection in order, and no generation comes
// twice, so the pieces between two equal heads are of that generation.
func (c *Cache) getBig(ctx context.Context, key string, first []byte, size int) ([]byte, found, error) {
	ctx = within(ctx, bigCall)
	stored := make([]byte, bigHead+size)
	for at := copy(stored, first); at < len(stored); {
		end := min(at+piecesAtOnce*pieceBytes, len(stored))
		whole, err := c.getPieces(ctx, key, first[:bigHead], stored[at:end], at)
		if err != nil {
			return nil, miss, err
		}
		if !whole {
			return nil, torn, nil
		}
		at = end
	}
	return stored[bigHead:], hit, nil
}

// getPieces fills b from at of the stored value in one round trip, and says whether all of it is there and head still
// stands before it.
func (c *Cache) getPieces(ctx context.Context, key string, head, b []byte, at int) (whole bool, err error) {
	var pieces []*redis.ZeroCopyStringCmd
	var check *redis.StringCmd
	_, err = c.big.Pipelined(ctx, func(p redis.Pipeliner) error {
		for off := 0; off < len(b); off += pieceBytes {
			end := min(off+pieceBytes, len(b))
			cmd := redis.NewZeroCopyStringCmd(ctx, b[off:end:end], "getrange", key, at+off, at+end-1) // as GetToBuffer does
			pieces = append(pieces, cmd)
			if err := p.Process(ctx, cmd); err != nil {
				return fmt.Errorf("ask for a piece: %w", err)
			}
		}
		check = p.GetRange(ctx, key, 0, bigHead-1)
		return nil
	})
	if err != nil {
		return false, err
	}
	n := 0
	for _, p := range pieces {
		n += p.Val()
	}
	now, err := check.Bytes()
	return n == len(b) && bytes.Equal(now, head), err
}
