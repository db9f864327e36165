package engine

import (
	"context"
	"log/slog"
	"strings"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/kafka"
)

// DeadLetter is a message that a group could not handle.
type DeadLetter = kafka.DeadLetter

// DeadLetters is the operator's side of a bus that gives messages up. See [kafka.Bus] for what each does.
type DeadLetters interface {
	// Dead lists up to limit of a group's dead letters, the oldest first. NotFound: nobody consumed the topic as that group.
	Dead(ctx context.Context, topic, group string, limit int) ([]DeadLetter, error)
	// Redrive brings up to limit of them back to the group and says how many.
	Redrive(ctx context.Context, topic, group string, limit int) (int, error)
	Close() error
}

// OpenDeadLetters opens the bus that a URL names. Invalid: it names none, or one on which messages never die. The caller
// closes it.
func OpenDeadLetters(ctx context.Context, url string, log *slog.Logger) (DeadLetters, error) {
	switch scheme, _, _ := strings.Cut(url, ":"); scheme {
	case "kafka":
		return kafka.Open(ctx, url, log)
	case "", "sqlite":
		return nil, weir.Errorf(weir.Invalid, "the bus %q has no dead letters: it tries a message until it is handled; see --bus", url)
	}
	return nil, unknown(PortBus, url, "kafka://host:port")
}
