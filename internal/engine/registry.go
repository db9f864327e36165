package engine

import (
	"context"
	"log/slog"

	"github.com/weirstream/weir"
)

// OpenRegistry opens the registry that other processes share, and nothing else: for commands that need to know who is there
// but have no data folder. log gets what goes wrong in the background; nil is nowhere. Invalid: the URL names no registry
// that can be shared.
func OpenRegistry(_ context.Context, url string, _ *slog.Logger) (weir.Registry, error) {
	if Embedded(url) {
		return nil, weir.Errorf(weir.Invalid, "the registry %q is inside of one process: nobody else can read it", url)
	}
	return nil, unknown(PortRegistry, url, "none yet")
}
