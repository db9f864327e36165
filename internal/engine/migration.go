package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/migrate"
)

// Migration moves what one engine set holds to another, while nobody uses either. See [migrate.Migration] for the fields
// of the same names.
type Migration struct {
	// From and To, without Uses and Cache. A RootKey goes before that of the data folder; To's, if it is not given and the
	// folder has none yet, is From's.
	From, To Config
	DryRun   bool // only count what From holds; To is not opened
	Sizes    bool
	Report   func(MigrationStep)
	At       func(point string)
}

// What a migration tells.
type (
	MigrationStep   = migrate.Step
	MigrationResult = migrate.Result
	MigrationAmount = migrate.Amount
)

// Run opens both sets, migrates and closes them. A difference between them is no error but in the result. Invalid: a set
// that cannot be; Conflict: a data folder in use, or a To that is not free.
func (m Migration) Run(ctx context.Context) (result MigrationResult, err error) {
	if err := m.check(); err != nil {
		return result, err
	}
	from, err := openQuietly(ctx, m.From)
	if err != nil {
		return result, fmt.Errorf("open FROM: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := migrate.Unfinished(from.Folder.Dir); err != nil {
		return result, fmt.Errorf("open FROM: %w", err)
	}
	source, err := from.side(m.From)
	if err != nil {
		return result, err
	}
	work := &migrate.Migration{From: source, Sizes: m.Sizes, Report: m.Report, At: m.At}
	if m.DryRun {
		result, err := work.Count(ctx)
		result.To = sideName(m.To)
		return result, err
	}
	c := m.To
	c.Uses = notShared(m.From, m.To)
	if c.RootKey == [32]byte{} {
		c.RootKey = source.RootKey
	}
	to, err := openQuietly(ctx, c)
	if err != nil {
		return result, fmt.Errorf("open TO: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if work.To, err = to.side(m.To); err != nil {
		return result, err
	}
	return work.Run(ctx)
}

// check refuses sets that cannot be, before anything is made.
func (m Migration) check() error {
	from, err := filepath.Abs(m.From.Data)
	if err != nil {
		return fmt.Errorf("find the data folder: %w", err)
	}
	to, err := filepath.Abs(m.To.Data)
	if err != nil {
		return fmt.Errorf("find the data folder: %w", err)
	}
	if from == to {
		return weir.Errorf(weir.Invalid, "FROM and TO have the same data folder %s: each needs one of its own", from)
	}
	if _, err := os.Stat(filepath.Join(from, "format")); err != nil {
		return weir.Errorf(weir.Invalid, "FROM: %s is no data folder of weir", from)
	}
	return nil
}

func openQuietly(ctx context.Context, c Config) (*Engines, error) {
	c.Quiet = true
	if c.Uses == nil {
		c.Uses = dataPorts()
	}
	return Open(ctx, c)
}

// dataPorts are those that hold data: a cache holds none.
func dataPorts() []string { return []string{PortBlobs, PortStores, PortBus, PortRegistry} }

// notShared are the ports with data whose engine is not the same server for both.
func notShared(from, to Config) []string {
	uses := []string{}
	for _, port := range dataPorts() {
		if url := from.url(port); Embedded(url) || url != to.url(port) {
			uses = append(uses, port)
		}
	}
	return uses
}

func (c Config) url(port string) string {
	return map[string]string{PortBlobs: c.Blobs, PortStores: c.Stores, PortBus: c.Bus, PortRegistry: c.Registry}[port]
}

// side is the engines as a migration sees them; a port that was not opened is nil.
func (e *Engines) side(c Config) (*migrate.Side, error) {
	s := &migrate.Side{Name: sideName(c), Dir: e.Folder.Dir, RootKey: c.RootKey, Stores: e.Tables}
	if s.RootKey == [32]byte{} {
		s.RootKey = e.Folder.RootKey
	}
	if e.Blobs != nil {
		s.Blobs = e.Blobs
	}
	var ok bool
	if s.Registry, ok = e.Registry.(migrate.Registry); e.Registry != nil && !ok {
		return nil, weir.Errorf(weir.Invalid, "%s: the registry's values cannot be migrated", s.Name)
	}
	if s.Bus, ok = e.Bus.(migrate.Bus); e.Bus != nil && !ok {
		return nil, weir.Errorf(weir.Invalid, "%s: the bus cannot be migrated", s.Name)
	}
	if e.Ledger != nil && s.Stores == nil {
		return nil, weir.Errorf(weir.Invalid, "%s: the stores cannot be migrated", s.Name)
	}
	return s, nil
}

// sideName tells a set from others, without credentials: the data folder and the engines that are not in it.
func sideName(c Config) string {
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		dir = c.Data
	}
	words := []string{dir}
	for _, port := range dataPorts() {
		if address := c.url(port); address != "" && address != "dir:" && address != "sqlite:" {
			words = append(words, port+" "+public(address))
		}
	}
	return strings.Join(words, ", ")
}

// public is an engine's URL without what is or may be a credential in it: it may be malformed, such as by a password that
// somebody has not encoded. Lists of hosts are not for net/url.
func public(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		if strings.Contains(address, "@") && !Embedded(address) {
			return scheme[:strings.IndexAny(scheme, ":@")] + ":"
		}
		return address
	}
	place, query, _ := strings.Cut(rest, "?")
	if !strings.Contains(place, "@") && strings.Contains(query, "@") {
		return scheme + "://"
	}
	end := len(place)
	if authority, _, _ := strings.Cut(place, "/"); scheme == "s3" && strings.Contains(authority, "@") == strings.Contains(authority, ":") {
		end = len(authority) // behind it stands a prefix of keys, which may hold an @
	}
	address = scheme + "://" + place[strings.LastIndex(place[:end], "@")+1:]
	values, err := url.ParseQuery(query)
	if err != nil {
		return address
	}
	for name := range values {
		if lower := strings.ToLower(name); strings.Contains(lower, "password") || strings.Contains(lower, "token") || strings.Contains(lower, "secret") {
			delete(values, name)
		}
	}
	if len(values) > 0 {
		address += "?" + values.Encode()
	}
	return address
}
