package embed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

var _ transcode.DeletedAssets = (*Ingest)(nil)

// Deleted walks the index of assets whose objects wait for their collection.
func (s *Ingest) Deleted(ctx context.Context, before time.Time, limit int) ([]weir.Asset, error) {
	rows, err := s.DB.Reader().QueryContext(ctx, `SELECT `+assetColumns+` FROM asset
		WHERE state = 'deleted' AND collected = 0 AND deleted < ? ORDER BY deleted LIMIT ?`, micros(before), limit)
	if err != nil {
		return nil, loaded("deleted assets", err)
	}
	records, err := collect(rows, scanAsset)
	if err != nil {
		return nil, err
	}
	assets := make([]weir.Asset, len(records))
	for i, r := range records {
		assets[i] = r.Asset
	}
	return assets, nil
}

// Collected notes the time, which takes the asset out of Deleted. Doing it again changes nothing that matters.
func (s *Ingest) Collected(ctx context.Context, asset string) error {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	return s.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE asset SET collected = ? WHERE id = ? AND state = 'deleted'`, micros(now()), asset)
		if err != nil {
			return fmt.Errorf("note collection: %w", err)
		}
		return nil
	})
}
