package migrate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"strings"

	"golang.org/x/sync/errgroup"

	weir "github.com/weirstream/weir"
)

const (
	objectPage = 1000
	copyAtOnce = 4 // objects: an engine may hold several MB of each
)

func objects() part {
	return kind[weir.ObjectInfo]{title: "objects", one: "object", workers: hashAtOnce, resumes: true,
		list:    listObjects,
		key:     func(o weir.ObjectInfo) string { return o.Key },
		compare: func(a, b weir.ObjectInfo) int { return strings.Compare(a.Key, b.Key) },
		size:    func(o weir.ObjectInfo) int64 { return o.Size },
		digest:  hashObject,
		put:     putObjects,
	}
}

func listObjects(ctx context.Context, s *Side, after string) iter.Seq2[weir.ObjectInfo, error] {
	return func(yield func(weir.ObjectInfo, error) bool) {
		for {
			page, err := s.Blobs.List(ctx, "", after, objectPage)
			if err != nil {
				yield(weir.ObjectInfo{}, fmt.Errorf("list %s: %w", s.Name, err))
				return
			}
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
				after = o.Key
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

func hashObject(ctx context.Context, s *Side, o weir.ObjectInfo, full bool) (digest, error) {
	if !full {
		return digestOf(o.Key, o.Size)
	}
	r, _, err := s.Blobs.Get(ctx, o.Key, 0, -1, o.ETag)
	if err != nil {
		return digest{}, fmt.Errorf("read object %s of %s: %w", o.Key, s.Name, err)
	}
	content, n, err := hashAll(r)
	if err == nil && n != o.Size {
		err = weir.Errorf(weir.Internal, "it has %d bytes and was listed with %d", n, o.Size)
	}
	if err != nil {
		return digest{}, fmt.Errorf("read object %s of %s: %w", o.Key, s.Name, err)
	}
	return digestOf(o.Key, n, content)
}

// hashAll reads r to its end and closes it.
func hashAll(r io.ReadCloser) (content []byte, n int64, err error) {
	h := sha256.New()
	n, err = io.Copy(h, r)
	if closed := r.Close(); err == nil {
		err = closed
	}
	return h.Sum(nil), n, err
}

// putObjects streams several objects side by side.
func putObjects(ctx context.Context, r *run, wanted []pair[weir.ObjectInfo]) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(copyAtOnce)
	for _, p := range wanted {
		g.Go(func() error {
			if err := putObject(ctx, r, *p.from); err != nil {
				return fmt.Errorf("copy object %s: %w", p.from.Key, err)
			}
			r.at("migrate.put-object")
			return nil
		})
	}
	return g.Wait()
}

func putObject(ctx context.Context, r *run, o weir.ObjectInfo) error {
	body, _, err := r.from.Blobs.Get(ctx, o.Key, 0, -1, o.ETag)
	if err != nil {
		return err
	}
	known := io.LimitReader(body, o.Size+1) // engines that part an object have to know how long it may be
	put, err := r.to.Blobs.Put(ctx, o.Key, known, weir.PutOptions{})
	if closed := body.Close(); err == nil {
		err = closed
	}
	if err == nil && put.Size != o.Size {
		err = weir.Errorf(weir.Internal, "%d bytes arrived of %d", put.Size, o.Size)
	}
	return err
}
