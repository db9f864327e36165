package s3

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weirstream/weir"
)

// joinRate is how many bytes a second a store is allowed to need for making an object of parts: some copy all of them before
// they answer.
const joinRate = 64 << 20

// dropWait is for giving up an upload whose caller may be gone.
const dropWait = 15 * time.Second

// upload is a multipart upload of S3. Its id is the mark that its object will have, a dot, and S3's own id: who resumes it
// must know the mark.
type upload struct {
	blobs *Blobs
	key   string
	mark  string
	id    string // S3's
}

// Upload implements [weir.Blobs].
func (b *Blobs) Upload(ctx context.Context, key, id string) (weir.Upload, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if id == "" {
		u, err := b.start(ctx, key)
		if err != nil {
			return nil, act("start upload of", key, err)
		}
		return u, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, act("resume upload of", key, err)
	}
	mark, own, _ := strings.Cut(id, ".")
	if !weir.ValidID(mark) || own == "" {
		return nil, weir.Errorf(weir.NotFound, "there is no upload %q of %q", id, key)
	}
	u := &upload{blobs: b, key: key, mark: mark, id: own}
	if _, err := u.page(ctx, "", 1); err != nil {
		return nil, act("resume upload of", key, err)
	}
	return u, nil
}

func (b *Blobs) start(ctx context.Context, key string) (*upload, error) {
	u := &upload{blobs: b, key: key, mark: weir.NewID(time.Now())}
	_, err := b.try(ctx, func(ctx context.Context, _ *watch) error {
		out, err := b.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b.place.bucket, Key: b.name(key),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, Metadata: map[string]string{markName: u.mark}})
		if err == nil {
			u.id = aws.ToString(out.UploadId)
		}
		return err
	})
	return u, err
}

// ID implements [weir.Upload].
func (u *upload) ID() string { return u.mark + "." + u.id }

// Part implements [weir.Upload]. A reader that does not yield exactly size bytes is Invalid. Parts up to 64 MiB are held in
// memory, larger ones on the local disk: they may have to be sent again.
func (u *upload) Part(ctx context.Context, n int, r io.Reader, size int64) (string, error) {
	if n < 1 || n > maxPart || size < 0 {
		return "", weir.Errorf(weir.Invalid, "part %d of %d bytes cannot be: parts are numbered from 1 to %d", n, size, maxPart)
	}
	k, err := readBlock(ctx, r, size+1, nil)
	if err != nil {
		return "", act(fmt.Sprintf("upload part %d of", n), u.key, err)
	}
	defer k.free()
	if k.size != size {
		return "", weir.Errorf(weir.Invalid, "part %d is not of %d bytes", n, size)
	}
	p, err := u.send(ctx, n, k)
	return p.etag, act(fmt.Sprintf("upload part %d of", n), u.key, err)
}

func (u *upload) send(ctx context.Context, n int, k *block) (sent, error) {
	var out *s3.UploadPartOutput
	_, err := u.blobs.try(ctx, func(ctx context.Context, w *watch) (err error) {
		out, err = u.blobs.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &u.blobs.place.bucket, Key: u.blobs.name(u.key), UploadId: &u.id,
			PartNumber: aws.Int32(int32(n)), Body: k.body(w), ContentLength: &k.size, ChecksumCRC32C: &k.sum}, unsigned)
		return err
	})
	if err != nil {
		return sent{}, err
	}
	return sent{n: n, size: k.size, etag: unquoted(out.ETag), sum: k.sum}, nil
}

// Parts implements [weir.Upload].
func (u *upload) Parts(ctx context.Context) (map[int]weir.ObjectInfo, error) {
	list, err := u.list(ctx)
	if err != nil {
		return nil, act("list parts of", u.key, err)
	}
	parts := make(map[int]weir.ObjectInfo, len(list))
	for _, p := range list {
		parts[int(aws.ToInt32(p.PartNumber))] = weir.ObjectInfo{Size: aws.ToInt64(p.Size), ETag: unquoted(p.ETag), Modified: aws.ToTime(p.LastModified)}
	}
	return parts, nil
}

// list is all parts, of which a page of S3 has at most 1,000.
func (u *upload) list(ctx context.Context) ([]types.Part, error) {
	var all []types.Part
	for marker := ""; ; {
		out, err := u.page(ctx, marker, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, out.Parts...)
		next := aws.ToString(out.NextPartNumberMarker)
		if !aws.ToBool(out.IsTruncated) || next == "" || next == marker {
			return all, nil
		}
		marker = next
	}
}

