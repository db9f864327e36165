package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// File is what a region needs of a file. *os.File is one; a test's may fail.
type File interface {
	ReadAt(b []byte, off int64) (int, error)
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// region is one append file. Only the writer writes to it. Its file is removed by name when it is reclaimed and closed
// when the last reader has gone, so that bytes under a reader are never replaced by others.
type region struct {
	number uint64
	path   string
	file   File

	// Of the writer only.
	end     int64  // of the records
	records footer // while the region grows; empty once it is full
	footer  int64  // where the written footer begins; 0 is none
	dirty   bool   // marks were written and not synced
	gone    bool   // the file has no name any more
	uncut   bool   // there may be something behind end that a start would take for a record or a footer

	entries []*entry // guarded by the tier's mu: what was ever indexed of it

	mu   sync.Mutex // guards refs
	refs int        // the tier's own and one a reader; the file closes at 0
}

// acquire adds a reader, unless the file is closed already.
func (r *region) acquire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refs == 0 {
		return false
	}
	r.refs++
	return true
}

func (r *region) release() {
	r.mu.Lock()
	r.refs--
	last := r.refs == 0
	r.mu.Unlock()
	if last {
		_ = r.file.Close() // nothing that counts is unsaved: seal and save sync
	}
}

func regionName(number uint64) string { return fmt.Sprintf("region-%016x", number) }

// regionNumber is the number in a file's name.
func regionNumber(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, "region-")
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, ok && err == nil && name == regionName(n) && n > 0
}

// openRegion opens or, with os.O_CREATE, makes the region of this number.
func (t *Tier) openRegion(number uint64, flag int) (*region, error) {
	path := filepath.Join(t.config.Dir, regionName(number))
	file, err := t.config.OpenFile(path, os.O_RDWR|flag)
	if err != nil {
		return nil, fmt.Errorf("open region: %w", err)
	}
	return &region{number: number, path: path, file: file, refs: 1}, nil
}

// mark says in the file that record number i, which begins at off, is dead: in the footer, which the next start reads
// first, and in the record, for a start that finds the footer broken.
func (r *region) mark(i int, off int64) error {
	if r.footer > 0 {
		if _, err := r.file.WriteAt([]byte{dead}, r.footer+int64(i)); err != nil {
			return fmt.Errorf("mark in footer: %w", err)
		}
	} else if i < len(r.records.marks) {
		r.records.marks[i] = dead
	}
	if _, err := r.file.WriteAt([]byte{dead}, off+markAt); err != nil {
		return fmt.Errorf("mark record: %w", err)
	}
	r.dirty = true
	return nil
}

// cut removes what is behind the last record.
func (r *region) cut() error {
	r.uncut = true
	if err := r.file.Truncate(r.end); err != nil {
		return fmt.Errorf("cut off region: %w", err)
	}
	r.uncut = false
	return nil
}

// seal writes the footer and the region to the disk itself: from here on it is only read and marked. A region without a
// footer, since it could not be written, is read by its headers.
func (r *region) seal() error {
	b := r.records.encode(r.number)
	if _, err := r.file.WriteAt(b, r.end); err != nil {
		_ = r.cut() // the first error is the one that counts
		return fmt.Errorf("write footer: %w", err)
	}
	r.footer, r.records = r.end, footer{}
	if err := r.file.Sync(); err != nil {
		return fmt.Errorf("sync region: %w", err)
	}
	return nil
}
