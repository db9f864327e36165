package probe

import (
	"context"

	"github.com/weirstream/weir/transcode/sandbox"
)

// Runner runs a tool. In production it is [sandbox.Run].
type Runner func(context.Context, sandbox.Command) error

// Probe learns what the master at path, an absolute one, is. dir is an empty work folder. Unprocessable carries the
// reason why it is refused; other kinds are troubles of this machine.
func Probe(ctx context.Context, run Runner, path, dir string) (Facts, error) {
	return Facts{}, nil
}
