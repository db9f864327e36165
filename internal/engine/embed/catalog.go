package embed

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
)

// Catalog is the store of titles, in the table title.
type Catalog struct {
	DB *DB // of OpenStores; the caller closes it
}

var _ catalog.Store = (*Catalog)(nil)

const titleColumns = `id, organisation, version, name, asset, state, reason, duration_num, duration_den, applied, created`

// Load selects the title.
func (s *Catalog) Load(ctx context.Context, organisation, id string) (catalog.Title, error) {
	row := s.DB.Reader().QueryRowContext(ctx, `SELECT `+titleColumns+` FROM title WHERE id = ? AND organisation = ?`, id, organisation)
	t, err := scanTitle(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return catalog.Title{}, weir.Errorf(weir.NotFound, "there is no title %s", id)
	}
	return t, loaded("title", err)
}

// Save inserts version 1 and updates later ones.
func (s *Catalog) Save(ctx context.Context, t catalog.Title, facts ...weir.Fact) error {
	was := t.Version
	t.Version++
	row, err := titleRow(t)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *sql.Tx) error {
		var result sql.Result
		if was == 0 {
			result, err = tx.ExecContext(ctx, `INSERT INTO title (`+titleColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT DO NOTHING`, row...)
		} else {
			result, err = tx.ExecContext(ctx, `UPDATE title SET (`+titleColumns+`) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
				WHERE id = ? AND organisation = ? AND version = ?`, append(row, t.ID, t.Organisation, was)...)
		}
		if err != nil {
			return fmt.Errorf("save title: %w", err)
		}
		return changedWith(ctx, tx, result, facts)
	})
}

// List walks the index of titles that are not deleted.
func (s *Catalog) List(ctx context.Context, organisation, before string, limit int) ([]catalog.Title, error) {
	if before == "" {
		before = "~" // sorts behind every id
	}
	rows, err := s.DB.Reader().QueryContext(ctx, `SELECT `+titleColumns+` FROM title
		WHERE organisation = ? AND state <> 'deleted' AND created <> 0 AND id < ? ORDER BY id DESC LIMIT ?`, organisation, before, limit)
	if err != nil {
		return nil, loaded("titles", err)
	}
	return collect(rows, scanTitle)
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
