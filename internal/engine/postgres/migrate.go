package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	weir "github.com/weirstream/weir"
)

//go:embed migrations
var migrations embed.FS

// migrateWithin bounds a start, the wait for other processes' migrations included.
const migrateWithin = 5 * time.Minute

// migrate applies what is missing, each file in a transaction of its own, under a lock that the session holds: if this
// process dies another goes on.
func migrate(ctx context.Context, c *pgx.ConnConfig) error {
	ctx, cancel := within(ctx, migrateWithin)
	defer cancel()
	c = c.Copy()
	c.RuntimeParams["statement_timeout"] = "0" // a change of a large table takes as long as it takes
	db := stdlib.OpenDB(*c)
	defer func() { _ = db.Close() }()
	var schema sql.NullString
	if err := db.QueryRowContext(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return fmt.Errorf("connect: %w", lost(err))
	}
	if !schema.Valid {
		return weir.Errorf(weir.Invalid, "the stores' search_path names no schema that exists")
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	session, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID(schema.String)), lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true), goose.WithSessionLocker(session), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if err := refuseNewer(ctx, db, provider); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// lockID is one of the schema's own, since a lock is the whole database's.
func lockID(schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("weir migrations of " + schema))
	return int64(h.Sum64())
}

// refuseNewer compares sets, not maxima: ranges of versions belong to different stores.
func refuseNewer(ctx context.Context, db *sql.DB, provider *goose.Provider) error {
	known := map[int64]bool{0: true}
	for _, s := range provider.ListSources() {
		known[s.Version] = true
	}
	var made bool
	if err := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", goose.DefaultTablename).Scan(&made); err != nil || !made {
		return err
	}
	rows, err := db.QueryContext(ctx, "SELECT version_id FROM "+goose.DefaultTablename+" WHERE is_applied")
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return fmt.Errorf("read schema version: %w", err)
		}
		if !known[version] {
			return weir.Errorf(weir.Conflict,
				"the data was written by a newer version of weir (schema %d is unknown here); start that version", version)
		}
	}
	return rows.Err()
}
