package embed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
)

// Ingest is the store of assets, in the table asset.
type Ingest struct {
	DB  *DB              // of OpenStores; the caller closes it
	Now func() time.Time // when a collection is noted; nil is time.Now
}

var _ ingest.Store = (*Ingest)(nil)

const assetColumns = `id, organisation, revision, title, state, reason, file, size, declared, sha256, created, stored, deleted`

// Create inserts the record.
func (s *Ingest) Create(ctx context.Context, r ingest.Record) error {
	r.Revision = 1
	return s.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO asset (`+assetColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, assetRow(r)...)
		if err != nil {
			return fmt.Errorf("create asset: %w", err)
		}
		return nil
	})
}

// Load selects the record.
func (s *Ingest) Load(ctx context.Context, id string) (ingest.Record, error) {
	row := s.DB.Reader().QueryRowContext(ctx, `SELECT `+assetColumns+` FROM asset WHERE id = ?`, id)
	r, err := scanAsset(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return ingest.Record{}, weir.Errorf(weir.NotFound, "there is no asset %s", id)
	}
	return r, loaded("asset", err)
}

// Update replaces the row under its revision.
func (s *Ingest) Update(ctx context.Context, r ingest.Record, facts ...weir.Fact) error {
	was := r.Revision
	r.Revision++
	return s.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE asset SET (`+assetColumns+`) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			WHERE id = ? AND revision = ?`, append(assetRow(r), r.Asset.ID, was)...)
		if err != nil {
			return fmt.Errorf("update asset: %w", err)
		}
		return changedWith(ctx, tx, result, facts)
	})
}

// Uploading walks the index of unfinished uploads.
func (s *Ingest) Uploading(ctx context.Context, after string, limit int) ([]ingest.Record, error) {
	rows, err := s.DB.Reader().QueryContext(ctx, `SELECT `+assetColumns+` FROM asset
		WHERE state = 'uploading' AND id > ? ORDER BY id LIMIT ?`, after, limit)
	if err != nil {
		return nil, loaded("uploads", err)
	}
	return collect(rows, scanAsset)
}

func assetRow(r ingest.Record) []any {
	a, m := r.Asset, r.Asset.Master
	return []any{a.ID, a.Organisation, r.Revision, a.Title, string(a.State), a.Reason, m.Name, m.Size, r.Declared, m.SHA256,
		micros(a.Created), micros(m.Created), micros(a.Deleted)}
}

func scanAsset(scan func(...any) error) (ingest.Record, error) {
	var r ingest.Record
	var created, stored, deleted int64
	a := &r.Asset
	err := scan(&a.ID, &a.Organisation, &r.Revision, &a.Title, &a.State, &a.Reason, &a.Master.Name, &a.Master.Size, &r.Declared,
		&a.Master.SHA256, &created, &stored, &deleted)
	a.Created, a.Master.Created, a.Deleted = fromMicros(created), fromMicros(stored), fromMicros(deleted)
	a.Master.ID, a.Master.Organisation = a.ID, a.Organisation
	return r, err
}

// changedWith puts the facts of an update that found its row; one that did not is Conflict.
func changedWith(ctx context.Context, tx *sql.Tx, result sql.Result, facts []weir.Fact) error {
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("count changed rows: %w", err)
	}
	if n == 0 {
		return weir.Errorf(weir.Conflict, "it was changed by another")
	}
	for _, f := range facts {
		if err := putFact(ctx, tx, f); err != nil {
			return err
		}
	}
	return nil
}

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(func(...any) error) (T, error)) ([]T, error) {
	defer func() { _ = rows.Close() }()
	var list []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, loaded("rows", err)
		}
		list = append(list, v)
	}
	return list, loaded("rows", rows.Err())
}

// loaded wraps an error of a single query, which has no kind yet.
func loaded(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("load %s: %w", what, storeError(err))
}

// micros is t as stored: microseconds since 1970, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
