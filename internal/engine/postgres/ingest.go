package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/transcode"
)

// Ingest is the store of assets, in the table asset.
type Ingest struct {
	DB  *DB
	Now func() time.Time // when a collection is noted; nil is time.Now
}

var (
	_ ingest.Store            = (*Ingest)(nil)
	_ transcode.DeletedAssets = (*Ingest)(nil)
)

const (
	assetColumns = `id, organisation, revision, title, state, reason, file, size, declared, sha256, created, stored, deleted`
	assetValues  = `$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13`
	selectAsset  = `SELECT ` + assetColumns + ` FROM asset`
)

// Create inserts the record. One with a text that has a zero byte or is not UTF-8 is Invalid, here and in Update.
func (s *Ingest) Create(ctx context.Context, r ingest.Record) error {
	r.Revision = 1
	return wrap("create asset", s.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		n, err := change(ctx, tx, `INSERT INTO asset (`+assetColumns+`) VALUES (`+assetValues+`) ON CONFLICT DO NOTHING`, assetRow(r)...)
		if err != nil || n == 1 {
			return err
		}
		if done, err := sameAsset(ctx, tx, again, r); err != nil || done {
			return err
		}
		return weir.Errorf(weir.Conflict, "it exists already")
	}))
}

// Load selects the record.
func (s *Ingest) Load(ctx context.Context, id string) (r ingest.Record, err error) {
	err = s.DB.read(ctx, func(ctx context.Context, c on) error {
		r, err = scanAsset(c.QueryRow(ctx, selectAsset+` WHERE id = $1`, id).Scan)
		if errors.Is(err, pgx.ErrNoRows) {
			return weir.Errorf(weir.NotFound, "there is no asset %s", id)
		}
		return err
	})
	return r, wrap("load asset", err)
}

// Update replaces the row under its revision, which locks it, and then puts the facts.
func (s *Ingest) Update(ctx context.Context, r ingest.Record, facts ...weir.Fact) error {
	was := r.Revision
	r.Revision++
	return wrap("update asset", s.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) error {
		n, err := change(ctx, tx, `UPDATE asset SET (`+assetColumns+`) = ROW (`+assetValues+`) WHERE id = $1 AND revision = $14`,
			append(assetRow(r), was)...)
		if err != nil {
			return err
		}
		if n == 0 {
			if done, err := sameAsset(ctx, tx, again, r); err != nil || done {
				return err
			}
			return errChanged()
		}
		return putFacts(ctx, tx, facts)
	}))
}

// errChanged is for who comes with an old revision.
func errChanged() error { return weir.Errorf(weir.Conflict, "it was changed by another") }

// sameAsset says if an earlier run of the same call stored the record as it is.
func sameAsset(ctx context.Context, c on, again bool, r ingest.Record) (bool, error) {
	if !again {
		return false, nil
	}
	stored, err := scanAsset(c.QueryRow(ctx, selectAsset+` WHERE id = $1`, r.Asset.ID).Scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return slices.Equal(assetRow(stored), assetRow(r)), err
}

// Uploading walks the index of unfinished uploads.
func (s *Ingest) Uploading(ctx context.Context, after string, limit int) ([]ingest.Record, error) {
	records, err := list(ctx, s.DB, scanAsset, selectAsset+` WHERE state = 'uploading' AND id > $1 ORDER BY id LIMIT $2`, after, limit)
	return records, wrap("load uploads", err)
}

// Deleted walks the index of assets whose objects wait for their collection.
func (s *Ingest) Deleted(ctx context.Context, before time.Time, limit int) ([]weir.Asset, error) {
	records, err := list(ctx, s.DB, scanAsset, selectAsset+` WHERE state = 'deleted' AND collected = 0 AND deleted < $1 ORDER BY deleted LIMIT $2`,
		micros(before), limit)
	if err != nil {
		return nil, fmt.Errorf("load deleted assets: %w", err)
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
	return wrap("note collection", s.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, _ bool) error {
		_, err := change(ctx, tx, `UPDATE asset SET collected = $1 WHERE id = $2 AND state = 'deleted'`, micros(now()), asset)
		return err
	}))
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
