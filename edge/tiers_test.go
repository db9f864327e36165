package edge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/cache/disk"
	"github.com/weirstream/weir/edge/cache/shared"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/internal/engine/embed"
)

// openDisk opens a tier in dir that obeys r.
func openDisk(t *testing.T, dir string, r *rulings.Rulings, configs ...func(*disk.Config)) *disk.Tier {
	t.Helper()
	c := disk.Config{Dir: dir, Bytes: 64 << 20, RegionBytes: 16 << 20, Stale: edge.Purged(r), ReadWait: 10 * time.Second, ReadStall: 10 * time.Second}
	for _, f := range configs {
		f(&c)
	}
	d, err := disk.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// until waits for what another goroutine is going to do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// lost breaks every read of a chunk object.
func lost(key string, r io.ReadCloser) (io.ReadCloser, error) {
	if !strings.HasSuffix(key, ".cmf") {
		return r, nil
	}
	if r != nil {
		_ = r.Close()
	}
	return nil, weir.Errorf(weir.NotFound, "lost")
}

// warm has the disk tier of an edge keep the segments of the video, and ends that edge.
func warm(t *testing.T, dir string, size int) {
	t.Helper()
	d := openDisk(t, dir, rulings.New())
	s := start(t, size, func(e *edge.Server) { e.Disk = d })
	s.list(weir.Complete, 6)
	for range 2 { // the second request is the first use
		for n := 1; n <= 6; n++ {
			s.wantStatus(200, videoID+"/"+itoa(n)+".m4s")
		}
	}
	until(t, "six segments on disk", func() bool { return d.Stats().Stored == 6 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestDiskIsWarmAfterARestart(t *testing.T) {
	dir := t.TempDir()
	warm(t, dir, 300_000)
	d := openDisk(t, dir, rulings.New())
	defer d.Close()
	s := start(t, 300_000, func(e *edge.Server) { e.Disk = d })
	s.list(weir.Complete, 6)
	s.store.set(lost)
	for n := 1; n <= 6; n++ {
		a := s.wantStatus(200, videoID+"/"+itoa(n)+".m4s")
		if !bytes.Equal(a.body, s.bytes[videoID][n-1]) || !strings.Contains(a.header.Get("Server-Timing"), `desc="disk"`) {
			t.Errorf("segment %d from disk: other bytes, or from elsewhere: %v", n, a.header)
		}
	}
	s.wantStatus(503, audioID+"/1.m4s") // was never asked for
	if got := s.metric("weir_edge_disk_hits_total"); got != 6 {
		t.Errorf("hits of the disk counted: %v", got)
	}
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// What is damaged in the middle of a body is the store's to go on from; every byte arrives right, and is right on disk thereafter.
func TestDamagedDiskIsMendedByTheStore(t *testing.T) {
	const size = 900_000
	dir := t.TempDir()
	warm(t, dir, size)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil || len(b) < size {
			continue
		}
		for at := size / 2; at < len(b); at += size / 2 {
			b[at] ^= 1
			flipped++
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := openDisk(t, dir, rulings.New())
	defer d.Close()
	s := start(t, size, func(e *edge.Server) { e.Disk = d })
	s.list(weir.Complete, 6)
	for n := 1; n <= 6; n++ {
		if a := s.wantStatus(200, videoID+"/"+itoa(n)+".m4s"); !bytes.Equal(a.body, s.bytes[videoID][n-1]) {
			t.Errorf("segment %d has other bytes than were stored", n)
		}
	}
	if got := d.Stats(); flipped < 6 || got.Damaged == 0 {
		t.Errorf("%d bytes flipped and %d records given up, want some", flipped, got.Damaged)
	}
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// What was purged is not served from disk, however the edge learns of it: while it runs, or before it is warm; and while nobody
// knows what was purged, nothing is.
func TestDiskObeysPurges(t *testing.T) {
	dir := t.TempDir()
	warm(t, dir, 1000)
	j := newJudge()
	d := openDisk(t, dir, j.Rulings)
	defer d.Close()
	var fresh atomic.Bool
	s := start(t, 1000, func(e *edge.Server) { e.Disk, e.Rulings, e.Fresh = d, j.Rulings, fresh.Load })
	s.list(weir.Complete, 6)
	s.store.set(lost)
	s.wantStatus(503, videoID+"/1.m4s")
	fresh.Store(true)
	s.wantStatus(200, videoID+"/1.m4s")
	j.purge(weir.ByAsset, false, assetID)
	for n := 1; n <= 6; n++ {
		s.wantStatus(503, videoID+"/"+itoa(n)+".m4s")
	}
	until(t, "what was purged is gone from disk", func() bool { return d.Stats().Entries == 0 && d.Position() == j.Number() })
	s.store.set(nil)
	s.wantStatus(200, videoID+"/1.m4s")
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// full is a file on a disk without room, or one that fails.
type full struct {
	*os.File
	write, read error
}

func (f full) WriteAt(b []byte, off int64) (int, error) {
	if f.write != nil {
		return 0, f.write
	}
	return f.File.WriteAt(b, off)
}

func (f full) ReadAt(b []byte, off int64) (int, error) {
	if f.read != nil {
		return 0, f.read
	}
	return f.File.ReadAt(b, off)
}

func TestBrokenDiskIsNobodysTrouble(t *testing.T) {
	for _, bad := range []full{{write: syscall.ENOSPC}, {write: syscall.EIO}, {read: syscall.EIO}} {
		dir := t.TempDir()
		warm(t, dir, 200_000)
		d := openDisk(t, dir, rulings.New(), func(c *disk.Config) {
			c.OpenFile = func(path string, flag int) (disk.File, error) {
				f, err := os.OpenFile(path, flag, 0o600)
				return full{f, bad.write, bad.read}, err
			}
		})
		s := start(t, 200_000, func(e *edge.Server) { e.Disk = d })
		s.list(weir.Complete, 6)
		for range 3 {
			for _, of := range []string{videoID, audioID} {
				for n := 1; n <= 6; n++ {
					if a := s.wantStatus(200, of+"/"+itoa(n)+".m4s"); !bytes.Equal(a.body, s.bytes[of][n-1]) {
						t.Errorf("segment %d has other bytes than were stored", n)
					}
				}
			}
		}
		if err := s.stop(); err != nil {
			t.Errorf("Serve = %v", err)
		}
		d.Close()
	}
}

func TestSegmentsThatEdgesShare(t *testing.T) {
	redis := &embed.Cache{MaxBytes: 64 << 20}
	tier := func() func(*edge.Server) {
		s := &shared.Tier{Cache: redis, Stale: edge.Purged(rulings.New()), Timeout: 10 * time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v", err)
			}
		})
		return func(e *edge.Server) { e.Segments = s }
	}
	one := start(t, 300_000, tier())
	one.list(weir.Complete, 6)
	for range 2 {
		one.wantStatus(200, videoID+"/1.m4s")
		one.wantStatus(200, "poster.jpg")
	}
	one.wantStatus(200, videoID+"/2.m4s") // used once: not worth it
	until(t, "a segment and a picture in the shared cache", func() bool { return one.metric("weir_edge_shared_segment_stored_total") == 2 })
	two := start(t, 300_000, tier())
	two.list(weir.Complete, 6)
	two.store.set(lost)
	a := two.wantStatus(200, videoID+"/1.m4s")
	if !bytes.Equal(a.body, two.bytes[videoID][0]) || !strings.Contains(a.header.Get("Server-Timing"), `desc="shared"`) {
		t.Errorf("a segment that another edge shared: other bytes, or from elsewhere: %v", a.header)
	}
	two.wantStatus(503, videoID+"/2.m4s")
}
