package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// load makes the index of what is in the folder. The newest region goes on growing if it has no footer.
func (t *Tier) load() error {
	t.work.position = t.loadPosition()
	names, err := os.ReadDir(t.config.Dir)
	if err != nil {
		return fmt.Errorf("list disk tier's folder: %w", err)
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := regionNumber(name.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for len(numbers) > t.keeps() { // the budget was larger once
		if err := os.Remove(filepath.Join(t.config.Dir, regionName(numbers[0]))); err != nil {
			return fmt.Errorf("remove region beyond the budget: %w", err)
		}
		numbers = numbers[1:]
	}
	for _, n := range numbers {
		if err := t.loadRegion(n); err != nil {
			return err
		}
	}
	return nil
}

// loadRegion indexes a region. What cannot be indexed is cut off, or the file removed: it could not be purged, and would be
// there again at a start at which it can be read.
func (t *Tier) loadRegion(number uint64) error {
	r, err := t.openRegion(number, 0)
	if err == nil {
		err = t.indexRegion(r)
	}
	if err == nil {
		t.regions = append(t.regions, r)
		return nil
	}
	t.config.Log.Warn("disk tier gives up a region", "dir", t.config.Dir, "region", regionName(number), "error", err)
	if r != nil {
		t.regions = append(t.regions, r)
		return t.removeRegion(len(t.regions) - 1)
	}
	if err := os.Remove(filepath.Join(t.config.Dir, regionName(number))); err != nil {
		return fmt.Errorf("remove region that cannot be opened: %w", err)
	}
	return nil
}

// indexRegion reads a region's footer, or the headers of its records as far as they are good.
func (t *Tier) indexRegion(r *region) error {
	info, err := os.Stat(r.path)
	if err != nil {
		return fmt.Errorf("measure region: %w", err)
	}
	size := info.Size()
	if t.growing = false; t.loadFooter(r, size) {
		return nil
	}
	b := make([]byte, fixedLen+maxName)
	for {
		n, err := r.file.ReadAt(b, r.end)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read region: %w", err)
		}
		h, ok := parseHeader(b[:n], r.number)
		if !ok || r.end+recordLen(h.key, h.size) > size {
			break // the end, or a record that was being written when the process was killed
		}
		number := r.records.add(b[:headLen(h.key.Object)])
		t.found(r, h, number, r.end)
		r.end += recordLen(h.key, h.size)
	}
	err = r.cut()
	t.growing = err == nil
	return err
}

// loadFooter indexes a full region by its footer.
func (t *Tier) loadFooter(r *region, size int64) bool {
	if size < trailerLen {
		return false
	}
	b := make([]byte, trailerLen)
	if _, err := r.file.ReadAt(b, size-trailerLen); err != nil {
		return false
	}
	records, length, sum, ok := parseTrailer(b, r.number)
	if !ok || length > size {
		return false
	}
	b = make([]byte, length)
	if _, err := r.file.ReadAt(b, size-length); err != nil {
		return false
	}
	type record struct {
		h   header
		off int64
	}
	all := make([]record, 0, records)
	if !parseFooter(b, records, sum, r.number, size-length, func(h header, off int64) { all = append(all, record{h, off}) }) {
		return false
	}
	r.end, r.footer = size-length, size-length
	for i, one := range all {
		t.found(r, one.h, i, one.off)
	}
	return true
}

// found indexes a record. A later one of the same key replaces an earlier one, which is marked.
func (t *Tier) found(r *region, h header, number int, off int64) {
	if h.dead {
		return
	}
	t.insert(&entry{key: h.key, region: r, off: off, size: h.size, stamp: h.stamp, number: number})
}
