package migrate_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/migrate"
	"github.com/weirstream/weir/internal/keyring"
)

func newTo(t *testing.T) engine.Config {
	return engine.Config{Data: filepath.Join(t.TempDir(), "to")}
}

func same(t *testing.T, from, to engine.Config) {
	t.Helper()
	if diff := cmp.Diff(dump(t, from), dump(t, to)); diff != "" {
		t.Errorf("TO is not FROM (-from +to):\n%s", diff)
	}
}

func TestEverythingArrives(t *testing.T) {
	from, to := demo(t, true), newTo(t)
	before := dump(t, from)
	var acts []string
	result := run(t, engine.Migration{From: from, To: to, Report: func(s engine.MigrationStep) {
		if act := s.Part + " " + s.Act; !slices.Contains(acts, act) {
			acts = append(acts, act)
		}
	}})
	if !result.Equal || !result.Copied {
		t.Errorf("result %+v, want all copied and equal", result)
	}
	want := []string{"objects", "uploads", "job", "plan", "task", "record", "tool", "asset", "title", "outbox", "values", "facts"}
	for i, line := range result.Lines {
		if line.Part != want[i] || line.From != line.To || line.From.Count == 0 || line.FromHash != line.ToHash || len(line.FromHash) != 64 {
			t.Errorf("line %d = %+v, want %s with equal amounts and hashes", i, line, want[i])
		}
		for _, act := range []string{"check", "copy", "verify"} {
			if !slices.Contains(acts, line.Part+" "+act) {
				t.Errorf("nobody was told of %s %s: %q", line.Part, act, acts)
			}
		}
	}
	same(t, from, to)
	if diff := cmp.Diff(before, dump(t, from)); diff != "" {
		t.Errorf("FROM was changed (-before +after):\n%s", diff)
	}
	for name, want := range map[string]string{"asset-0": "half of", "asset-0.info": `{"ID":"asset-0","Offset":0,"Size":9}`} {
		path := filepath.Join(to.Data, "uploads", name)
		got, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(got) != want || !info.ModTime().Equal(noon) {
			t.Errorf("upload %s = %q, %v, %v, want %q of %v", name, got, err, statErr, want, noon)
		}
	}
}

// What FROM sealed opens in TO, and the next ids of the outbox are behind those that were copied.
func TestToWorks(t *testing.T) {
	from, to := demo(t, false), newTo(t)
	run(t, engine.Migration{From: from, To: to})
	source, e := open(t, from), open(t, to)
	defer source.Close()
	defer e.Close()
	key, err := (&keyring.Keys{Registry: source.Registry, Root: source.Folder.RootKey}).Current(t.Context(), weir.DefaultOrganisation)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := (&keyring.Keys{Registry: e.Registry, Root: e.Folder.RootKey}).Current(t.Context(), weir.DefaultOrganisation); err != nil || got.ID != key.ID {
		t.Errorf("ticket key in TO = %s, %v, want %s", got.ID, err, key.ID)
	}
	if _, err := e.Registry.KV(t.Context(), "sole/control"); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs(t, e) {
		if p.Key == "sole/control" {
			t.Error("the word on who runs was copied")
		}
	}
	last := outboxIDs(t, source)
	fact, err := weir.NewFact(noon, weir.FactTitleCreated, "test", "org", "new", 1, nil)
	if err == nil {
		err = e.Catalog.Save(t.Context(), catalog.Title{ID: "new", Organisation: "org", Created: noon}, fact)
	}
	if err != nil {
		t.Fatal(err)
	}
	if ids := outboxIDs(t, e); len(ids) != len(last)+1 || ids[len(ids)-1] <= last[len(last)-1] {
		t.Errorf("ids of the outbox are %v in FROM and then %v in TO", last, ids)
	}
}

func outboxIDs(t *testing.T, e *engine.Engines) (ids []int64) {
	t.Helper()
	rows, err := e.Tables.Rows(t.Context(), migrate.Table{Name: "outbox", Columns: []string{"id"}, Key: []string{"id"}}, nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		ids = append(ids, r[0].(int64))
	}
	return ids
}

