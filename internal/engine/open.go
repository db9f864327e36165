package engine

import (
	"context"
	"strings"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/consul"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/kafka"
	"github.com/weirstream/weir/internal/engine/postgres"
	"github.com/weirstream/weir/internal/engine/redis"
	"github.com/weirstream/weir/internal/engine/s3"
)

// What each port can be, for errors.
const (
	possibleStores   = "sqlite: (a file in the data folder), postgres://host/database"
	possibleBlobs    = "dir: (a folder in the data folder), dir:/path, s3://bucket?endpoint=URL"
	possibleBus      = "sqlite: (a file in the data folder), kafka://host:port,..."
	possibleCache    = "mem: (in process), redis://host:port, redis-cluster://host:port,..."
	possibleRegistry = "sqlite: (in process, its values in the data folder), consul://host:port"
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
	case scheme(c.Stores) == "postgres" || scheme(c.Stores) == "postgresql":
		db, err := postgres.Open(ctx, c.Stores, c.Log)
		if err != nil {
			return err
		}
		e.closes = append(e.closes, db.Close)
		e.Tables = &postgres.Tables{DB: db}
		e.Ledger, e.Ingest, e.Catalog = &postgres.Ledger{DB: db, At: c.At}, &postgres.Ingest{DB: db}, &postgres.Catalog{DB: db}
		e.relay = func(bus weir.Bus) func(context.Context) error {
			return (&postgres.Relay{DB: db, Bus: bus, Log: c.Log, At: c.At}).Run
		}
		return nil
	}
	return unknown(PortStores, c.Stores, possibleStores)
}

func (e *Engines) openBlobs(ctx context.Context, c Config) error {
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
	case scheme(c.Blobs) == "s3":
		b, err := s3.Open(ctx, c.Blobs, c.Log)
		if err != nil {
			return err
		}
		b.At = c.At
		e.closes = append(e.closes, b.Close)
		e.Blobs = b
		return nil
	}
	return unknown(PortBlobs, c.Blobs, possibleBlobs)
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
	case scheme(c.Bus) == "kafka":
		b, err := kafka.Open(ctx, c.Bus, c.Log)
		if err != nil {
			return err
		}
		e.closes = append(e.closes, b.Close)
		e.Bus = b
	default:
		return unknown(PortBus, c.Bus, possibleBus)
	}
	if e.relay != nil {
		e.loops = append(e.loops, e.relay(e.Bus))
	}
	return nil
}

func (e *Engines) openCache(ctx context.Context, c Config) error {
	switch {
	case c.Cache == "" || c.Cache == "mem:":
		e.Cache = &embed.Cache{}
		return nil
	case strings.HasPrefix(scheme(c.Cache), "redis"):
		cache, err := redis.Open(ctx, c.Cache, c.Log)
		if err != nil {
			return err
		}
		e.closes = append(e.closes, cache.Close)
		e.Cache = cache
		return nil
	}
	return unknown(PortCache, c.Cache, possibleCache)
}

func (e *Engines) openRegistry(ctx context.Context, c Config) error {
	switch {
	case c.Registry == "" || c.Registry == "sqlite:":
		if err := e.openFile(ctx); err != nil {
			return err
		}
		e.Registry = &embed.Registry{DB: e.db}
		return nil
	case scheme(c.Registry) == "consul":
		r, err := consul.Open(ctx, c.Registry, c.Log)
		if err != nil {
			return err
		}
		e.closes = append(e.closes, r.Close)
		e.Registry = r
		return nil
	}
	return unknown(PortRegistry, c.Registry, possibleRegistry)
}
