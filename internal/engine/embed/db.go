package embed

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite"
)

// DB is one SQLite file with one writer and many readers. Writes are serialised, each in one transaction that is on disk
// when Write returns; readers see snapshots and never wait for the writer. Safe for concurrent use.
type DB struct {
	path      string
	writer    *sql.DB       // one connection
	reader    *sql.DB       // read-only connections
	committed chan struct{} // holds one token after a commit: wakes the relay
}

// OpenDB opens or creates the file and brings its schema up to the migrations, goose SQL files at the root of the given
// file system. Versions may be applied out of order, since each store owns a range of them. A schema with a version that
// is not among the migrations was made by a newer program: Conflict. The folder must exist. The caller closes the DB.
func OpenDB(ctx context.Context, path string, migrations fs.FS) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := createPrivate(path); err != nil {
		return nil, fmt.Errorf("open store: %w", storeError(err))
	}
	db := &DB{path: path, committed: make(chan struct{}, 1)}
	if db.writer, err = openPool(path, writerOptions(), 1); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := upgrade(ctx, db.writer, migrations); err != nil {
		_ = db.writer.Close()
		return nil, fmt.Errorf("open store %s: %w", path, storeError(err))
	}
	if db.reader, err = openPool(path, readerOptions(), max(4, runtime.NumCPU())); err != nil {
		_ = db.writer.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return db, nil
}

// Write runs f in a transaction that holds the write lock from its start, and commits it if f returned nil. f must use
// nothing but tx: another Write inside it waits until ctx ends. Errors of SQLite get their kind: Full, Conflict (a key
// that exists), Unavailable (busy).
func (db *DB) Write(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := inTx(ctx, db.writer, nil, f); err != nil {
		return storeError(cutShort(ctx, err))
	}
	select {
	case db.committed <- struct{}{}:
	default:
	}
	return nil
}

// Read runs f in a read-only transaction: everything it selects is of one moment.
func (db *DB) Read(ctx context.Context, f func(tx *sql.Tx) error) error {
	return storeError(cutShort(ctx, inTx(ctx, db.reader, &sql.TxOptions{ReadOnly: true}, f)))
}

// Reader is the pool of read-only connections, for single queries. Its errors have no kind yet.
func (db *DB) Reader() *sql.DB { return db.reader }

// Close waits for running queries and closes the file.
func (db *DB) Close() error {
	if err := db.reader.Close(); err != nil {
		_ = db.writer.Close()
		return fmt.Errorf("close store %s: %w", db.path, err)
	}
	if err := db.writer.Close(); err != nil { // last, so that it empties the write-ahead log into the file
		return fmt.Errorf("close store %s: %w", db.path, err)
	}
	return nil
}

func inTx(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, f func(tx *sql.Tx) error) error {
	tx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit; frees the connection if f panics
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// writerOptions: every commit syncs the log before it returns (FULL), and a transaction takes the lock when it begins, so
// that it cannot lose it half-way.
func writerOptions() url.Values {
	return url.Values{
		"_txlock":       {"immediate"},
		"_busy_timeout": {"5000"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_dqs":          {"false"},
		"_pragma":       {"journal_size_limit(67108864)"},
	}
}

func readerOptions() url.Values {
	return url.Values{"mode": {"ro"}, "_busy_timeout": {"5000"}, "_query_only": {"on"}, "_dqs": {"false"}}
}

func openPool(path string, options url.Values, connections int) (*sql.DB, error) {
	name := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

// createPrivate makes the file if it is missing, for its owner alone; SQLite gives its side files the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return dir.Sync()
}
