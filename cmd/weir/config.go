package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// fileConfig resolves flags from a JSON object whose keys are flag names.
type fileConfig map[string]any

// strictJSON loads a configuration file. Its keys are checked by Validate.
func strictJSON(r io.Reader) (kong.Resolver, error) {
	dec := json.NewDecoder(io.LimitReader(r, 1<<20))
	dec.UseNumber()
	c := fileConfig{}
	if err := dec.Decode(&c); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return c, nil
}

// Validate refuses keys that are no flag of any command.
func (c fileConfig) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	if err != nil {
		return fmt.Errorf("walk the flags: %w", err)
	}
	for key := range c {
		if !known[key] || key == "config" || key == "help" {
			return fmt.Errorf("the configuration file has an unknown key %q (keys are flag names, such as \"edge-listen\")", key)
		}
	}
	return nil
}

// Resolve returns the value of a flag as kong wants it.
func (c fileConfig) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, ok := c[flag.Name]
	if !ok {
		return nil, nil
	}
	switch v := v.(type) {
	case string, bool:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return nil, fmt.Errorf("the configuration's %q must be a string, a number or true/false", flag.Name)
}

// byteSize is a number of bytes, written as 512MiB, 64GiB or plain digits.
type byteSize int64

// UnmarshalText reads 1024, 10KiB, 512MiB, 1GiB or 2TiB.
func (b *byteSize) UnmarshalText(text []byte) error {
	s, shift := string(text), 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if digits, ok := strings.CutSuffix(s, unit); ok {
			s, shift = digits, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 0 || n > 1<<62>>shift {
		return fmt.Errorf("%q is not a size such as 512MiB or 64GiB", text)
	}
	*b = byteSize(n << shift)
	return nil
}
