package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
)

// Catalog is the store of titles, in the table title.
type Catalog struct {
	DB *DB
}

var _ catalog.Store = (*Catalog)(nil)

const (
	titleColumns = `id, organisation, version, name, asset, state, reason, duration_num, duration_den, applied, created`
	titleValues  = `$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11`
	selectTitle  = `SELECT ` + titleColumns + ` FROM title`
)

// Load selects the title.
func (s *Catalog) Load(ctx context.Context, organisation, id string) (t catalog.Title, err error) {
	err = s.DB.read(ctx, func(ctx context.Context, c on) error {
		t, err = scanTitle(c.QueryRow(ctx, selectTitle+` WHERE id = $1 AND organisation = $2`, id, organisation).Scan)
		if errors.Is(err, pgx.ErrNoRows) {
			return weir.Errorf(weir.NotFound, "there is no title %s", id)
		}
		return err
	})
	if err != nil {
		return catalog.Title{}, wrap("load title", err)
	}
	return t, nil
}

// Save inserts version 1 and updates later ones, which locks the row, and then puts the facts. A text that has a zero byte or
// is not UTF-8 is Invalid.
func (s *Catalog) Save(ctx context.Context, t catalog.Title, facts ...weir.Fact) error {
	was := t.Version
	t.Version++
	row, err := titleRow(t)
	if err != nil {
		return err
	}
	return wrap("save title", s.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, again bool) (err error) {
		var n int64
		if was == 0 {
			n, err = change(ctx, tx, `INSERT INTO title (`+titleColumns+`) VALUES (`+titleValues+`) ON CONFLICT DO NOTHING`, row...)
		} else {
			n, err = change(ctx, tx, `UPDATE title SET (`+titleColumns+`) = ROW (`+titleValues+`)
				WHERE id = $1 AND organisation = $2 AND version = $12`, append(slices.Clone(row), was)...)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			if done, err := sameTitle(ctx, tx, again, row); err != nil || done {
				return err
			}
			return errChanged()
		}
		return putFacts(ctx, tx, facts)
	}))
}

// sameTitle says if an earlier run of the same call stored the row.
func sameTitle(ctx context.Context, c on, again bool, row []any) (bool, error) {
	if !again {
		return false, nil
	}
	stored, err := scanTitle(c.QueryRow(ctx, selectTitle+` WHERE id = $1 AND organisation = $2`, row[0], row[1]).Scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	is, err := titleRow(stored)
	return slices.Equal(is, row), err
}

// List walks the index of titles that are not deleted, past those whose master was not heard of yet.
func (s *Catalog) List(ctx context.Context, organisation, before string, limit int) ([]catalog.Title, error) {
	if before == "" {
		before = "~" // sorts behind every id
	}
	titles, err := list(ctx, s.DB, scanTitle, selectTitle+`
		WHERE organisation = $1 AND state <> 'deleted' AND created <> 0 AND id < $2 ORDER BY id DESC LIMIT $3`, organisation, before, limit)
	return titles, wrap("load titles", err)
}

func titleRow(t catalog.Title) ([]any, error) {
	applied, err := json.Marshal(t.Applied)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "encode title: %w", err)
	}
	return []any{t.ID, t.Organisation, t.Version, t.Name, t.Asset, string(t.State), t.Reason, t.Duration.Num, t.Duration.Den,
		string(applied), micros(t.Created)}, nil
}

func scanTitle(scan func(...any) error) (catalog.Title, error) {
	var t catalog.Title
	var applied string
	var created int64
	err := scan(&t.ID, &t.Organisation, &t.Version, &t.Name, &t.Asset, &t.State, &t.Reason, &t.Duration.Num, &t.Duration.Den,
		&applied, &created)
	if err != nil {
		return t, err
	}
	t.Created, t.Applied = fromMicros(created), map[string]catalog.Mark{}
	if err := json.Unmarshal([]byte(applied), &t.Applied); err != nil {
		return t, fmt.Errorf("read title %s: %w", t.ID, err)
	}
	if t.Applied == nil { // stored as null
		t.Applied = map[string]catalog.Mark{}
	}
	return t, nil
}