// A migration that is complete is verified again, and written to no more.
func TestAgainVerifiesOnly(t *testing.T) {
	from, to := demo(t, false), newTo(t)
	run(t, engine.Migration{From: from, To: to})
	again := run(t, engine.Migration{From: from, To: to, At: func(point string) {
		t.Errorf("point %s is reached", point)
	}})
	if !again.Equal || again.Copied {
		t.Errorf("the second result = %+v", again)
	}
	other := demo(t, false)
	fails(t, engine.Migration{From: other, To: to}, weir.Conflict, "migrate.json tells of another migration, from "+from.Data+" to "+to.Data)
	// Whose progress is lost, but where all is equal, may go on.
	if err := os.Remove(filepath.Join(to.Data, "migrate.json")); err != nil {
		t.Fatal(err)
	}
	if lost := run(t, engine.Migration{From: from, To: to}); !lost.Equal || !lost.Copied {
		t.Errorf("without the progress file: %+v", lost)
	}
	same(t, from, to)
}

func TestDryRunCounts(t *testing.T) {
	from, to := demo(t, false), newTo(t)
	result := run(t, engine.Migration{From: from, To: to, DryRun: true})
	if _, err := os.Stat(to.Data); !os.IsNotExist(err) {
		t.Errorf("a dry run makes %s (%v)", to.Data, err)
	}
	done := run(t, engine.Migration{From: from, To: to})
	for i, line := range result.Lines {
		if line.Part != done.Lines[i].Part || line.From != done.Lines[i].From || line.To.Count != 0 {
			t.Errorf("counted %+v, copied %+v", line, done.Lines[i])
		}
	}
	if !result.DryRun || result.Copied {
		t.Errorf("result = %+v", result)
	}
}

func TestToMustBeFree(t *testing.T) {
	from := demo(t, false)
	f := func(sentence string, change func(e *engine.Engines) error) {
		t.Helper()
		to := newTo(t)
		source := open(t, from)
		to.RootKey = source.Folder.RootKey
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
		e := open(t, to)
		if err := change(e); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		before := dump(t, to)
		fails(t, engine.Migration{From: from, To: to}, weir.Conflict, sentence)
		if diff := cmp.Diff(before, dump(t, to)); diff != "" {
			t.Errorf("TO was changed (-before +after):\n%s", diff)
		}
	}
	f("it holds the row of title other, which FROM has not", func(e *engine.Engines) error {
		return e.Catalog.Save(t.Context(), catalog.Title{ID: "other", Organisation: "org", Created: noon})
	})
	f("it holds another row of title title-0 than FROM", func(e *engine.Engines) error {
		return e.Catalog.Save(t.Context(), catalog.Title{ID: "title-0", Organisation: "org", Created: noon})
	})
	f("it holds the object masters/other, which FROM has not", func(e *engine.Engines) error {
		_, err := e.Blobs.Put(t.Context(), "masters/other", strings.NewReader("x"), weir.PutOptions{})
		return err
	})
	f("it holds the registry key k, which FROM has not", func(e *engine.Engines) error {
		_, err := e.Registry.PutKV(t.Context(), "k", nil, 0)
		return err
	})
	f("it holds 1 facts which FROM has not, such as one of stranger", func(e *engine.Engines) error {
		return e.Bus.Publish(t.Context(), weir.Message{Topic: weir.TopicFacts, Key: "stranger", Value: []byte("x")})
	})
	f("it holds the unfinished upload theirs, which FROM has not", func(e *engine.Engines) error {
		if err := os.Mkdir(e.Folder.Path("uploads"), 0o700); err != nil {
			return err
		}
		return os.WriteFile(e.Folder.Path("uploads/theirs"), nil, 0o600)
	})
}

