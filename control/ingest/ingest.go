// Package ingest takes masters in: a resumable upload (tus 1.0), hashed and checked while it becomes an object, and from then
// on an asset whose progress can be asked and followed. It neither looks into a master nor makes anything of it; it says
// "ingest.master.ready" and others do.
//
// An acknowledged byte is never lost: an upload whose last byte arrived is either received (master stored, fact committed in
// the same transaction as the state) or will be at the next sweep, whenever the process dies.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/memorylocker"
	weir "github.com/weirstream/weir"
)

// source names this service in its facts.
const source = "ingest"

// Record is an asset as ingest stores it. Until the asset is received, Asset.Master holds what the uploader declared (name
// and size) and no sha256.
type Record struct {
	Asset    weir.Asset
	Declared string // sha256 the uploader promised, 64 lower-case hex digits, or ""
	Revision int64  // grows by one with every stored change; that of the asset's facts
}

// Store is where records are. Each method is one atomic, durable step. A text is kept as it is, or refused as Invalid if the
// engine cannot: one with a zero byte, or that is not UTF-8.
type Store interface {
	// Create stores a new record at revision 1, whatever r.Revision says. Conflict: the id exists.
	Create(ctx context.Context, r Record) error
	// Load is the record of an asset. NotFound if there is none.
	Load(ctx context.Context, id string) (Record, error)
	// Update replaces the record whose revision is r.Revision by r at the next one, and puts the facts in the outbox in the
	// same transaction. Conflict: the stored revision is another.
	Update(ctx context.Context, r Record, facts ...weir.Fact) error
	// Uploading lists up to limit records of state uploading whose ids sort after after, in order of id.
	Uploading(ctx context.Context, after string, limit int) ([]Record, error)
	// Unplanned lists up to limit records of state received whose master was stored before then, which Planned was not
	// called for, and whose ids sort after after, in order of id.
	Unplanned(ctx context.Context, before time.Time, after string, limit int) ([]Record, error)
	// Planned notes that the asset has a job. It does nothing to others.
	Planned(ctx context.Context, id string) error
}

// Config is what a Service needs. Zero values are as the comments say; the others must be set.
type Config struct {
	Store    Store
	Blobs    weir.Blobs
	Jobs     Jobs
	Dir      string             // unfinished uploads: made if missing, owned by this Service alone
	MaxBytes int64              // of one master; 0 is 100 GiB
	Floor    int64              // bytes that must stay free after an upload; 0 is none
	Expire   time.Duration      // how long an upload may rest; 0 is 24 h
	Poll     time.Duration      // how often event streams look; 0 is 300 ms
	Streams  int                // most event streams at once; 0 is 256
	Now      func() time.Time   // nil is time.Now
	At       func(point string) // called at named points, for tests that kill the process there; nil is nothing
	Log      *slog.Logger
}

// Service is ingest. Safe for concurrent use.
type Service struct {
	c       Config
	files   filestore.FileStore
	locks   *memorylocker.MemoryLocker // one request or sweep an upload
	streams chan struct{}              // a token an event stream
	life    context.Context            // ends with Run: what outlives its request stops then
	end     context.CancelFunc
}

// New makes the folder of unfinished uploads. The caller calls Run.
func New(c Config) (*Service, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, weir.Errorf(weir.Internal, "open uploads: %w", err)
	}
	c.MaxBytes = orDefault(c.MaxBytes, 100<<30)
	c.Expire = orDefault(c.Expire, 24*time.Hour)
	c.Poll = orDefault(c.Poll, 300*time.Millisecond)
	c.Streams = orDefault(c.Streams, 256)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.At == nil {
		c.At = func(string) {}
	}
	s := &Service{c: c, files: filestore.New(c.Dir), locks: memorylocker.New(), streams: make(chan struct{}, c.Streams)}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

func orDefault[T int | int64 | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}

