package embed

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weirstream/weir"
)

// Files of a data folder that are the folder's own.
const (
	lockFile    = "lock"     // flock-ed while the folder is open; says by whom
	formatFile  = "format"   // the format's version, in decimal
	rootKeyFile = "root.key" // 32 random bytes
	nameFile    = "name"     // Folder.Name
)

// Folder is a data folder: a directory that one process at a time owns, with a format and a root key.
type Folder struct {
	Dir     string   // absolute
	RootKey [32]byte // wraps every secret at rest; made or given on the first start, and lost with the folder
	Name    string   // tells data folders apart, wherever they are moved: 16 hex digits

	root *os.Root
	lock *os.File
}

// step makes the next version of the format out of the one before. It may be run again after a crash in its middle.
type step = func(*os.Root) error

// formatSteps are the steps from no folder (version 0) on; the format this program writes is their number. Tables of
// stores are not part of it: they have migrations of their own.
func formatSteps(rootKey [32]byte) []step {
	return []step{
		func(root *os.Root) error { return makeRootKey(root, rootKey) }, // 1
		makeName, // 2
	}
}

// OpenFolder creates the folder (mode 0700) if need be, locks it and brings it to the format of this program. It is a
// Conflict, in a sentence for the person who started the program, when another process has it open or a newer version of
// the program wrote it.
func OpenFolder(dir string) (*Folder, error) { return OpenFolderWith(dir, [32]byte{}) }

// OpenFolderWith is OpenFolder for a folder that is to open what another sealed: if it has no root key yet it gets this
// one. Zero is a random one.
func OpenFolderWith(dir string, rootKey [32]byte) (*Folder, error) {
	return openFolder(dir, formatSteps(rootKey))
}

func openFolder(dir string, steps []step) (*Folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open data folder: %w", diskError(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	f := &Folder{Dir: dir, root: root}
	if err := f.prepare(steps); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Folder) prepare(steps []step) (err error) {
	if f.lock, err = acquire(f.root, lockFile, "data folder "+f.Dir); err != nil {
		return err
	}
	if err := syncPath(filepath.Dir(f.Dir)); err != nil {
		return fmt.Errorf("open data folder: %w", err)
	}
	if err := f.migrate(steps); err != nil {
		return err
	}
	key, err := f.root.ReadFile(rootKeyFile)
	if err != nil || len(key) != len(f.RootKey) {
		return errors.Join(weir.Errorf(weir.Conflict,
			"the root key %s is missing or damaged, and nothing in the data folder can be opened without it: restore it from a backup",
			f.Path(rootKeyFile)), err)
	}
	copy(f.RootKey[:], key)
	name, err := f.root.ReadFile(nameFile)
	if f.Name = strings.TrimSpace(string(name)); err == nil && !weir.ValidID(f.Name) {
		err = weir.Errorf(weir.Conflict, "%s does not hold a name", f.Path(nameFile))
	}
	if err != nil {
		return fmt.Errorf("read the data folder's name: %w", err)
	}
	return nil
}

// migrate runs the steps the folder has not had, recording each.
func (f *Folder) migrate(steps []step) error {
	have, err := f.format()
	if err != nil {
		return err
	}
	if have > len(steps) {
		return weir.Errorf(weir.Conflict, "the data folder %s has format %d and this program knows formats up to %d: use the newer program that wrote it",
			f.Dir, have, len(steps))
	}
	for ; have < len(steps); have++ {
		if err := steps[have](f.root); err != nil {
			return fmt.Errorf("migrate data folder %s to format %d: %w", f.Dir, have+1, diskError(err))
		}
		if err := f.setFormat(have + 1); err != nil {
			return fmt.Errorf("record format %d of data folder %s: %w", have+1, f.Dir, diskError(err))
		}
	}
	return nil
}

func (f *Folder) format() (int, error) {
	text, err := f.root.ReadFile(formatFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read format of data folder: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 1 {
		return 0, weir.Errorf(weir.Conflict, "%s does not hold a format version", f.Path(formatFile))
	}
	return n, nil
}

func (f *Folder) setFormat(n int) error {
	return replaceFile(f.root, formatFile, []byte(strconv.Itoa(n)+"\n"))
}

// Path is the path of a file or directory of the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Close gives the folder up. Close what is in it first.
func (f *Folder) Close() error {
	var err error
	if f.lock != nil {
		err = f.lock.Close()
	}
	return errors.Join(err, f.root.Close())
}

// makeRootKey keeps a key that is there: a crash may have come between it and the record of its format.
func makeRootKey(root *os.Root, key [32]byte) error {
	if _, err := root.Stat(rootKeyFile); err == nil {
		return nil
	}
	if key == [32]byte{} {
		_, _ = rand.Read(key[:]) // crypto/rand.Read never fails
	}
	return replaceFile(root, rootKeyFile, key[:])
}

// makeName keeps a name that is there, as makeRootKey does.
func makeName(root *os.Root) error {
	if _, err := root.Stat(nameFile); err == nil {
		return nil
	}
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails
	return replaceFile(root, nameFile, []byte(hex.EncodeToString(name)+"\n"))
}

// replaceFile puts a small file in place, whole and durably.
func replaceFile(root *os.Root, name string, content []byte) error {
	temp := name + ".new"
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(root, temp, content); err != nil {
		return err
	}
	if err := root.Rename(temp, name); err != nil {
		return err
	}
	return syncDir(root, ".")
}
