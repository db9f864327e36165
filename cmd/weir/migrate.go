package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/keyring"
)

// migrateCmd moves a system from one engine set to another.
type migrateCmd struct {
	From string `arg:"" help:"What is copied: a data folder, or a JSON file as for serve --config with data, blobs, stores, bus, registry, root-key."`
	To   string `arg:"" help:"Where it goes, in the same form. A data folder that does not exist yet is made, with FROM's root key."`

	Verify string `help:"full reads every object back from both sides and compares hashes; sizes compares the sizes of objects only." default:"full" enum:"full,sizes" placeholder:"HOW"`
	DryRun bool   `help:"Only count what FROM holds; nothing is written." name:"dry-run"`
	JSON   bool   `help:"Print one JSON object instead of text." name:"json"`
}

// Help is what --help says besides.
func (migrateCmd) Help() string {
	return `Stop the whole system first. Data folders are locked while they are copied, but nobody can see whether some process still
works on engines that are shared: what it changes meanwhile is lost or found as a difference.

Every object, row, registry value and fact on the bus is copied and then read back from both sides. FROM stays as it is.
A run that was interrupted, in whatever way, is finished by running the same command again: its progress is in the file
migrate.json of TO's data folder, and weir serve refuses that folder until all is there. Run again after that, it only
verifies. The exit code is 1 if anything differs.

  weir migrate-store ./data cluster.json       off the laptop
  weir migrate-store cluster.json ./copy       and back

where cluster.json is

  {"data": "/srv/weir", "blobs": "s3://bucket", "stores": "postgres://...",
   "bus": "kafka://...", "registry": "consul://..."}`
}

// Run migrates and prints what it found of each part. A difference is an error.
func (c migrateCmd) Run(e env) error {
	from, err := engineSet(c.From)
	if err != nil {
		return fmt.Errorf("FROM: %w", err)
	}
	to, err := engineSet(c.To)
	if err != nil {
		return fmt.Errorf("TO: %w", err)
	}
	at, err := killPoint(os.Getenv(killVariable))
	if err != nil {
		return err
	}
	p := newProgress(e.errOut, !c.JSON, time.Now)
	result, err := engine.Migration{From: from, To: to, DryRun: c.DryRun, Sizes: c.Verify == "sizes", Report: p.migration, At: at}.Run(e.ctx)
	if e.ctx.Err() != nil && !c.DryRun {
		return errors.New("stopped before all was copied and verified: run the same command again to go on")
	}
	if err != nil {
		return err
	}
	if err := c.print(e, result); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	if !result.Equal {
		return errors.New("FROM and TO differ")
	}
	return nil
}

func (c migrateCmd) print(e env, result engine.MigrationResult) error {
	if c.JSON {
		return json.NewEncoder(e.out).Encode(result)
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	if result.DryRun {
		fmt.Fprintln(w, "store\tentries\tbytes")
		for _, l := range result.Lines {
			fmt.Fprintf(w, "%s\t%d\t%d\n", l.Part, l.From.Count, l.From.Bytes)
		}
		return w.Flush()
	}
	fmt.Fprintln(w, "store\tentries\tbytes\thash\tequal")
	for _, l := range result.Lines {
		equal := "yes"
		if !l.Equal {
			equal = "NO: " + strings.Join(l.Differ, ", ")
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%.16s\t%s\n", l.Part, l.From.Count, l.From.Bytes, l.FromHash, equal)
	}
	return w.Flush()
}

// migration is a bar where the total is known, and a count elsewhere.
func (p *progress) migration(s engine.MigrationStep) {
	line := s.Act + " " + s.Part
	switch {
	case s.Total.Bytes > 0:
		line = bar(line, s.Done.Bytes, s.Total.Bytes)
	case s.Done.Count > 0:
		line += fmt.Sprintf(" %d", s.Done.Count)
	}
	p.draw([]string{line})
}

// engineSet reads FROM or TO.
func engineSet(name string) (engine.Config, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist) && !strings.HasSuffix(name, ".json"), err == nil && info.IsDir():
		return engine.Config{Data: name}, nil
	case err != nil:
		return engine.Config{}, fmt.Errorf("read %s: %w", name, err)
	}
	file, err := setFile(name)
	if err != nil {
		return engine.Config{}, fmt.Errorf("read %s: %w", name, err)
	}
	c := engine.Config{Data: "./data", Blobs: file["blobs"], Stores: file["stores"], Bus: file["bus"], Registry: file["registry"]}
	if file["data"] != "" {
		c.Data = file["data"]
	}
	if file["root-key"] != "" {
		key, err := keyring.ParseRootKey(file["root-key"])
		if err != nil {
			return engine.Config{}, fmt.Errorf("read %s: %w", name, err)
		}
		c.RootKey = key
	}
	return c, nil
}

// setFile is a configuration file whose keys are flags. The environment does not go before it: it would for both sides.
func setFile(name string) (fileConfig, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r, err := strictJSON(f)
	if err != nil {
		return nil, err
	}
	file := r.(fileConfig) // strictJSON makes nothing else
	parser, err := kong.New(&cli{})
	if err != nil {
		return nil, err
	}
	return file, file.Validate(parser.Model)
}
