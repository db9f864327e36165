package embed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/weirstream/weir"
)

// List implements [weir.Blobs]. It reads only the directories that can hold a key it returns. An object put or deleted
// meanwhile may or may not be listed.
func (b *Blobs) List(ctx context.Context, prefix, after string, limit int) ([]weir.ObjectInfo, error) {
	if !weir.ValidKey(prefix) && !weir.ValidKey(prefix+"x") {
		return nil, weir.Errorf(weir.Invalid, "%q does not begin a valid object key", prefix)
	}
	if limit <= 0 {
		return nil, nil
	}
	l := listing{blobs: b, prefix: prefix, after: after, limit: limit}
	if err := l.walk(ctx, path.Dir(prefix+"x")); err != nil && !errors.Is(err, errLimit) {
		return nil, fmt.Errorf("list %q: %w", prefix, err)
	}
	return l.found, nil
}

var errLimit = errors.New("limit reached")

type listing struct {
	blobs         *Blobs
	prefix, after string
	limit         int
	found         []weir.ObjectInfo
}

// walk appends what is in dir, in byte order of keys: a directory sorts by its name with the slash, so after "a-b" and
// before "a0".
func (l *listing) walk(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := l.blobs.tree.readDir(dir)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(entries))
	for _, e := range entries {
		if key := entryKey(dir, e); l.wants(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if sub, isDir := strings.CutSuffix(key, "/"); isDir {
			err = l.walk(ctx, sub)
		} else {
			err = l.add(key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wants says whether key, or for a directory ("a/") some key in it, can be part of the answer.
func (l *listing) wants(key string) bool {
	if !strings.HasSuffix(key, "/") {
		return strings.HasPrefix(key, l.prefix) && key > l.after
	}
	return (strings.HasPrefix(key, l.prefix) || strings.HasPrefix(l.prefix, key)) &&
		(key > l.after || strings.HasPrefix(l.after, key))
}

func (l *listing) add(key string) error {
	info, err := l.blobs.stat(key)
	if weir.KindOf(err) == weir.NotFound {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	l.found = append(l.found, info)
	if len(l.found) == l.limit {
		return errLimit
	}
	return nil
}

func entryKey(dir string, e fs.DirEntry) string {
	key := path.Join(dir, e.Name())
	if e.IsDir() {
		key += "/"
	}
	return key
}
