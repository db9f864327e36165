package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// The position file is "WDP1", the number, and the crc32c of both. It is replaced as a whole.
const (
	positionMagic = "WDP1"
	positionLen   = 4 + 8 + 4
)

func (t *Tier) positionPath() string { return filepath.Join(t.config.Dir, "position") }

// loadPosition is 0 if the file is missing or not what was written.
func (t *Tier) loadPosition() uint64 {
	b, err := os.ReadFile(t.positionPath())
	if err != nil || len(b) != positionLen || string(b[:4]) != positionMagic ||
		binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(b[:12], castagnoli) {
		return 0
	}
	return binary.LittleEndian.Uint64(b[4:])
}

// save writes the position, after everything that it says is done has reached the disk.
func (t *Tier) save(position uint64) error {
	for _, r := range t.regions {
		if r.uncut { // it may be a record that was purged and is in no index
			if err := r.cut(); err != nil {
				return err
			}
		}
		if !r.dirty {
			continue
		}
		if err := r.file.Sync(); err != nil {
			return fmt.Errorf("sync marks: %w", err)
		}
		r.dirty = false
	}
	b := binary.LittleEndian.AppendUint64([]byte(positionMagic), position)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	temporary := t.positionPath() + ".new"
	f, err := t.config.OpenFile(temporary, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return fmt.Errorf("make position: %w", err)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write position: %w", err)
	}
	if err := os.Rename(temporary, t.positionPath()); err != nil {
		return fmt.Errorf("replace position: %w", err)
	}
	dir, err := os.Open(t.config.Dir)
	if err != nil {
		return fmt.Errorf("open disk tier's folder: %w", err)
	}
	err = dir.Sync()
	if closed := dir.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("sync disk tier's folder: %w", err)
	}
	return nil
}
