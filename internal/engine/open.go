package engine

import (
	"context"
	"strings"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
)

// scheme is what stands before the first colon of an engine's URL.
func scheme(url string) string {
	s, _, _ := strings.Cut(url, ":")
	return s
}

// openFile opens the stores' file, once.
func (e *Engines) openFile(ctx context.Context) error {
	if e.db != nil {
		return nil
	}
	db, err := embed.OpenStores(ctx, e.Folder.Path("stores.db"))
	if err != nil {
		return err
	}
	e.db = db
	e.closes = append(e.closes, db.Close)
	return nil
}

func (e *Engines) openStores(ctx context.Context, c Config) error {
	switch {
	case c.Stores == "" || c.Stores == "sqlite:":
		if err := e.openFile(ctx); err != nil {
			return err
		}
		ledger := &embed.Ledger{DB: e.db, At: c.At}
		if !c.Quiet {
			if err := ledger.Void(ctx); err != nil { // the folder is this process's alone, so nobody holds a lease
				return err
			}
		}
		e.Tables = &embed.Tables{DB: e.db}
		e.Ledger, e.Ingest, e.Catalog = ledger, &embed.Ingest{DB: e.db}, &embed.Catalog{DB: e.db}
		e.relay = func(bus weir.Bus) func(context.Context) error {
			return (&embed.Relay{DB: e.db, Bus: bus, Log: c.Log, At: c.At}).Run
		}
		return nil
	}
	return unknown(PortStores, c.Stores, "sqlite: (a file in the data folder)")
}

func (e *Engines) openBlobs(_ context.Context, c Config) error {
	switch path, _ := strings.CutPrefix(c.Blobs, "dir:"); {
	case c.Blobs == "" || scheme(c.Blobs) == "dir":
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
	return unknown(PortBlobs, c.Blobs, "dir: (a folder in the data folder), dir:/path")
}

// openBus opens the bus and the relay that feeds it from the stores' outbox.
func (e *Engines) openBus(ctx context.Context, c Config) error {
	switch {
	case c.Bus == "" || c.Bus == "sqlite:":
		b, err := embed.OpenBus(ctx, e.Folder.Path("bus.db"))
		if err != nil {
			return err
		}
		b.Log = c.Log
		e.closes = append(e.closes, b.Close)
		e.loops = append(e.loops, b.Run)
		e.Bus = b
	default:
		return unknown(PortBus, c.Bus, "sqlite: (a file in the data folder)")
	}
	if e.relay != nil {
		e.loops = append(e.loops, e.relay(e.Bus))
	}
	return nil
}

func (e *Engines) openCache(_ context.Context, c Config) error {
	switch {
	case c.Cache == "" || c.Cache == "mem:":
		e.Cache = &embed.Cache{}
		return nil
	}
	return unknown(PortCache, c.Cache, "mem: (in process)")
}

func (e *Engines) openRegistry(ctx context.Context, c Config) error {
	switch {
	case c.Registry == "" || c.Registry == "sqlite:":
		if err := e.openFile(ctx); err != nil {
			return err
		}
		e.Registry = &embed.Registry{DB: e.db}
		return nil
	}
	return unknown(PortRegistry, c.Registry, "sqlite: (in process, its values in the data folder)")
}
