package edge

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/manifests"
)

// parallelReads bounds how many pages of one revision are read at once; segmentBytes is about what a listed segment
// costs in memory: its entry, and its lines in manifests.
const (
	parallelReads = 16
	segmentBytes  = 250
)

// revision is one listed state of a revision: its head, what follows from it, and what was made of it so far. All but
// made is set once.
type revision struct {
	head  weir.Head
	etag  string // of the head
	show  manifests.Presentation
	pages map[string]weir.Page // by key; kept while growing, for the next state
	inits map[string]initBytes // by key
	bytes int64                // about what it costs in memory

	mu   sync.Mutex // guards made
	made map[string]*rendered
}

// initBytes is an init segment and the hex sha256 of it.
type initBytes struct {
	data []byte
	sum  string
}

// rendered is a manifest, plain and compressed, or a track. It is not changed.
type rendered struct {
	plain, gzipped       []byte
	plainSum, gzippedSum string    // hex sha256
	at                   time.Time // the second it speaks of, if it tells the time
	track                *track
	trackSum             string
}

// readRevision reads the state that the head names now; old, if not nil, is an earlier one, of which everything immutable
// is taken over. NotFound means that there is no head.
func readRevision(ctx context.Context, from *origin.Origin, key revisionKey, old *revision) (*revision, bool, error) {
	var known string
	if old != nil {
		if old.head.State == weir.Deleted {
			return old, false, nil // a tombstone is never overwritten
		}
		known = old.etag
	}
	head, tag, err := from.Head(ctx, key.organisation, key.asset, key.revision, known)
	if err != nil || (old != nil && tag == known) {
		return old, false, err
	}
	r := &revision{head: head, etag: tag, made: map[string]*rendered{}}
	if head.State == weir.Deleted {
		return r, true, nil
	}
	if err := r.readPages(ctx, from, old); err != nil {
		return nil, false, weir.Errorf(weir.Unavailable, "read pages: %w", err)
	}
	r.show, err = manifests.Build(head, func(key string) (weir.Page, bool) { p, ok := r.pages[key]; return p, ok })
	if err != nil {
		return nil, false, fmt.Errorf("build presentation: %w", err)
	}
	if err := r.readInits(ctx, from, old); err != nil {
		return nil, false, weir.Errorf(weir.Unavailable, "read init segments: %w", err)
	}
	for _, t := range r.show.Tracks {
		r.bytes += int64(len(t.Segments)) * segmentBytes
	}
	if r.show.Complete() {
		r.pages = nil
	}
	return r, true, nil
}

// readPages gets every page that lists a segment within the extent.
func (r *revision) readPages(ctx context.Context, from *origin.Origin, old *revision) (err error) {
	var keys []string
	for _, t := range r.head.Tracks {
		for _, ref := range t.Pages {
			if ref.First < r.head.FirstSegment+r.head.Segments {
				keys = append(keys, ref.Key)
			}
		}
	}
	var known map[string]weir.Page
	if old != nil {
		known = old.pages
	}
	r.pages, err = gather(ctx, keys, known, from.Page)
	return err
}

// readInits gets the init segments: small, and needed by everybody.
func (r *revision) readInits(ctx context.Context, from *origin.Origin, old *revision) (err error) {
	var keys []string
	sums := map[string]uint32{}
	for _, t := range r.show.Tracks {
		for _, in := range t.Inits {
			keys = append(keys, in.Key)
			sums[in.Key] = in.CRC
		}
	}
	var known map[string]initBytes
	if old != nil {
		known = old.inits
	}
	r.inits, err = gather(ctx, keys, known, func(ctx context.Context, key string) (initBytes, error) {
		b, err := from.Init(ctx, key, sums[key])
		return initBytes{b, hexSum(b)}, err
	})
	return err
}

// gather returns what read gives for each key, side by side, taking over what is known. A panic of read is an error.
func gather[T any](ctx context.Context, keys []string, known map[string]T, read func(context.Context, string) (T, error)) (map[string]T, error) {
	all := make(map[string]T, len(keys))
	var mu sync.Mutex // guards all
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for _, key := range keys {
		if v, ok := known[key]; ok {
			mu.Lock()
			all[key] = v
			mu.Unlock()
			continue
		}
		g.Go(func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("read %s: panic: %v\n%s", key, p, debug.Stack())
				}
			}()
			v, err := read(ctx, key)
			if err != nil {
				return fmt.Errorf("read %s: %w", key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all[key] = v
			return nil
		})
	}
	return all, g.Wait()
}
