package embed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/weirstream/weir/control/ingest"
)

// Unplanned walks the index of received assets whose job was not seen.
func (s *Ingest) Unplanned(ctx context.Context, before time.Time, after string, limit int) ([]ingest.Record, error) {
	rows, err := s.DB.Reader().QueryContext(ctx, `SELECT `+assetColumns+` FROM asset
		WHERE state = 'received' AND planned = 0 AND stored < ? AND id > ? ORDER BY id LIMIT ?`, micros(before), after, limit)
	if err != nil {
		return nil, loaded("unplanned assets", err)
	}
	return collect(rows, scanAsset)
}

// Planned takes the asset out of Unplanned.
func (s *Ingest) Planned(ctx context.Context, id string) error {
	return s.DB.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE asset SET planned = 1 WHERE id = ?`, id); err != nil {
			return fmt.Errorf("note a job: %w", err)
		}
		return nil
	})
}
