package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirstream/weir/control/ingest"
)

// Unplanned walks the index of received assets whose job was not seen.
func (s *Ingest) Unplanned(ctx context.Context, before time.Time, after string, limit int) ([]ingest.Record, error) {
	records, err := list(ctx, s.DB, scanAsset, selectAsset+` WHERE state = 'received' AND planned = 0 AND stored < $1 AND id > $2
		ORDER BY id LIMIT $3`, micros(before), after, limit)
	return records, wrap("load unplanned assets", err)
}

// Planned takes the asset out of Unplanned.
func (s *Ingest) Planned(ctx context.Context, id string) error {
	return wrap("note a job", s.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, _ bool) error {
		_, err := change(ctx, tx, `UPDATE asset SET planned = 1 WHERE id = $1`, id)
		return err
	}))
}
