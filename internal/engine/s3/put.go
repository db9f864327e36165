package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/errgroup"

	"github.com/weirstream/weir"
)

// markName is the metadata in which each put leaves a mark of its own, to know its work again when the answer to it was
// lost: without it a retry finds the condition broken by the first attempt, and reports a lost race.
const markName = "weir-put"

// partsAtOnce is how many parts of one put are on their way; one more is being read.
const partsAtOnce = 3

// Put implements [weir.Blobs]. Up to 16 MiB are one request, from memory; more is sent in equal parts, of which four are in
// memory. An object longer than 156 GiB must say so beforehand (TooLarge otherwise): r is then an [io.Seeker], such as a file, or an
// [io.LimitedReader], whose N is taken as the length at most. Parts grow with it, beyond 64 MiB on the local disk.
//
// Unavailable: the object is stored whole or not at all, and which of them was not learned.
func (b *Blobs) Put(ctx context.Context, key string, r io.Reader, opts weir.PutOptions) (weir.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return weir.ObjectInfo{}, err
	}
	size := partSizeFor(r)
	first, err := readBlock(ctx, r, size, nil)
	if err != nil {
		return weir.ObjectInfo{}, act("put", key, err)
	}
	var info weir.ObjectInfo
	if first.end {
		info, err = b.putWhole(ctx, key, first, opts)
	} else {
		info, err = b.putParts(ctx, key, first, r, opts)
	}
	return info, act("put", key, err)
}

func (b *Blobs) putWhole(ctx context.Context, key string, k *block, opts weir.PutOptions) (weir.ObjectInfo, error) {
	defer k.free()
	create, match := conditions(opts)
	mark := weir.NewID(time.Now())
	b.at("blobs.before-commit")
	var out *s3.PutObjectOutput
	lost, err := b.try(ctx, func(ctx context.Context, w *watch) (err error) {
		out, err = b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.place.bucket, Key: b.name(key), Body: k.body(w), ContentLength: &k.size,
			ChecksumCRC32C: &k.sum, IfNoneMatch: create, IfMatch: match, Metadata: map[string]string{markName: mark}}, unsigned)
		return err
	})
	if err != nil {
		return b.settle(ctx, key, mark, lost, opts, err)
	}
	b.at("blobs.after-commit")
	return weir.ObjectInfo{Key: key, Size: k.size, ETag: unquoted(out.ETag), Modified: served(out.ResultMetadata)}, nil
}

// putParts sends first and what r has behind it.
func (b *Blobs) putParts(ctx context.Context, key string, first *block, r io.Reader, opts weir.PutOptions) (weir.ObjectInfo, error) {
	u, err := b.start(ctx, key)
	if err != nil {
		first.free()
		return weir.ObjectInfo{}, err
	}
	parts, err := u.sendAll(ctx, first, r)
	var info weir.ObjectInfo
	if err == nil {
		info, err = u.finish(ctx, parts, opts)
	}
	if err != nil {
		u.drop(ctx)
	}
	return info, err
}

// sendAll sends equal parts until r ends. The first error ends the reading and all sending.
func (u *upload) sendAll(ctx context.Context, first *block, r io.Reader) ([]*sent, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce + 1) // with the reading
	var parts []*sent
	unused := make(chan []byte, partsAtOnce+1) // buffers of parts that were sent
	send := func(k *block) {
		p := &sent{n: len(parts) + 1}
		parts = append(parts, p)
		g.Go(func() (err error) {
			defer k.free()
			if *p, err = u.send(ctx, p.n, k); err == nil {
				unused <- k.buf
			}
			return err
		})
	}
	g.Go(func() error {
		for k := first; ; {
			send(k)
			if k.end {
				return nil
			}
			var err error
			if k, err = readBlock(ctx, r, first.size, take(unused)); err != nil {
				return err
			}
			if k.size == 0 {
				k.free()
				return nil
			}
			if len(parts) == maxPart {
				k.free()
				return weir.Errorf(weir.TooLarge, "more than %d bytes, and its length was not known beforehand", maxPart*first.size)
			}
		}
	})
	err := g.Wait()
	return parts, err
}

func take(free chan []byte) []byte {
	select {
	case buf := <-free:
		return buf
	default:
		return nil
	}
}

// settle finds out whether a put that was refused is done all the same: by an earlier attempt, whose answer was lost.
func (b *Blobs) settle(ctx context.Context, key, mark string, lost bool, opts weir.PutOptions, err error) (weir.ObjectInfo, error) {
	f := failureOf(err)
	used := f.code == "NoSuchUpload" || f.kind == weir.Invalid // the parts are in an object, or on their way there
	refused := f.kind == weir.Precondition || f.kind == weir.NotFound || f.status == http.StatusConflict
	if lost && (used || refused) {
		head, headErr := b.head(ctx, key, "")
		if headErr == nil && head.Metadata[markName] == mark {
			return headInfo(key, head), nil
		}
		known := headErr == nil || failureOf(headErr).kind == weir.NotFound
		if !f.again && (used || !known) { // it may be done: do not say that it is not
			return weir.ObjectInfo{}, fmt.Errorf("%w: %w", weir.Errorf(weir.Unavailable, "object %q: whether it is stored was not learned", key), errors.Join(err, headErr))
		}
	}
	if f.code == "NoSuchKey" && opts.IfMatch != "" {
		return weir.ObjectInfo{}, weir.Errorf(weir.Precondition, "object %q is gone", key)
	}
	return weir.ObjectInfo{}, err
}

// conditions are the headers If-None-Match and If-Match.
func conditions(opts weir.PutOptions) (create, match *string) {
	if opts.CreateOnly {
		create = aws.String("*")
	}
	return create, quoted(opts.IfMatch)
}

// quoted is the header of an ETag, or nil.
func quoted(etag string) *string {
	if etag == "" {
		return nil
	}
	return aws.String(`"` + etag + `"`)
}

func unquoted(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// unsigned leaves the body out of the signature, which would read it once more: it has a checksum, and that is signed.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// served is when the store answered: an answer to a put has no other time.
func served(m middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(m); ok {
		return t
	}
	return time.Now()
}

// sent is a part that the store has.
type sent struct {
	n    int
	size int64
	etag string
	sum  string // CRC32C, or ""
}

func (p sent) completed() types.CompletedPart {
	c := types.CompletedPart{PartNumber: aws.Int32(int32(p.n)), ETag: quoted(p.etag)}
	if p.sum != "" {
		c.ChecksumCRC32C = &p.sum
	}
	return c
}
