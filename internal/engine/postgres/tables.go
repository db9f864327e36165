package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	weir "github.com/weirstream/weir"
	migration "github.com/weirstream/weir/internal/engine/migrate"
)

// Tables is the stores' tables as plain rows, for a migration.
type Tables struct {
	DB *DB // the caller closes it
}

var _ migration.Stores = (*Tables)(nil)

// Tables reads the schema that the connections use. goose's table is not among them.
func (s *Tables) Tables(ctx context.Context) ([]migration.Table, error) {
	type column struct {
		table, name string
		key         int // its place in the primary key, from 1; 0 is none
	}
	columns, err := list(ctx, s.DB, func(scan func(...any) error) (c column, err error) {
		err = scan(&c.table, &c.name, &c.key)
		return c, err
	}, `SELECT t.relname::text, a.attname::text, coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1
		FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
		WHERE t.relkind IN ('r', 'p') AND t.relnamespace = current_schema()::regnamespace AND t.relname <> $1
		ORDER BY t.relname, a.attnum`, goose.DefaultTablename)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	var out []migration.Table
	for _, c := range columns {
		if len(out) == 0 || out[len(out)-1].Name != c.table {
			out = append(out, migration.Table{Name: c.table})
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

// Rows walks the primary key, whose texts the schema orders by their bytes.
func (s *Tables) Rows(ctx context.Context, t migration.Table, after []any, limit int) (page []migration.Row, err error) {
	q := "SELECT " + names(t.Columns) + " FROM " + names([]string{t.Name})
	if after != nil {
		q += " WHERE (" + names(t.Key) + ") > (" + marks(1, len(t.Key)) + ")"
	}
	q += fmt.Sprintf(" ORDER BY %s LIMIT %d", names(t.Key), limit)
	err = s.DB.read(ctx, func(ctx context.Context, c on) (err error) {
		page, err = readPage(ctx, c, q, after)
		return err
	})
	return page, wrap("read "+t.Name, err)
}

func readPage(ctx context.Context, c on, q string, args []any) (page []migration.Row, err error) {
	rows, err := c.Query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for bytes := 0; bytes < migration.PageBytes && rows.Next(); {
		row, err := rows.Values()
		if err != nil {
			return nil, err
		}
		for _, v := range row {
			switch v := v.(type) {
			case int64:
			case string:
				bytes += len(v)
			case []byte:
				bytes += len(v)
			default:
				return nil, weir.Errorf(weir.Internal, "a column holds a %T", v)
			}
		}
		page = append(page, row)
	}
	rows.Close() // what is left of the answer is read and dropped; errors are known then
	return page, rows.Err()
}

// PutRows upserts in one transaction. An identity column goes on behind the largest value it holds.
func (s *Tables) PutRows(ctx context.Context, t migration.Table, rows []migration.Row) error {
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
	table := names([]string{t.Name})
	q := "INSERT INTO " + table + " (" + names(t.Columns) + ") VALUES (" + marks(1, len(t.Columns)) + ") ON CONFLICT (" + names(t.Key) + ") " + do
	err := s.DB.write(ctx, func(ctx context.Context, tx pgx.Tx, _ bool) error {
		batch := &pgx.Batch{}
		for _, row := range rows {
			batch.Queue(q, row...)
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		return advance(ctx, tx, table)
	})
	return wrap("write "+t.Name, err)
}

// advance sets the sequences of a table's identity columns behind what the columns hold.
func advance(ctx context.Context, tx pgx.Tx, table string) error {
	columns, err := query(ctx, tx, func(scan func(...any) error) (name string, err error) {
		err = scan(&name)
		return name, err
	}, `SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attidentity <> ''`, table)
	if err != nil {
		return err
	}
	for _, c := range columns {
		q := fmt.Sprintf("SELECT setval(pg_get_serial_sequence($1, $2), max(%s)) FROM %s", names([]string{c}), table)
		if _, err := tx.Exec(ctx, q, table, c); err != nil {
			return err
		}
	}
	return nil
}

// names quotes and lists names of tables or columns.
func names(list []string) string { return `"` + strings.Join(list, `", "`) + `"` }

// marks are $from, ... for n values.
func marks(from, n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("$%d", from+i))
	}
	return strings.Join(out, ", ")
}
