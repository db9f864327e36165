package embed_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
)

// schemas are the versions of a small schema: version n is schemas[n-1].
func schemas(n int) fs.FS {
	all := []string{
		"CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body BLOB) STRICT;",
		"CREATE TABLE part (item INTEGER NOT NULL REFERENCES item (id)) STRICT;",
		"ALTER TABLE item ADD COLUMN size INTEGER;",
	}
	dir := fstest.MapFS{}
	for i, s := range all[:n] {
		dir[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + s)}
	}
	return dir
}

func openItems(t *testing.T, path string, versions fs.FS) *embed.DB {
	t.Helper()
	db, err := embed.OpenDB(t.Context(), path, versions)
	if err != nil {
		t.Fatalf("OpenDB(%s) = %v", path, err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func putItem(ctx context.Context, db *embed.DB, name string, body []byte) error {
	return db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO item (name, body) VALUES (?, ?)", name, body)
		return err
	})
}

func countItems(t *testing.T, db *embed.DB) (n int) {
	t.Helper()
	if err := db.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM item").Scan(&n); err != nil {
		t.Fatalf("count items: %v", err)
	}
	return n
}

func TestDBKeepsWhatItAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name ?#%41.db")
	db := openItems(t, path, schemas(1))
	if err := putItem(t.Context(), db, "a", []byte{1, 2}); err != nil {
		t.Fatalf("Write = %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
	if n := countItems(t, openItems(t, path, schemas(2))); n != 1 {
		t.Errorf("after reopening with one more version there are %d items, want 1", n)
	}
}

func TestDBPragmas(t *testing.T) {
	db := openItems(t, filepath.Join(t.TempDir(), "x.db"), schemas(1))
	f := func(pragma, want string) {
		t.Helper()
		var got string
		err := db.Write(t.Context(), func(tx *sql.Tx) error { return tx.QueryRow("PRAGMA " + pragma).Scan(&got) })
		if err != nil || got != want {
			t.Errorf("PRAGMA %s = %q, %v, want %q", pragma, got, err, want)
		}
	}
	f("journal_mode", "wal")
	f("synchronous", "2")
	f("foreign_keys", "1")
	f("busy_timeout", "5000")
	f("journal_size_limit", "67108864")
}

func TestDBRefusesNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := openItems(t, path, schemas(3)).Close(); err != nil {
		t.Fatal(err)
	}
	_, err := embed.OpenDB(t.Context(), path, schemas(2))
	if weir.KindOf(err) != weir.Conflict || !strings.Contains(weir.Detail(err), "newer version of weir") {
		t.Errorf("OpenDB of a newer schema = %v, want Conflict and a sentence", err)
	}
	openItems(t, path, schemas(3)) // and it was not harmed
}

func TestDBMigratesOutOfOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	late := fstest.MapFS{"00020_late.sql": {Data: []byte("-- +goose Up\nCREATE TABLE late (x INTEGER) STRICT;")}}
	if err := openItems(t, path, late).Close(); err != nil {
		t.Fatal(err)
	}
	late["00001_early.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE item (x INTEGER) STRICT;")}
	if n := countItems(t, openItems(t, path, late)); n != 0 {
		t.Errorf("the early table has %d rows, want 0", n)
	}
}

func TestDBFailedMigrationChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	bad := fstest.MapFS{"00001_bad.sql": {Data: []byte("-- +goose Up\nCREATE TABLE item (x INTEGER);\nCREATE NONSENSE;")}}
	if _, err := embed.OpenDB(t.Context(), path, bad); err == nil {
		t.Fatal("OpenDB with a migration that is not SQL succeeded")
	}
	openItems(t, path, schemas(1)) // the table is not there: it can be made
}

