package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/migrate"
)

// TablesEngine is the empty tables of an engine's stores, and what the stores themselves make of them.
type TablesEngine struct {
	migrate.Stores
	PutFact func(t *testing.T, f weir.Fact) // puts a fact in the outbox, as a store does
}

// Tables holds an engine to [migrate.Stores].
func Tables(t *testing.T, open func(t *testing.T) TablesEngine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, TablesEngine)
	}{
		{"Shapes", tablesShapes},
		{"Values", tablesValues},
		{"Order", tablesOrder},
		{"Pages", tablesPages},
		{"Upsert", tablesUpsert},
		{"AllOrNothing", tablesAllOrNothing},
		{"OutboxIDs", tablesOutboxIDs},
		{"Cancelled", tablesCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// tableShapes are the tables of the stores, in the order in which rows refer to each other: the key, then the other columns.
func tableShapes() []migrate.Table {
	shape := func(name, key, rest string) migrate.Table {
		k := strings.Fields(key)
		return migrate.Table{Name: name, Key: k, Columns: append(slices.Clone(k), strings.Fields(rest)...)}
	}
	return []migrate.Table{
		shape("job", "id", "organisation asset master_id master state reason records assembled created updated collected revision superseded"),
		shape("plan", "job", "organisation body"),
		shape("task", "job n", "organisation kind wanted tool total progress state attempt fence worker lease not_before"),
		shape("record", "job task seq", "organisation body"),
		shape("tool", "version", "seen"),
		shape("asset", "id", "organisation revision title state reason file size declared sha256 created stored deleted collected planned"),
		shape("title", "id", "organisation version name asset state reason duration_num duration_den applied created"),
		shape("outbox", "id", "organisation subject fact"),
	}
}

func tableShape(name string) migrate.Table {
	all := tableShapes()
	return all[slices.IndexFunc(all, func(t migrate.Table) bool { return t.Name == name })]
}

// job is a row of job with the columns that have no default.
func jobRow(id string) migrate.Row {
	return migrate.Row{id, "org", "asset " + id, "m", []byte("{}"), "running", "", int64(0), int64(0), int64(1), int64(1), int64(0), int64(1), int64(0)}
}

func putTable(t *testing.T, s migrate.Stores, name string, rows ...migrate.Row) {
	t.Helper()
	if err := s.PutRows(t.Context(), tableShape(name), rows); err != nil {
		t.Fatalf("PutRows of %s = %v", name, err)
	}
}

func allRows(t *testing.T, s migrate.Stores, name string) []migrate.Row {
	t.Helper()
	rows, err := s.Rows(t.Context(), tableShape(name), nil, 1000)
	if err != nil {
		t.Fatalf("Rows of %s = %v", name, err)
	}
	return rows
}

// What every engine calls its tables and columns is the same, or their rows could not be compared.
func tablesShapes(t *testing.T, s TablesEngine) {
	got, err := s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := tableShapes()
	for _, list := range [][]migrate.Table{got, want} {
		slices.SortFunc(list, func(a, b migrate.Table) int { return cmp.Compare(a.Name, b.Name) })
		for _, table := range list {
			slices.Sort(table.Columns)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("Tables (-want +got):\n%s", diff)
	}
}

func tablesValues(t *testing.T, s TablesEngine) {
	putTable(t, s, "job", jobRow("j"))
	rows := []migrate.Row{
		{"j", int64(-1 << 63), "", "ä\u2028\"'\\%_", int64(1<<63 - 1), "x264 1", int64(0), int64(-1), "ready", int64(0), int64(0), "", int64(0), int64(0)},
		{"j", int64(0), "org", "video", int64(0), "", int64(0), int64(0), "done", int64(0), int64(0), "w", int64(0), int64(0)},
	}
	putTable(t, s, "task", rows...)
	if diff := gocmp.Diff(rows, allRows(t, s, "task")); diff != "" {
		t.Errorf("rows of task (-want +got):\n%s", diff)
	}
	records := []migrate.Row{
		{"j", int64(0), int64(0), "org", []byte{}},
		{"j", int64(0), int64(1), "org", []byte("\x00\xff\x00")},
	}
	putTable(t, s, "record", records...)
	if diff := gocmp.Diff(records, allRows(t, s, "record")); diff != "" {
		t.Errorf("rows of record (-want +got):\n%s", diff)
	}
	// Columns come in the order that is asked for.
	table := tableShape("record")
	table.Columns = []string{"seq", "job", "body"}
	got, err := s.Rows(t.Context(), table, []any{"j", int64(0), int64(0)}, 10)
	if diff := gocmp.Diff([]migrate.Row{{int64(1), "j", []byte("\x00\xff\x00")}}, got); diff != "" || err != nil {
		t.Errorf("Rows of other columns: %v (-want +got):\n%s", err, diff)
	}
}

// Keys are in one order everywhere: texts by their bytes, numbers by value.
func tablesOrder(t *testing.T, s TablesEngine) {
	versions := []string{"b", "a-b", "a0", "a", "Z", "ä", "a b", "~", "é", "aa", "-", "10", "9", "😀", "\uffff"}
	for _, v := range versions {
		putTable(t, s, "tool", migrate.Row{v, int64(len(v))})
	}
	slices.Sort(versions)
	var after []any
	for _, want := range versions {
		rows, err := s.Rows(t.Context(), tableShape("tool"), after, 1)
		if err != nil || len(rows) != 1 || rows[0][0] != want {
			t.Fatalf("Rows behind %q = %q, %v, want %q", after, rows, err, want)
		}
		after = []any{want}
	}
	if rows, err := s.Rows(t.Context(), tableShape("tool"), after, 1); err != nil || len(rows) != 0 {
		t.Errorf("Rows behind the last = %q, %v", rows, err)
	}
	putTable(t, s, "job", jobRow("j"), jobRow("J"))
	for _, n := range []int64{10, 9, -1, 100} {
		for _, job := range []string{"j", "J"} {
			putTable(t, s, "task", migrate.Row{job, n, "", "", int64(0), "", int64(0), int64(0), "", int64(0), int64(0), "", int64(0), int64(0)})
		}
	}
	var got []string
	for _, row := range allRows(t, s, "task") {
		got = append(got, fmt.Sprint(row[0], row[1]))
	}
	if diff := gocmp.Diff(strings.Fields("J-1 J9 J10 J100 j-1 j9 j10 j100"), got); diff != "" {
		t.Errorf("keys of task (-want +got):\n%s", diff)
	}
}

// A page ends with the row that makes it large enough, and no row is lost between pages.
func tablesPages(t *testing.T, s TablesEngine) {
	const size = migrate.PageBytes/2 - 1000
	for i := range 5 {
		id := fmt.Sprint("job-", i)
		putTable(t, s, "job", jobRow(id))
		putTable(t, s, "plan", migrate.Row{id, "org", bytes.Repeat([]byte{byte(i)}, size)})
	}
	var after []any
	var pages []int
	seen := 0
	for {
		rows, err := s.Rows(t.Context(), tableShape("plan"), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if row[0] != fmt.Sprint("job-", seen) || !bytes.Equal(row[2].([]byte), bytes.Repeat([]byte{byte(seen)}, size)) {
				t.Errorf("row %d is of %v", seen, row[0])
			}
			seen++
		}
		pages, after = append(pages, len(rows)), []any{rows[len(rows)-1][0]}
	}
	if !slices.Equal(pages, []int{3, 2}) {
		t.Errorf("pages of %v rows, want 3 and 2", pages)
	}
}

func tablesUpsert(t *testing.T, s TablesEngine) {
	other := jobRow("a")
	putTable(t, s, "job", jobRow("a"), jobRow("b"))
	other[5], other[6] = "failed", "why"
	putTable(t, s, "job", other, jobRow("c"))
	putTable(t, s, "job", other)
	if diff := gocmp.Diff([]migrate.Row{other, jobRow("b"), jobRow("c")}, allRows(t, s, "job")); diff != "" {
		t.Errorf("rows of job (-want +got):\n%s", diff)
	}
}

func tablesAllOrNothing(t *testing.T, s TablesEngine) {
	putTable(t, s, "job", jobRow("a"))
	err := s.PutRows(t.Context(), tableShape("plan"), []migrate.Row{{"a", "org", []byte("x")}, {"nobody", "org", []byte("x")}})
	if err == nil {
		t.Error("PutRows of a plan without its job succeeded")
	}
	if rows := allRows(t, s, "plan"); len(rows) != 0 {
		t.Errorf("after a PutRows that failed there are %v", rows)
	}
}

// What a store puts in the outbox later comes behind what was put there as rows.
func tablesOutboxIDs(t *testing.T, s TablesEngine) {
	putTable(t, s, "outbox", migrate.Row{int64(7), "org", "s", []byte("{}")}, migrate.Row{int64(100), "org", "s", []byte("{}")})
	putTable(t, s, "outbox", migrate.Row{int64(50), "org", "s", []byte("{}")})
	f, err := weir.NewFact(noon, weir.FactTitleCreated, "test", "org", "later", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.PutFact(t, f)
	rows := allRows(t, s, "outbox")
	if last := rows[len(rows)-1]; len(rows) != 4 || last[2] != "later" || last[0].(int64) <= 100 {
		t.Errorf("the outbox ends with %q, want the fact that came later", last)
	}
}

func tablesCancelled(t *testing.T, s TablesEngine) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Tables(ctx)
	_, rowsErr := s.Rows(ctx, tableShape("job"), nil, 1)
	putErr := s.PutRows(ctx, tableShape("job"), []migrate.Row{jobRow("a")})
	for what, err := range map[string]error{"Tables": err, "Rows": rowsErr, "PutRows": putErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that ended = %v", what, err)
		}
	}
}
