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
// learns of the asset. A second job of an asset is none, so a fact too many does no harm; but while nobody plans, as on a
// night without workers, every asset would have another each minute, so they become rarer.
func (s *Service) Announce(ctx context.Context) error {
	var errs []error
	before := s.c.Now().Add(-announceAfter)
	for after := ""; ; {
		records, err := s.c.Store.Unplanned(ctx, before, after, sweepPage)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("list assets without a job: %w", err))...)
		}
		for _, r := range records {
			if err := s.announce(ctx, r.Asset.ID, timely(s.c.Now().Sub(r.Asset.Master.Created))); err != nil {
				errs = append(errs, fmt.Errorf("announce asset %s: %w", r.Asset.ID, err))
			}
			after = r.Asset.ID
		}
		if len(records) < sweepPage {
			return errors.Join(errs...)
		}
	}
}

// timely is true of the minutes 1, 2, 4, 8 and so on of waiting, and once in an hour, which a restart may not pass by for long.
func timely(waited time.Duration) bool {
	n := int(waited / announceEvery)
	return n&(n-1) == 0 || n%60 == 0
}

// announce notes the asset's job, if it has one, and says that its master is ready otherwise, if it is time to.
func (s *Service) announce(ctx context.Context, id string, timely bool) error {
	_, err := s.c.Jobs.Status(ctx, id)
	if err == nil {
		return s.c.Store.Planned(ctx, id)
	}
	if weir.KindOf(err) != weir.NotFound {
		return err
	}
	if !timely {
		return nil
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
