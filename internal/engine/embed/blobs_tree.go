package embed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
)

// errUnderObject says that a key's parent is an object, not a directory.
var errUnderObject = errors.New("its parent is an object")

// maxSynced bounds the memory of which directories are durable; past it the memory starts again.
const maxSynced = 10000

// tree moves files into and out of the directories that slashes in keys make. Directories come and go with the objects
// in them.
type tree struct {
	root *os.Root

	prune sync.RWMutex // held for reading while a file comes or goes: its directories are not removed meanwhile

	mu     sync.Mutex
	synced map[string]bool // guarded by mu: directories whose entry in their parent is known to be on disk
}

// place moves the file temp to key, durably; moved is called in between. With create, an existing key is fs.ErrExist.
func (t *tree) place(temp, key string, create bool, moved func()) error {
	t.prune.RLock()
	defer t.prune.RUnlock()
	parent := path.Dir(key)
	if err := t.makeDirs(parent); err != nil {
		return err
	}
	move := t.root.Rename
	if create {
		move = t.root.Link // unlike rename, never replaces
	}
	if err := move(temp, key); err != nil {
		if fi, statErr := t.root.Lstat(key); statErr == nil && fi.IsDir() {
			return fmt.Errorf("%w: it is a directory", errUnderObject)
		}
		return err
	}
	moved()
	return syncDir(t.root, parent)
}

// makeDirs makes dir and its parents and syncs each new entry. A directory found existing is synced, too, the first
// time: another put may have made it just now, or a process that was killed before its sync.
func (t *tree) makeDirs(dir string) error {
	if dir == "." || t.isSynced(dir) {
		return nil
	}
	parent := path.Dir(dir)
	if err := t.makeDirs(parent); err != nil {
		return err
	}
	if err := t.root.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		if fi, err := t.root.Lstat(dir); err != nil || !fi.IsDir() {
			return errors.Join(errUnderObject, err)
		}
	} else if err != nil {
		return err
	}
	if err := syncDir(t.root, parent); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.synced == nil || len(t.synced) >= maxSynced {
		t.synced = map[string]bool{}
	}
	t.synced[dir] = true
	return nil
}

func (t *tree) isSynced(dir string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.synced[dir]
}

// remove unlinks key durably, and the directories that this leaves empty.
func (t *tree) remove(key string) error {
	if err := t.unlink(key); err != nil {
		return err
	}
	t.prune.Lock()
	defer t.prune.Unlock()
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if err := t.root.Remove(dir); err != nil {
			return nil // not empty, or gone
		}
		t.mu.Lock()
		delete(t.synced, dir)
		t.mu.Unlock()
	}
	return nil
}

func (t *tree) unlink(key string) error {
	t.prune.RLock() // or a neighbour's removal prunes the directory before its sync
	defer t.prune.RUnlock()
	if err := t.root.Remove(key); err != nil {
		return err
	}
	return syncDir(t.root, path.Dir(key))
}

// readDir lists a directory of the tree. A missing one, or an object instead of one, has no entries.
func (t *tree) readDir(dir string) ([]fs.DirEntry, error) {
	f, err := t.root.Open(dir)
	if keyIsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	if keyIsMissing(err) {
		err = nil
	}
	return dropHidden(entries), errors.Join(err, f.Close())
}

func dropHidden(entries []fs.DirEntry) []fs.DirEntry {
	kept := entries[:0]
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			kept = append(kept, e)
		}
	}
	return kept
}

func syncDir(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncPath(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
