package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/migrate"
	"github.com/weirstream/weir/transcode"
)

// Names of ports, as the flags that choose their engines are called.
const (
	PortBlobs    = "blobs"
	PortStores   = "stores"
	PortBus      = "bus"
	PortCache    = "cache"
	PortRegistry = "registry"
)

// Config says which engine each port has, as a URL; "" is the embedded one. The zero value with a Data folder is the
// laptop.
type Config struct {
	Data     string             // the data folder; made if it is missing
	Blobs    string             // "dir:" is the folder blobs of Data; "dir:/path" is another; "s3://bucket?endpoint=URL"
	Stores   string             // "sqlite:" is the file stores.db of Data; "postgres://..."
	Bus      string             // "sqlite:" is the file bus.db of Data; "kafka://host:port,..."
	Cache    string             // "mem:" is in process; "redis://host:port", "redis-cluster://host:port,..."
	Registry string             // "sqlite:" is in process, its values in the stores' file; "consul://host:port"
	Uses     []string           // names of the ports to open, the others stay nil; nil is all
	Quiet    bool               // opening changes no row: for who only copies. Without it, leases of an earlier process end
	RootKey  [32]byte           // what a data folder that has no root key yet gets; zero is a random one
	Log      *slog.Logger       // what goes wrong in background loops; nil is nowhere
	At       func(point string) // named kill points of the engines; nil does nothing
}

// Embedded says whether url names an engine of one process, which no other process can share.
func Embedded(url string) bool {
	scheme, _, _ := strings.Cut(url, ":")
	return slices.Contains([]string{"", "dir", "sqlite", "mem"}, scheme)
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
	Tables   migrate.Stores // the stores' rows, for a migration

	db     *embed.DB // the stores' file, once it is needed
	relay  func(bus weir.Bus) func(context.Context) error
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

// Open opens the data folder and the engines. Invalid: a URL names no engine there is. Conflict: another process has the
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
	folder, err := embed.OpenFolderWith(c.Data, c.RootKey)
	if err != nil {
		return err
	}
	e.Folder = folder
	e.closes = append(e.closes, folder.Close)
	if !c.Quiet {
		if err := migrate.Unfinished(folder.Dir); err != nil {
			return err
		}
	}
	for _, port := range []struct {
		name string
		open func(context.Context, Config) error
	}{ // the bus after the stores, since the relay brings facts from these to that
		{PortStores, e.openStores}, {PortBlobs, e.openBlobs}, {PortBus, e.openBus}, {PortCache, e.openCache}, {PortRegistry, e.openRegistry},
	} {
		if c.Uses != nil && !slices.Contains(c.Uses, port.name) {
			continue
		}
		if err := port.open(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// unknown is the error for a URL that is none of the possible ones. It repeats the scheme only: the rest may hold a password.
func unknown(port, url, possible string) error {
	if end := strings.IndexAny(url, ":/?@"); end >= 0 {
		url = url[:end]
	}
	return weir.Errorf(weir.Invalid, "%q is no engine for %s; possible: %s", url, port, possible)
}

// Run is the engines' work in the background, such as bringing facts from the outbox to the bus. It blocks until ctx ends
// and all of it has stopped, or until a part fails.
func (e *Engines) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, loop := range e.loops {
		g.Go(func() error { return loop(ctx) })
	}
	g.Go(func() error { // also where there is no loop
		<-ctx.Done()
		return nil
	})
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
