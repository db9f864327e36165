package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/engine"
)

// busCmd is what operators do with messages that could not be handled.
type busCmd struct {
	Dead    deadCmd    `cmd:"" help:"List messages that a group could not handle and gave up."`
	Redrive redriveCmd `cmd:"" help:"Bring messages back that a group gave up, the oldest first."`
}

// groupFlags name a group of a topic of a bus.
type groupFlags struct {
	Topic string `arg:"" help:"The topic, such as facts."`
	Group string `arg:"" help:"The consumer group, such as catalog or transcode."`
	Bus   string `help:"The bus, as weir serve has it: kafka://host:port." default:"sqlite:" placeholder:"URL"`
	Limit int    `help:"At most so many." default:"100" placeholder:"N"`
	JSON  bool   `help:"Print JSON instead of text." name:"json"`
}

// open is the bus of the flags. The caller closes it.
func (f groupFlags) open(e env) (engine.DeadLetters, error) {
	return engine.OpenDeadLetters(e.ctx, f.Bus, slog.New(slog.NewTextHandler(e.errOut, nil)))
}

// deadCmd lists dead letters.
type deadCmd struct {
	Group groupFlags `embed:""`
}

// Run prints one message a line.
func (c deadCmd) Run(e env) error {
	bus, err := c.Group.open(e)
	if err != nil {
		return err
	}
	defer func() { _ = bus.Close() }()
	dead, err := bus.Dead(e.ctx, c.Group.Topic, c.Group.Group, c.Group.Limit)
	if err != nil {
		return err
	}
	for _, d := range dead {
		if err := c.print(e, d); err != nil {
			return err
		}
	}
	if len(dead) == 0 && !c.Group.JSON {
		fmt.Fprintln(e.out, "No dead letters.")
	}
	return nil
}

func (c deadCmd) print(e env, d engine.DeadLetter) error {
	if c.Group.JSON {
		return json.NewEncoder(e.out).Encode(map[string]any{"topic": d.Topic, "key": d.Key, "partition": d.Partition, "offset": d.Offset,
			"time": d.Time, "attempts": d.Attempts, "first_failure": d.FirstFailure, "died": d.Died, "error": d.Error, "value": d.Value})
	}
	_, err := fmt.Fprintf(e.out, "%s/%d/%d  key %s  %d attempts from %s to %s  %s\n", d.Topic, d.Partition, d.Offset, d.Key, d.Attempts,
		d.FirstFailure.Format(time.RFC3339), d.Died.Format(time.RFC3339), strings.ReplaceAll(d.Error, "\n", " "))
	return err
}

// redriveCmd brings dead letters back.
type redriveCmd struct {
	Group groupFlags `embed:""`
}

// Run says how many came back, also if it was cut short.
func (c redriveCmd) Run(e env) error {
	bus, err := c.Group.open(e)
	if err != nil {
		return err
	}
	defer func() { _ = bus.Close() }()
	n, err := bus.Redrive(e.ctx, c.Group.Topic, c.Group.Group, c.Group.Limit)
	switch {
	case err != nil && n == 0:
		return err
	case c.Group.JSON:
		fmt.Fprintf(e.out, "{\"redriven\":%d}\n", n)
	default:
		fmt.Fprintf(e.out, "Brought back %d.\n", n)
	}
	return err
}