// load is the record if it is of the organisation; one of another does not exist for it.
func (s *Service) load(ctx context.Context, organisation, id string) (Record, error) {
	if !weir.ValidID(id) {
		return Record{}, errUnknown
	}
	r, err := s.c.Store.Load(ctx, id)
	if weir.KindOf(err) == weir.NotFound || err == nil && r.Asset.Organisation != organisation {
		return Record{}, errUnknown
	}
	return r, err
}

var (
	errUnknown = weir.Errorf(weir.NotFound, "There is no such asset.")
	errDeleted = weir.Errorf(weir.Gone, "This asset was deleted.")
)

// change loads the record, lets f change it and stores it with the fact f names ("" is none), again if another change came
// between. f's errors are returned as they are.
func (s *Service) change(ctx context.Context, id string, f func(*Record) (fact string, err error)) (Record, error) {
	for range 10 {
		r, err := s.c.Store.Load(ctx, id)
		if err != nil {
			return Record{}, err
		}
		kind, err := f(&r)
		if err != nil {
			return r, err
		}
		var facts []weir.Fact
		if kind != "" {
			fact, err := weir.NewFact(s.c.Now(), kind, source, r.Asset.Organisation, id, r.Revision+1, r.Asset)
			if err != nil {
				return r, err
			}
			facts = append(facts, fact)
		}
		err = s.c.Store.Update(ctx, r, facts...)
		if err == nil {
			r.Revision++
			return r, nil
		}
		if weir.KindOf(err) != weir.Conflict {
			return r, err
		}
	}
	return Record{}, weir.Errorf(weir.Unavailable, "The asset is being changed by others. Try again.")
}

// Playable says whether an asset may be played: nil, NotFound, Gone, or Conflict with the reason why not (yet).
func (s *Service) Playable(ctx context.Context, organisation, id string) error {
	r, err := s.load(ctx, organisation, id)
	if err != nil {
		return err
	}
	st, err := s.status(ctx, r)
	if err != nil {
		return err
	}
	switch {
	case st.State == StateDeleted:
		return errDeleted
	case st.State == StateFailed:
		return weir.Errorf(weir.Conflict, "This asset failed and cannot be played: %s", st.Reason)
	case st.State == StateCancelled:
		return weir.Errorf(weir.Conflict, "The work on this asset was cancelled.")
	case !st.Playable:
		return weir.Errorf(weir.Conflict, "This asset is not playable yet: it is %s.", st.State)
	}
	return nil
}

// Delete marks the asset deleted and says so; its bytes are collected by others later. An upload under way is broken off.
// NotFound; Gone if it was already.
func (s *Service) Delete(ctx context.Context, organisation, id string) error {
	if err := s.markDeleted(ctx, organisation, id); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, id) // interrupts who holds it
	if err == nil {
		defer unlock()
	} // else it is being finished, which ends by itself
	return s.removeFiles(id)
}

func (s *Service) markDeleted(ctx context.Context, organisation, id string) error {
	if _, err := s.load(ctx, organisation, id); err != nil {
		return err
	}
	_, err := s.change(ctx, id, func(r *Record) (string, error) {
		if r.Asset.State == weir.AssetDeleted {
			return "", errDeleted
		}
		r.Asset.State = weir.AssetDeleted
		r.Asset.Deleted = s.c.Now().UTC()
		return weir.FactAssetDeleted, nil
	})
	return err
}

// fail ends an upload that can never become a master.
func (s *Service) fail(ctx context.Context, id, reason string) error {
	_, err := s.change(ctx, id, func(r *Record) (string, error) {
		if r.Asset.State != weir.AssetUploading {
			return "", errSettled
		}
		r.Asset.State, r.Asset.Reason = weir.AssetFailed, reason
		return "", nil
	})
	if err != nil && !errors.Is(err, errSettled) {
		return err
	}
	return s.removeFiles(id)
}

// errSettled: the upload ended in another way meanwhile.
var errSettled = errors.New("the upload is settled")
