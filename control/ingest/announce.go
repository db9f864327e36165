package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
)

const (
	announceEvery = time.Minute
	announceAfter = time.Minute // a fact takes less when all is well
)

// Announce says again that a master is ready where no job came of the fact, since a bus may lose it: the ledger then never
// learns of the asset. A second job of an asset is none, so a fact too many does no harm.
func (s *Service) Announce(ctx context.Context) error {
	var errs []error
	before := s.c.Now().Add(-announceAfter)
	for after := ""; ; {
		records, err := s.c.Store.Unplanned(ctx, before, after, sweepPage)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("list assets without a job: %w", err))...)
		}
		for _, r := range records {
			if err := s.announce(ctx, r.Asset.ID); err != nil {
				errs = append(errs, fmt.Errorf("announce asset %s: %w", r.Asset.ID, err))
			}
			after = r.Asset.ID
		}
		if len(records) < sweepPage {
			return errors.Join(errs...)
		}
	}
}

func (s *Service) announce(ctx context.Context, id string) error {
	_, err := s.c.Jobs.Status(ctx, id)
	if err == nil {
		return s.c.Store.Planned(ctx, id)
	}
	if weir.KindOf(err) != weir.NotFound {
		return err
	}
	s.c.Log.Warn("no job came of a master; it is announced again", "asset", id)
	_, err = s.change(ctx, id, func(r *Record) (string, error) {
		if r.Asset.State != weir.AssetReceived {
			return "", errSettled
		}
		return weir.FactMasterReady, nil
	})
	if errors.Is(err, errSettled) {
		return nil // deleted meanwhile
	}
	return err
}