func (u *upload) page(ctx context.Context, marker string, limit int32) (out *s3.ListPartsOutput, err error) {
	in := &s3.ListPartsInput{Bucket: &u.blobs.place.bucket, Key: u.blobs.name(u.key), UploadId: &u.id, MaxParts: &limit}
	if marker != "" {
		in.PartNumberMarker = &marker
	}
	_, err = u.blobs.try(ctx, func(ctx context.Context, _ *watch) (err error) {
		out, err = u.blobs.client.ListParts(ctx, in)
		return err
	})
	return out, err
}

// Complete implements [weir.Upload]. Invalid: a part is missing, or one but the last breaks the rules of size; the upload
// stays, as it does when a condition does not hold.
func (u *upload) Complete(ctx context.Context, n int, opts weir.PutOptions) (weir.ObjectInfo, error) {
	if n < 1 || n > maxPart {
		return weir.ObjectInfo{}, weir.Errorf(weir.Invalid, "an upload has 1 to %d parts, not %d", maxPart, n)
	}
	list, err := u.list(ctx)
	if err != nil {
		return weir.ObjectInfo{}, act("complete upload of", u.key, err)
	}
	parts := make([]*sent, n)
	for _, p := range list {
		if i := int(aws.ToInt32(p.PartNumber)); i >= 1 && i <= n {
			parts[i-1] = &sent{n: i, size: aws.ToInt64(p.Size), etag: unquoted(p.ETag), sum: aws.ToString(p.ChecksumCRC32C)}
		}
	}
	if err := checkParts(parts); err != nil {
		return weir.ObjectInfo{}, err
	}
	info, err := u.finish(ctx, parts, opts)
	return info, act("complete upload of", u.key, err)
}

// checkParts holds parts against the rules of [weir.Upload]: S3 itself asks less, and some of its kin more.
func checkParts(parts []*sent) error {
	for i, p := range parts {
		switch {
		case p == nil:
			return weir.Errorf(weir.Invalid, "part %d of %d is missing", i+1, len(parts))
		case i < len(parts)-1 && (p.size != parts[0].size || p.size < minPart):
			return weir.Errorf(weir.Invalid, "part %d has %d bytes: all but the last have one size, at least %d", p.n, p.size, minPart)
		}
	}
	return nil
}

// finish makes the object.
func (u *upload) finish(ctx context.Context, parts []*sent, opts weir.PutOptions) (weir.ObjectInfo, error) {
	create, match := conditions(opts)
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.blobs.place.bucket, Key: u.blobs.name(u.key), UploadId: &u.id, IfNoneMatch: create, IfMatch: match,
		MultipartUpload: &types.CompletedMultipartUpload{}}
	info := weir.ObjectInfo{Key: u.key}
	for _, p := range parts {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, p.completed())
		info.Size += p.size
	}
	u.blobs.at("blobs.before-commit")
	limit := u.blobs.place.stall + time.Duration(info.Size/joinRate)*time.Second
	lost, err := u.blobs.tryFor(ctx, limit, func(ctx context.Context, _ *watch) error {
		out, err := u.blobs.client.CompleteMultipartUpload(ctx, in)
		if err == nil {
			info.ETag, info.Modified = unquoted(out.ETag), served(out.ResultMetadata)
		}
		return err
	})
	if err != nil {
		return u.blobs.settle(ctx, u.key, u.mark, lost, opts, err)
	}
	u.blobs.at("blobs.after-commit")
	return info, nil
}

// Abort implements [weir.Upload]. An upload that has ended is no error.
func (u *upload) Abort(ctx context.Context) error {
	_, err := u.blobs.try(ctx, func(ctx context.Context, _ *watch) error {
		_, err := u.blobs.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.blobs.place.bucket, Key: u.blobs.name(u.key), UploadId: &u.id})
		return err
	})
	if failureOf(err).kind == weir.NotFound {
		return nil
	}
	return act("abort upload of", u.key, err)
}

// drop gives up an upload of which nothing will come, also for a caller who is gone.
func (u *upload) drop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWait)
	defer cancel()
	if err := u.Abort(ctx); err != nil {
		u.blobs.log.Warn("parts of a put that failed stay in the bucket", "key", u.key, "upload", u.id, "error", err)
	}
}
