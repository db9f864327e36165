package transcode

import (
	"bytes"
	"context"
	"fmt"
	"io"

	weir "github.com/weirstream/weir"
)

// editTries bounds how often a head is read again because somebody else replaced it meanwhile.
const editTries = 20

// editHead replaces the head at key with what edit makes of the stored bytes (nil if there are none), by If-Match or
// create-only, and again from the start when somebody else was quicker. edit returns nil to leave it as it is; its errors
// end the edit. wrote says whether this call replaced it. The error is Conflict if others keep winning.
func editHead(ctx context.Context, blobs weir.Blobs, key string, edit func(stored []byte) (*weir.Head, error)) (wrote bool, err error) {
	for range editTries {
		stored, etag, err := readAll(ctx, blobs, key, weir.MaxHeadBytes)
		if err != nil && weir.KindOf(err) != weir.NotFound {
			return false, fmt.Errorf("read head: %w", err)
		}
		h, err := edit(stored)
		if err != nil || h == nil {
			return false, err
		}
		b, err := weir.EncodeHead(*h)
		if err != nil {
			return false, weir.Errorf(weir.Internal, "encode head: %w", err)
		}
		_, err = blobs.Put(ctx, key, bytes.NewReader(b), weir.PutOptions{CreateOnly: etag == "", IfMatch: etag})
		if err == nil {
			return true, nil
		}
		if weir.KindOf(err) != weir.Precondition {
			return false, fmt.Errorf("put head: %w", err)
		}
	}
	return false, weir.Errorf(weir.Conflict, "the head %s was replaced by others %d times in a row", key, editTries)
}

// readAll is a whole small object and its ETag. More than limit bytes is Internal: such objects are ours.
func readAll(ctx context.Context, blobs weir.Blobs, key string, limit int64) ([]byte, string, error) {
	r, info, err := blobs.Get(ctx, key, 0, -1, "")
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	if info.Size > limit {
		return nil, "", weir.Errorf(weir.Internal, "%s has %d bytes, more than %d", key, info.Size, limit)
	}
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", key, err)
	}
	return b, info.ETag, nil
}

// readPage is an index page.
func readPage(ctx context.Context, blobs weir.Blobs, key string) (weir.Page, error) {
	b, _, err := readAll(ctx, blobs, key, weir.MaxPageBytes)
	if err != nil {
		return weir.Page{}, fmt.Errorf("read page: %w", err)
	}
	return weir.ParsePage(b)
}
