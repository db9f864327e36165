package migrate

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	weir "github.com/weirstream/weir"
)

const (
	rowsFirst = 16  // rows of a table's first page, when nothing is known of their size
	rowsMost  = 500 // rows of a page or of a put
)

// tableOrder is the order in which tables are copied: what a row refers to comes before it.
func tableOrder() []string {
	return []string{"job", "plan", "task", "record", "tool", "asset", "title", "outbox"}
}

// tables is a part a table. Both sides must have the same tables with the same columns and keys, and none this program does
// not know the place of: Conflict, naming it.
func tables(ctx context.Context, from, to Stores) ([]part, error) {
	here, err := shapes(ctx, from, "FROM")
	if err != nil {
		return nil, err
	}
	there, err := shapes(ctx, to, "TO")
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, name := range tableOrder() {
		t, u := here[name], there[name]
		if err := sameNames("table "+name+": key", t.Key, u.Key); err != nil {
			return nil, err
		}
		if err := sameNames("table "+name+": column", t.Columns, u.Columns); err != nil {
			return nil, err
		}
		parts = append(parts, tablePart(t))
	}
	return parts, nil
}

// shapes are a side's tables by name, columns sorted.
func shapes(ctx context.Context, s Stores, side string) (map[string]Table, error) {
	list, err := s.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tables of %s: %w", side, err)
	}
	order, out := tableOrder(), map[string]Table{}
	for _, t := range list {
		if !slices.Contains(order, t.Name) {
			return nil, weir.Errorf(weir.Conflict, "%s has the table %s, which this program cannot copy", side, t.Name)
		}
		t.Columns = slices.Sorted(slices.Values(t.Columns))
		out[t.Name] = t
	}
	for _, name := range order {
		if len(out[name].Key) == 0 {
			return nil, weir.Errorf(weir.Conflict, "%s has no table %s with a primary key", side, name)
		}
	}
	return out, nil
}

func sameNames(what string, from, to []string) error {
	for _, name := range from {
		if !slices.Contains(to, name) {
			return weir.Errorf(weir.Conflict, "%s %s is in FROM and not in TO", what, name)
		}
	}
	for _, name := range to {
		if !slices.Contains(from, name) {
			return weir.Errorf(weir.Conflict, "%s %s is in TO and not in FROM", what, name)
		}
	}
	if !slices.Equal(from, to) {
		return weir.Errorf(weir.Conflict, "%s: (%s) in FROM and (%s) in TO", what, strings.Join(from, ", "), strings.Join(to, ", "))
	}
	return nil
}

func tablePart(t Table) part {
	return kind[Row]{title: t.Name, one: "row of " + t.Name, held: true,
		list:    func(ctx context.Context, s *Side, _ string) iter.Seq2[Row, error] { return listRows(ctx, s, t) },
		key:     func(r Row) string { return keyText(keyOf(t, r)) },
		compare: func(a, b Row) int { return slices.CompareFunc(keyOf(t, a), keyOf(t, b), compareValues) },
		size:    func(r Row) int64 { return sizeOf(r...) },
		digest:  func(_ context.Context, _ *Side, r Row, _ bool) (digest, error) { return digestOf(r...) },
		put:     func(ctx context.Context, r *run, wanted []pair[Row]) error { return putRows(ctx, r, t, wanted) },
	}
}

// listRows reads pages, each of as many rows as are likely to make PageBytes.
func listRows(ctx context.Context, s *Side, t Table) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var after []any
		limit := int64(rowsFirst)
		for {
			page, err := s.Stores.Rows(ctx, t, after, int(limit))
			if err != nil {
				yield(nil, fmt.Errorf("read table %s of %s: %w", t.Name, s.Name, err))
				return
			}
			if len(page) == 0 {
				return
			}
			var bytes int64
			for _, row := range page {
				bytes += sizeOf(row...)
				if !yield(row, nil) {
					return
				}
			}
			after = keyOf(t, page[len(page)-1])
			limit = min(max(1, PageBytes*int64(len(page))/bytes), rowsMost)
		}
	}
}

func putRows(ctx context.Context, r *run, t Table, wanted []pair[Row]) error {
	rows := make([]Row, len(wanted))
	for i, p := range wanted {
		rows[i] = *p.from
	}
	if err := r.to.Stores.PutRows(ctx, t, rows); err != nil {
		return fmt.Errorf("write table %s of %s: %w", t.Name, r.to.Name, err)
	}
	return nil
}

func keyOf(t Table, r Row) []any {
	key := make([]any, len(t.Key))
	for i, column := range t.Key {
		key[i] = r[slices.Index(t.Columns, column)]
	}
	return key
}

func keyText(key []any) string {
	words := make([]string, len(key))
	for i, v := range key {
		words[i] = show(v)
	}
	return strings.Join(words, "/")
}

// compareValues orders values of one column: integers by value, texts and bytes by their bytes.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	}
	return strings.Compare(fmt.Sprintf("%T %s", a, show(a)), fmt.Sprintf("%T %s", b, show(b)))
}
