package s3

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstream/weir"
)

// Stat implements [weir.Blobs].
func (b *Blobs) Stat(ctx context.Context, key string) (weir.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return weir.ObjectInfo{}, err
	}
	info, err := b.stat(ctx, key, "")
	return info, act("stat", key, err)
}

func (b *Blobs) stat(ctx context.Context, key, etag string) (weir.ObjectInfo, error) {
	out, err := b.head(ctx, key, etag)
	if err != nil {
		return weir.ObjectInfo{}, err
	}
	return headInfo(key, out), nil
}

func (b *Blobs) head(ctx context.Context, key, etag string) (out *s3.HeadObjectOutput, err error) {
	_, err = b.try(ctx, func(ctx context.Context, _ *watch) (err error) {
		out, err = b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.place.bucket, Key: b.name(key), IfMatch: quoted(etag)})
		return err
	})
	return out, err
}

func headInfo(key string, out *s3.HeadObjectOutput) weir.ObjectInfo {
	return weir.ObjectInfo{Key: key, Size: aws.ToInt64(out.ContentLength), ETag: unquoted(out.ETag), Modified: aws.ToTime(out.LastModified)}
}

// Delete implements [weir.Blobs].
func (b *Blobs) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	_, err := b.try(ctx, func(ctx context.Context, _ *watch) error {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.place.bucket, Key: b.name(key)})
		return err
	})
	if failureOf(err).kind == weir.NotFound {
		return nil
	}
	return act("delete", key, err)
}

// List implements [weir.Blobs]. Names in the bucket that are no keys, such as those others put there, are not listed.
func (b *Blobs) List(ctx context.Context, prefix, after string, limit int) ([]weir.ObjectInfo, error) {
	if !weir.ValidKey(prefix) && !weir.ValidKey(prefix+"x") {
		return nil, weir.Errorf(weir.Invalid, "%q does not begin a valid object key", prefix)
	}
	var found []weir.ObjectInfo
	var further *string
	for more := true; more && len(found) < limit; {
		out, err := b.page(ctx, prefix, after, further, limit-len(found))
		if err != nil {
			return nil, act("list", prefix, err)
		}
		for _, o := range out.Contents {
			key, ok := strings.CutPrefix(aws.ToString(o.Key), b.place.prefix)
			if !ok || key <= after {
				return nil, fmt.Errorf("list %q: the object store is out of order at %q", prefix, aws.ToString(o.Key))
			}
			after = key
			if weir.ValidKey(key) {
				found = append(found, weir.ObjectInfo{Key: key, Size: aws.ToInt64(o.Size), ETag: unquoted(o.ETag), Modified: aws.ToTime(o.LastModified)})
			}
		}
		further = out.NextContinuationToken
		more = aws.ToBool(out.IsTruncated) && (further != nil || len(out.Contents) > 0) // a page may be empty although there is more
	}
	return found, nil
}

// page lists what follows after, or where further, which an earlier page said, is not nil.
func (b *Blobs) page(ctx context.Context, prefix, after string, further *string, limit int) (out *s3.ListObjectsV2Output, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &b.place.bucket, Prefix: b.name(prefix), ContinuationToken: further, MaxKeys: aws.Int32(int32(min(limit, 1000)))}
	if after != "" {
		in.StartAfter = b.name(after)
	}
	_, err = b.try(ctx, func(ctx context.Context, _ *watch) (err error) {
		out, err = b.client.ListObjectsV2(ctx, in)
		return err
	})
	return out, err
}
