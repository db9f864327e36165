package embed

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	weir "github.com/weirstream/weir"
)

//go:embed migrations
var migrations embed.FS

// OpenStores opens the one file of this process's stores: job ledger, ingest, catalog, key-value pairs and the outbox of
// them all. See OpenDB.
func OpenStores(ctx context.Context, path string) (*DB, error) { return openWith(ctx, path, "stores") }

func openWith(ctx context.Context, path, folder string) (*DB, error) {
	dir, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return OpenDB(ctx, path, dir)
}

// upgrade applies what is missing, each file in a transaction of its own.
func upgrade(ctx context.Context, db *sql.DB, dir fs.FS) error {
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
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

// refuseNewer compares sets, not maxima: ranges of versions belong to different stores.
func refuseNewer(ctx context.Context, db *sql.DB, provider *goose.Provider) error {
	if _, err := provider.GetDBVersion(ctx); err != nil { // makes goose's table
		return fmt.Errorf("read schema version: %w", err)
	}
	known := map[int64]bool{0: true}
	for _, s := range provider.ListSources() {
		known[s.Version] = true
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