func TestDBErrorKinds(t *testing.T) {
	ctx := t.Context()
	db := openItems(t, filepath.Join(t.TempDir(), "x.db"), schemas(2))
	if err := putItem(ctx, db, "a", nil); err != nil {
		t.Fatal(err)
	}
	f := func(what string, err error, want weir.Kind) {
		t.Helper()
		if err == nil || weir.KindOf(err) != want {
			t.Errorf("%s = %v (%s), want %s", what, err, weir.KindOf(err), want)
		}
	}
	f("a key twice", putItem(ctx, db, "a", nil), weir.Conflict)
	f("an orphan", db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO part (item) VALUES (77)")
		return err
	}), weir.Internal)
	f("a known kind", db.Write(ctx, func(*sql.Tx) error { return weir.Errorf(weir.Gone, "gone") }), weir.Gone)
	f("a full file", db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("PRAGMA max_page_count = 20"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO item (name, body) VALUES ('big', ?)", bytes.Repeat([]byte("x"), 1<<20))
		return err
	}), weir.Full)
	f("a write by a reader", db.Read(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO item (name) VALUES ('b')")
		return err
	}), weir.Internal)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	f("a cancelled write", putItem(cancelled, db, "c", nil), weir.Unavailable)
	if n := countItems(t, db); n != 1 {
		t.Errorf("%d items after the failures, want 1", n)
	}
}

// TestDBBusy: a lock that another program holds for too long is Unavailable.
func TestDBBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := openItems(t, path, schemas(1))
	other, err := sql.Open("sqlite", path+"?_txlock=immediate") // does not wait
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	err = db.Write(t.Context(), func(*sql.Tx) error {
		_, err := other.BeginTx(t.Context(), nil)
		return err
	})
	if weir.KindOf(err) != weir.Unavailable {
		t.Errorf("a locked file = %v (%s), want Unavailable", err, weir.KindOf(err))
	}
}

func TestDBRollsBack(t *testing.T) {
	db := openItems(t, filepath.Join(t.TempDir(), "x.db"), schemas(1))
	sad := errors.New("sad")
	insert := func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO item (name) VALUES ('a')")
		return err
	}
	err := db.Write(t.Context(), func(tx *sql.Tx) error { return errors.Join(insert(tx), sad) })
	if !errors.Is(err, sad) {
		t.Errorf("Write = %v, want the function's error", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Write(t.Context(), func(tx *sql.Tx) error { _ = insert(tx); panic("sad") })
	}()
	if n := countItems(t, db); n != 0 {
		t.Errorf("%d items after an error and a panic, want 0", n)
	}
	if err := db.Write(t.Context(), insert); err != nil {
		t.Errorf("Write after a panic = %v", err)
	}
}

func TestDBReadIsASnapshot(t *testing.T) {
	ctx := t.Context()
	db := openItems(t, filepath.Join(t.TempDir(), "x.db"), schemas(1))
	err := db.Read(ctx, func(tx *sql.Tx) error {
		var before, after int
		if err := tx.QueryRow("SELECT count(*) FROM item").Scan(&before); err != nil {
			return err
		}
		if err := putItem(ctx, db, "a", nil); err != nil { // the writer does not wait for the reader
			return err
		}
		if err := tx.QueryRow("SELECT count(*) FROM item").Scan(&after); err != nil {
			return err
		}
		if before != 0 || after != 0 {
			t.Errorf("a read saw %d then %d items, want 0 and 0", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDBWritersTakeTurns(t *testing.T) {
	ctx := t.Context()
	db := openItems(t, filepath.Join(t.TempDir(), "x.db"), schemas(1))
	if err := putItem(ctx, db, "counter", nil); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 10 {
				if err := increment(ctx, db); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	var n int
	if err := db.Reader().QueryRow("SELECT length(body) FROM item").Scan(&n); err != nil || n != 80 {
		t.Errorf("80 increments made %d, %v", n, err)
	}
}

// increment reads, then writes, as a lost update would need.
func increment(ctx context.Context, db *embed.DB) error {
	return db.Write(ctx, func(tx *sql.Tx) error {
		var body []byte
		if err := tx.QueryRowContext(ctx, "SELECT body FROM item").Scan(&body); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE item SET body = ?", append(body, 'x'))
		return err
	})
}

func TestOpenStores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stores.db")
	for range 2 {
		db, err := embed.OpenStores(t.Context(), path)
		if err != nil {
			t.Fatalf("OpenStores = %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatalf("Close = %v", err)
		}
	}
	if _, err := embed.OpenStores(t.Context(), filepath.Join(t.TempDir(), "no", "folder.db")); err == nil {
		t.Error("OpenStores in a folder that does not exist succeeded")
	}
}
