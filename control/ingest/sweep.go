package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

const (
	sweepEvery = 10 * time.Minute
	sweepPage  = 100
	sweepLock  = time.Second
	orphanAge  = time.Hour
	infoSuffix = ".info" // of the file store
	abandoned  = "The upload was abandoned before all of the file had arrived."
	unstorable = "The server could not store the file. Upload it again."
)

// Run settles what a crash left, then every few minutes what clients and the bus left, until ctx ends. What is being
// finished then is stopped and resumed by the next Run.
func (s *Service) Run(ctx context.Context) error {
	defer s.end()
	sweep, announce := time.NewTicker(sweepEvery), time.NewTicker(announceEvery)
	defer sweep.Stop()
	defer announce.Stop()
	act, what := s.Sweep, "sweep of uploads"
	for {
		if err := act(ctx); err != nil && ctx.Err() == nil {
			s.c.Log.Error("ingest loop", "loop", what, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			act, what = s.Sweep, "sweep of uploads"
		case <-announce.C:
			act, what = s.Announce, "announcement of masters"
		}
	}
}

// Sweep finishes uploads whose bytes are all here, ends those that rested too long, and removes files that belong to
// nothing. One upload's error does not stop the others; all are returned.
func (s *Service) Sweep(ctx context.Context) error {
	var errs []error
	for after := ""; ; {
		records, err := s.c.Store.Uploading(ctx, after, sweepPage)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("list uploads: %w", err))...)
		}
		for _, r := range records {
			if err := s.settle(ctx, r); err != nil {
				errs = append(errs, fmt.Errorf("settle upload %s: %w", r.Asset.ID, err))
			}
			after = r.Asset.ID
		}
		if len(records) < sweepPage {
			return errors.Join(append(errs, s.removeOrphans(ctx))...)
		}
	}
}

// settle finishes or expires one upload if it is time. Taking the lock interrupts who holds it, so that is done only when
// nobody should.
func (s *Service) settle(ctx context.Context, r Record) error {
	rested := r.Asset.Created
	var size int64 = -1
	f, err := os.Stat(s.path(r.Asset.ID))
	switch {
	case err == nil:
		size = f.Size()
		if f.ModTime().After(rested) {
			rested = f.ModTime()
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	full, expired := size == r.Asset.Master.Size, s.c.Now().Sub(rested) > s.c.Expire
	if !full && !expired {
		return nil
	}
	unlock, err := s.lock(ctx, r.Asset.ID)
	if err != nil {
		return nil // it is being finished
	}
	defer unlock()
	if full {
		_, err := s.finish(ctx, r)
		if kind := weir.KindOf(err); kind == weir.Unprocessable || kind == weir.Gone {
			return nil // settled, in another way
		}
		if err == nil || !expired || ctx.Err() != nil {
			return err
		}
		// It will not be better: give its room back.
		return errors.Join(err, s.fail(ctx, r.Asset.ID, unstorable), s.c.Blobs.Delete(ctx, weir.MasterKey(r.Asset.ID)))
	}
	return s.fail(ctx, r.Asset.ID, abandoned)
}

func (s *Service) lock(ctx context.Context, id string) (unlock func(), err error) {
	l, err := s.locks.NewLock(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sweepLock)
	defer cancel()
	if err := l.Lock(ctx, func() {}); err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil
}

// removeOrphans removes files of uploads that ended or never began: what a crash between two steps leaves.
func (s *Service) removeOrphans(ctx context.Context) error {
	entries, err := os.ReadDir(s.c.Dir)
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for _, e := range entries {
		id := strings.TrimSuffix(e.Name(), infoSuffix)
		r, err := s.c.Store.Load(ctx, id)
		switch {
		case err == nil && r.Asset.State == weir.AssetUploading:
			continue
		case weir.KindOf(err) == weir.NotFound:
			if info, err := e.Info(); err != nil || s.c.Now().Sub(info.ModTime()) < orphanAge {
				continue
			}
		case err != nil:
			return err
		}
		if err := s.removeFiles(id); err != nil {
			return err
		}
	}
	return nil
}
