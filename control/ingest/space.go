package ingest

import (
	"context"

	weir "github.com/weirstream/weir"
	"golang.org/x/sys/unix"
)

// admit refuses an upload that cannot end well, before its first byte: Unprocessable (empty) or Full. The file rests in
// the folder of uploads first and in Blobs after, so each must have room for it above the floor; where both are on one file
// system it is not copied ([weir.FileTaker]), so room for one is enough.
func (s *Service) admit(ctx context.Context, size int64) error {
	if size == 0 {
		return weir.Errorf(weir.Unprocessable, "The file is empty.")
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(s.c.Dir, &fs); err != nil {
		return weir.Errorf(weir.Internal, "read free space: %w", err)
	}
	free := int64(fs.Bavail) * fs.Bsize
	if blobs, ok := s.c.Blobs.(weir.FreeSpace); ok {
		n, err := blobs.FreeBytes(ctx)
		if err != nil {
			return err
		}
		free = min(free, n)
	}
	if free-s.c.Floor < size {
		return weir.Errorf(weir.Full, "There is not enough free space on the server for this file (%d bytes).", size)
	}
	return nil
}
