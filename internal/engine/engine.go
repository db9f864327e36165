package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/transcode"
)

// Config says which engine each port has, as a URL; "" is the embedded one. The zero value with a Data folder is the
// laptop.
type Config struct {
	Data     string             // the data folder; made if it is missing
	Blobs    string             // "dir:" is the folder blobs of Data; "dir:/path" is another
	Stores   string             // "sqlite:" is the file stores.db of Data
	Bus      string             // "sqlite:" is the file bus.db of Data
	Cache    string             // "mem:" is in process
	Registry string             // "sqlite:" is in process, its values in the stores' file
	Log      *slog.Logger       // what goes wrong in background loops; nil is nowhere
	At       func(point string) // named kill points of the engines; nil does nothing
}

// Engines are the open engines of one process.
type Engines struct {
	Folder   *embed.Folder // the data folder, held by this process
	Blobs    weir.Blobs
	Cache    weir.Cache
	Bus      weir.Bus
	Registry weir.Registry
	Ledger   Ledger
	Ingest   Ingest
	Catalog  catalog.Store

	loops  []func(context.Context) error
	closes []func() error // in order of opening
}

// Ledger is every side of the job ledger.
type Ledger interface {
	transcode.Claims
	transcode.Jobs
	transcode.FailedJobs
}

// Ingest is every side of the store of assets.
type Ingest interface {
	ingest.Store
	transcode.DeletedAssets
}

// Open opens the data folder and every engine. Invalid: a URL names no engine there is. Conflict: another process has the
// folder, or a newer program wrote it. The caller calls Run, and Close when Run has returned.
func Open(ctx context.Context, c Config) (*Engines, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engines{}
	if err := e.open(ctx, c); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engines) open(ctx context.Context, c Config) error {
	folder, err := embed.OpenFolder(c.Data)
	if err != nil {
		return err
	}
	e.Folder = folder
	e.closes = append(e.closes, folder.Close)
	db, err := e.openStores(ctx, c)
	if err != nil {
		return err
	}
	if err := e.openBlobs(c); err != nil {
		return err
	}
	if err := e.openBus(ctx, c, db); err != nil {
		return err
	}
	if err := e.openCache(c); err != nil {
		return err
	}
	return e.openRegistry(c, db)
}

func (e *Engines) openStores(ctx context.Context, c Config) (*embed.DB, error) {
	switch c.Stores {
	case "", "sqlite:":
		db, err := embed.OpenStores(ctx, e.Folder.Path("stores.db"))
		if err != nil {
			return nil, err
		}
		e.closes = append(e.closes, db.Close)
		ledger := &embed.Ledger{DB: db, At: c.At}
		if err := ledger.Void(ctx); err != nil { // the folder is this process's alone, so nobody holds a lease
			return nil, err
		}
		e.Ledger = ledger
		e.Ingest = &embed.Ingest{DB: db}
		e.Catalog = &embed.Catalog{DB: db}
		return db, nil
	}
	return nil, unknown("stores", c.Stores, "sqlite: (a file in the data folder)")
}

func (e *Engines) openBlobs(c Config) error {
	switch scheme, path, _ := strings.Cut(c.Blobs, ":"); scheme {
	case "", "dir":
		if path == "" {
			path = e.Folder.Path("blobs")
		}
		b, err := embed.OpenBlobs(path)
		if err != nil {
			return err
		}
		b.At = c.At
		e.closes = append(e.closes, b.Close)
		e.Blobs = b
		return nil
	}
	return unknown("blobs", c.Blobs, "dir: (a folder in the data folder), dir:/path")
}

// openBus opens the bus and the relay that feeds it from the stores' outbox.
func (e *Engines) openBus(ctx context.Context, c Config, db *embed.DB) error {
	switch c.Bus {
	case "", "sqlite:":
		b, err := embed.OpenBus(ctx, e.Folder.Path("bus.db"))
		if err != nil {
			return err
		}
		b.Log = c.Log
		e.closes = append(e.closes, b.Close)
		e.loops = append(e.loops, b.Run, (&embed.Relay{DB: db, Bus: b, Log: c.Log, At: c.At}).Run)
		e.Bus = b
		return nil
	}
	return unknown("bus", c.Bus, "sqlite: (a file in the data folder)")
}

func (e *Engines) openCache(c Config) error {
	switch c.Cache {
	case "", "mem:":
		e.Cache = &embed.Cache{}
		return nil
	}
	return unknown("cache", c.Cache, "mem: (in process)")
}

func (e *Engines) openRegistry(c Config, db *embed.DB) error {
	switch c.Registry {
	case "", "sqlite:":
		e.Registry = &embed.Registry{DB: db}
		return nil
	}
	return unknown("registry", c.Registry, "sqlite: (in process, its values in the data folder)")
}

// unknown is the error for a URL that is none of the possible ones.
func unknown(port, url, possible string) error {
	return weir.Errorf(weir.Invalid, "%q is no engine for %s; possible: %s", url, port, possible)
}

// Run is the engines' work in the background, such as bringing facts from the outbox to the bus. It blocks until ctx ends
// and all of it has stopped, or until a part fails.
func (e *Engines) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, loop := range e.loops {
		g.Go(func() error { return loop(ctx) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("run engines: %w", err)
	}
	return nil
}

// Close closes the engines in reverse order and gives up the data folder. Nobody may use them any more.
func (e *Engines) Close() error {
	var errs []error
	for i := len(e.closes) - 1; i >= 0; i-- {
		errs = append(errs, e.closes[i]())
	}
	e.closes = nil
	return errors.Join(errs...)
}
