package embed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/migrate"
)

// Tables is the stores' tables as plain rows, for a migration.
type Tables struct {
	DB *DB // of OpenStores; the caller closes it
}

var _ migrate.Stores = (*Tables)(nil)

// Tables reads the schema. The registry's table and goose's are not among them.
func (s *Tables) Tables(ctx context.Context) ([]migrate.Table, error) {
	type column struct {
		table, name string
		key         int // its place in the primary key, from 1; 0 is none
	}
	columns, err := query(ctx, s.DB.Reader(), func(scan func(...any) error) (c column, err error) {
		err = scan(&c.table, &c.name, &c.key)
		return c, err
	}, `SELECT t.name, c.name, c.pk FROM sqlite_schema t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite@_%' ESCAPE '@' AND t.name NOT IN (?, 'kv') ORDER BY t.name, c.cid`,
		goose.DefaultTablename)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	var out []migrate.Table
	for _, c := range columns {
		if len(out) == 0 || out[len(out)-1].Name != c.table {
			out = append(out, migrate.Table{Name: c.table})
		}
		t := &out[len(out)-1]
		t.Columns = append(t.Columns, c.name)
		if c.key > 0 {
			for len(t.Key) < c.key {
				t.Key = append(t.Key, "")
			}
			t.Key[c.key-1] = c.name
		}
	}
	return out, nil
}

// Rows walks the primary key, whose texts SQLite orders by their bytes.
func (s *Tables) Rows(ctx context.Context, t migrate.Table, after []any, limit int) ([]migrate.Row, error) {
	q := "SELECT " + names(t.Columns) + " FROM " + names([]string{t.Name})
	if after != nil {
		q += " WHERE (" + names(t.Key) + ") > (" + marks(len(t.Key)) + ")"
	}
	q += " ORDER BY " + names(t.Key) + " LIMIT ?"
	rows, err := s.DB.Reader().QueryContext(ctx, q, append(slices.Clone(after), limit)...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Name, storeError(err))
	}
	defer func() { _ = rows.Close() }()
	var out []migrate.Row
	for bytes := 0; bytes < migrate.PageBytes && rows.Next(); {
		row, n, err := scanRow(rows, len(t.Columns))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.Name, storeError(err))
		}
		out, bytes = append(out, row), bytes+n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Name, storeError(err))
	}
	return out, nil
}

// scanRow reads what the columns hold: STRICT tables hold nothing but integers, texts and bytes here.
func scanRow(rows *sql.Rows, columns int) (row migrate.Row, bytes int, err error) {
	row, to := make(migrate.Row, columns), make([]any, columns)
	for i := range row {
		to[i] = &row[i]
	}
	if err := rows.Scan(to...); err != nil {
		return nil, 0, err
	}
	for i, v := range row {
		switch v := v.(type) {
		case int64:
		case string:
			bytes += len(v)
		case []byte:
			if bytes += len(v); v == nil { // the driver's word for no bytes, which would be stored as NULL
				row[i] = []byte{}
			}
		default:
			return nil, 0, weir.Errorf(weir.Internal, "a column holds a %T", v)
		}
	}
	return row, bytes, nil
}

// PutRows upserts in one transaction.
func (s *Tables) PutRows(ctx context.Context, t migrate.Table, rows []migrate.Row) error {
	var set []string
	for _, c := range t.Columns {
		if !slices.Contains(t.Key, c) {
			set = append(set, fmt.Sprintf("%[1]s = excluded.%[1]s", names([]string{c})))
		}
	}
	do := "DO NOTHING"
	if len(set) > 0 {
		do = "DO UPDATE SET " + strings.Join(set, ", ")
	}
	q := "INSERT INTO " + names([]string{t.Name}) + " (" + names(t.Columns) + ") VALUES (" + marks(len(t.Columns)) +
		") ON CONFLICT (" + names(t.Key) + ") " + do
	err := s.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		put, err := tx.PrepareContext(ctx, q)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, put.Close()) }()
		for _, row := range rows {
			if _, err := put.ExecContext(ctx, row...); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("write "+t.Name, err)
}

// names quotes and lists names of tables or columns.
func names(list []string) string { return `"` + strings.Join(list, `", "`) + `"` }

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }
