package embed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weirstream/weir"
)

// maxRegistryValue is Consul's bound.
const maxRegistryValue = 512 << 10

// KV implements [weir.Registry].
func (r *Registry) KV(ctx context.Context, key string) (weir.KVPair, error) {
	if key == "" {
		return weir.KVPair{}, weir.Errorf(weir.Invalid, "a registry key is not empty")
	}
	pair := weir.KVPair{Key: key}
	err := r.DB.Reader().QueryRowContext(ctx, `SELECT value, version FROM kv WHERE key = ?`, key).Scan(&pair.Value, &pair.Version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return weir.KVPair{}, fmt.Errorf("read registry key %q: %w", key, err)
	}
	return pair, nil
}

// PutKV implements [weir.Registry]. A value over 512 KiB is TooLarge.
func (r *Registry) PutKV(ctx context.Context, key string, value []byte, version uint64) (uint64, error) {
	switch {
	case key == "":
		return 0, weir.Errorf(weir.Invalid, "a registry key is not empty")
	case len(value) > maxRegistryValue:
		return 0, weir.Errorf(weir.TooLarge, "a registry value of %d bytes is larger than %d", len(value), maxRegistryValue)
	}
	if value == nil {
		value = []byte{} // NULL is no value
	}
	err := r.DB.Write(ctx, func(tx *sql.Tx) error { return putKV(ctx, tx, key, value, version) })
	if err != nil {
		return 0, fmt.Errorf("write registry key %q: %w", key, err)
	}
	r.news.send(valueNews(key), struct{}{})
	return version + 1, nil
}

func putKV(ctx context.Context, tx *sql.Tx, key string, value []byte, version uint64) error {
	query, args := `UPDATE kv SET value = ?, version = version + 1 WHERE key = ? AND version = ?`, []any{value, key, version}
	if version == 0 {
		query, args = `INSERT INTO kv (value, key, version) VALUES (?, ?, 1) ON CONFLICT DO NOTHING`, args[:2]
	}
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return weir.Errorf(weir.Conflict, "registry key %q is no longer at version %d", key, version)
	}
	return nil
}

// WatchKV implements [weir.Registry]. It returns nil when ctx has ended. Of changes that follow each other closely f may
// see the last only.
func (r *Registry) WatchKV(ctx context.Context, key string, f func(weir.KVPair)) error {
	news, leave := r.news.join(valueNews(key), 1)
	defer leave()
	for first, seen := true, uint64(0); ; first = false {
		pair, err := r.KV(ctx, key)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if first || pair.Version != seen { // news may be of what the last look saw already
			f(pair)
		}
		seen = pair.Version
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		}
	}
}