func TestSetsThatCannotBe(t *testing.T) {
	from, to := demo(t, false), newTo(t)
	fails(t, engine.Migration{From: from, To: from}, weir.Invalid, "FROM and TO have the same data folder")
	fails(t, engine.Migration{From: to, To: from}, weir.Invalid, "is no data folder of weir")
	held := open(t, from)
	fails(t, engine.Migration{From: from, To: to}, weir.Conflict, "open FROM: the data folder "+from.Data+" is in use by process")
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	to.RootKey = [32]byte{1}
	fails(t, engine.Migration{From: from, To: to}, weir.Conflict, "TO has another root key than FROM")
	to.RootKey = [32]byte{}
	fails(t, engine.Migration{From: from, To: to}, weir.Conflict, "TO has another root key than FROM") // it has one now
	to = newTo(t)
	changeStores(t, to, `CREATE TABLE later (id TEXT PRIMARY KEY) STRICT`)
	to.RootKey = rootKey(t, from)
	fails(t, engine.Migration{From: from, To: to}, weir.Conflict, "TO has the table later, which this program cannot copy")
	to = newTo(t)
	changeStores(t, to, `ALTER TABLE title ADD COLUMN later INTEGER NOT NULL DEFAULT 0`)
	fails(t, engine.Migration{From: from, To: to}, weir.Conflict, "table title: column later is in TO and not in FROM")
}

func rootKey(t *testing.T, c engine.Config) [32]byte {
	t.Helper()
	e := open(t, c)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return e.Folder.RootKey
}

// changeStores runs statements on the file of the stores, which is made if need be.
func changeStores(t *testing.T, c engine.Config, statements ...string) {
	t.Helper()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := embed.OpenStores(t.Context(), filepath.Join(c.Data, "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		for _, s := range statements {
			if _, err := tx.ExecContext(t.Context(), s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// What was changed in TO behind the migration's back is found, and says where.
func TestTamperingIsFound(t *testing.T) {
	from, to := demo(t, false), newTo(t)
	run(t, engine.Migration{From: from, To: to})
	changeStores(t, to, `DELETE FROM outbox WHERE id = 2`, `UPDATE title SET name = name || ' ' WHERE id = 'title-1'`,
		`UPDATE plan SET body = zeroblob(length(body)) WHERE job = 'job-a-done'`,
		`INSERT INTO tool VALUES ('x265', 1)`)
	object := filepath.Join(to.Data, "blobs", firstObject(t, to, 70_000))
	content, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	content[35_000] ^= 1
	if err := os.WriteFile(object, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(m engine.Migration, want map[string]string) {
		t.Helper()
		result := run(t, m)
		got := map[string]string{}
		for _, line := range result.Lines {
			if !line.Equal {
				got[line.Part] = strings.Join(line.Differ, "; ")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || result.Equal || result.Copied {
			t.Errorf("equal %v, copied %v, differences (-want +got):\n%s", result.Equal, result.Copied, diff)
		}
	}
	want := map[string]string{"outbox": "only FROM has 2", "title": "differs: title-1", "plan": "differs: job-a-done", "tool": "only TO has x265"}
	f(engine.Migration{From: from, To: to, Sizes: true}, want)
	want["objects"] = "differs: " + firstObject(t, to, 70_000)
	f(engine.Migration{From: from, To: to}, want)
}

func firstObject(t *testing.T, c engine.Config, size int64) string {
	t.Helper()
	e := open(t, c)
	defer e.Close()
	all, err := e.Blobs.List(t.Context(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if o.Size == size {
			return o.Key
		}
	}
	t.Fatalf("no object of %d bytes", size)
	return ""
}

// A migration that ends with a difference is not complete: the next run copies again what differed.
func TestDifferencesAreCopiedAgain(t *testing.T) {
	from, to := demo(t, false), newTo(t)
	spoiled := false
	result := run(t, engine.Migration{From: from, To: to, At: func(point string) {
		if point != "migrate.put-title" || spoiled {
			return
		}
		spoiled = true
		for _, path := range []string{filepath.Join(to.Data, "uploads", "asset-0")} {
			if err := os.WriteFile(path, []byte("half 0f"), 0o600); err != nil {
				t.Error(err)
			}
		}
	}})
	if result.Equal || !spoiled {
		t.Errorf("result = %+v, spoiled %v", result, spoiled)
	}
	if _, err := engine.Open(t.Context(), to); weir.KindOf(err) != weir.Conflict || !strings.Contains(fmt.Sprint(err), "half of what is being migrated from "+from.Data) {
		t.Errorf("Open of a half migrated folder = %v", err)
	}
	fails(t, engine.Migration{From: to, To: newTo(t)}, weir.Conflict, "half of what is being migrated")
	if again := run(t, engine.Migration{From: from, To: to}); !again.Equal || !again.Copied {
		t.Errorf("the second result = %+v", again)
	}
	same(t, from, to)
}
