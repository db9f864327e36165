// Package catalog knows titles: what a viewer picks. A title appears when a master is ready, follows what the facts say of
// its asset, and goes when it or its asset is deleted. It is a projection of facts plus the names people give; it never asks
// another service how an asset is doing, and stores no media.
package catalog

import (
	"context"
	"log/slog"
	"time"

	weir "github.com/weirstream/weir"
)

// source names this service in its facts.
const source = "catalog"

// State is where a title is.
type State string

// States. A deleted title is kept as a tombstone and shown to nobody.
const (
	Encoding State = "encoding"
	Playable State = "playable" // and growing
	Complete State = "complete"
	Failed   State = "failed"
	Deleted  State = "deleted"
)

// Title is what a viewer picks. Its id is that of the asset it was made for.
type Title struct {
	ID           string
	Organisation string
	Version      int64 // grows by one with every stored change; 0 is not stored yet
	Name         string
	Asset        string
	State        State
	Reason       string          // why it failed, for people
	Duration     weir.Rational   // seconds; unknown until playable
	Created      time.Time       // zero until the fact of its master has come: shown to nobody
	Applied      map[string]Mark // by source: the newest fact that was applied
}

// Mark is a fact's place among those of its source and subject: revisions first, steps within one.
type Mark struct {
	Revision int64 `json:"revision"`
	Step     int   `json:"step"`
}

func (m Mark) before(n Mark) bool {
	return m.Revision < n.Revision || m.Revision == n.Revision && m.Step < n.Step
}

// Store is where titles are. Each method is one atomic, durable step. A text is kept as it is, or refused as Invalid if the
// engine cannot: one with a zero byte, or that is not UTF-8.
type Store interface {
	// Load is the title, a tombstone too. NotFound if there is none.
	Load(ctx context.Context, organisation, id string) (Title, error)
	// Save stores t at version t.Version+1 if the stored one is t.Version (0: there is none), and puts the facts in the
	// outbox in the same transaction. Conflict otherwise.
	Save(ctx context.Context, t Title, facts ...weir.Fact) error
	// List is up to limit titles that are not deleted and have a time of creation, newest id first; before, if not "",
	// excludes that id and newer ones.
	List(ctx context.Context, organisation, before string, limit int) ([]Title, error)
}

// Assets is who deletes a title's asset.
type Assets interface {
	// Delete is NotFound or Gone when there is nothing to delete.
	Delete(ctx context.Context, organisation, asset string) error
}

// Service is the catalog. Every field but Now must be set. Safe for concurrent use.
type Service struct {
	Store  Store
	Assets Assets
	Bus    weir.Bus
	Now    func() time.Time // nil is time.Now
	Log    *slog.Logger
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

var (
	errUnknown = weir.Errorf(weir.NotFound, "There is no such title.")
	errDeleted = weir.Errorf(weir.Gone, "This title was deleted.")
)

// Title is one that is there. NotFound, Gone.
func (s *Service) Title(ctx context.Context, organisation, id string) (Title, error) {
	if !weir.ValidID(id) {
		return Title{}, errUnknown
	}
	t, err := s.Store.Load(ctx, organisation, id)
	if weir.KindOf(err) == weir.NotFound {
		return Title{}, errUnknown
	}
	if err == nil && t.State == Deleted {
		return Title{}, errDeleted
	}
	if err == nil && t.Created.IsZero() {
		return Title{}, errUnknown
	}
	return t, err
}

// Rename names a title. version 0 renames whatever is there, another only that version (Precondition). NotFound, Gone.
func (s *Service) Rename(ctx context.Context, organisation, id, name string, version int64) (Title, error) {
	var t Title
	err := s.retry(func() error {
		var err error
		if t, err = s.Title(ctx, organisation, id); err != nil {
			return err
		}
		if version != 0 && version != t.Version {
			return weir.Errorf(weir.Precondition, "The title was changed by someone else. Load it again.")
		}
		t.Name = name
		return s.Store.Save(ctx, t)
	})
	t.Version++
	return t, err
}

// Delete deletes the asset, then the title; cut in between, the fact of the asset's deletion ends it. NotFound, Gone.
func (s *Service) Delete(ctx context.Context, organisation, id string) error {
	t, err := s.Title(ctx, organisation, id)
	if err != nil {
		return err
	}
	err = s.Assets.Delete(ctx, organisation, t.Asset)
	if kind := weir.KindOf(err); err != nil && kind != weir.NotFound && kind != weir.Gone {
		return err
	}
	return s.retry(func() error {
		t, err := s.Title(ctx, organisation, id)
		if weir.KindOf(err) == weir.Gone {
			return nil // the fact came first
		}
		if err != nil {
			return err
		}
		return s.bury(ctx, t)
	})
}

// bury makes t a tombstone.
func (s *Service) bury(ctx context.Context, t Title) error {
	t.State = Deleted
	return s.save(ctx, t, weir.FactTitleDeleted)
}

func (s *Service) save(ctx context.Context, t Title, kind string) error {
	data := map[string]string{"title": t.ID, "asset": t.Asset, "name": t.Name}
	f, err := weir.NewFact(s.now(), kind, source, t.Organisation, t.ID, t.Version+1, data)
	if err != nil {
		return err
	}
	return s.Store.Save(ctx, t, f)
}

// retry calls f again while it meets somebody else's change.
func (s *Service) retry(f func() error) error {
	var err error
	for range 10 {
		if err = f(); weir.KindOf(err) != weir.Conflict {
			return err
		}
	}
	return weir.Errorf(weir.Unavailable, "The title is being changed by others: %w", err)
}
