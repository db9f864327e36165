package engine

import (
	"context"
	"log/slog"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/consul"
)

// SharedRegistry is a registry opened by itself. The caller closes it.
type SharedRegistry interface {
	weir.Registry
	Close() error
}

// OpenRegistry opens the registry that other processes share, and nothing else: for commands that need to know who is there
// but have no data folder. log gets what goes wrong in the background; nil is nowhere. Invalid: the URL names no registry
// that can be shared.
func OpenRegistry(ctx context.Context, url string, log *slog.Logger) (SharedRegistry, error) {
	switch {
	case Embedded(url):
		return nil, weir.Errorf(weir.Invalid, "the registry %q is inside of one process: nobody else can read it", url)
	case scheme(url) == "consul":
		return consul.Open(ctx, url, log)
	}
	return nil, unknown(PortRegistry, url, "consul://host:port")
}
