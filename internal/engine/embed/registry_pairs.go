package embed

import (
	"context"
	"fmt"

	"github.com/weirstream/weir"
)

// Pairs lists all values, sorted by key.
func (r *Registry) Pairs(ctx context.Context) (all []weir.KVPair, err error) {
	rows, err := r.DB.Reader().QueryContext(ctx, `SELECT key, value, version FROM kv ORDER BY key`)
	if err != nil {
		return nil, fmt.Errorf("list registry keys: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p weir.KVPair
		if err := rows.Scan(&p.Key, &p.Value, &p.Version); err != nil {
			return nil, fmt.Errorf("list registry keys: %w", err)
		}
		all = append(all, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list registry keys: %w", err)
	}
	return all, nil
}
