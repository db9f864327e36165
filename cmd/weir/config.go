package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// fileConfig resolves flags from a JSON object whose keys are flag names. One file serves every command, so a key that only
// another command has is no error. What stands on the command line or in the environment goes before it.
type fileConfig map[string]string

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// strictJSON loads a configuration file: one flat object, each key once, nothing after it. Whether its keys are flags is
// Validate's question.
func strictJSON(r io.Reader) (kong.Resolver, error) {
	c, err := readConfig(json.NewDecoder(io.LimitReader(r, maxConfig)))
	if err != nil {
		return nil, fmt.Errorf("read the configuration file: %w", err)
	}
	return c, nil
}

func readConfig(dec *json.Decoder) (fileConfig, error) {
	dec.UseNumber()
	open, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, errors.New(`it must be one JSON object, such as {"data": "/srv/weir"}`)
	}
	c := fileConfig{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string) // the decoder lets nothing else be a key
		if _, twice := c[name]; twice {
			return nil, fmt.Errorf("%q stands in it twice", name)
		}
		value, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch v := value.(type) {
		case string, bool, json.Number:
			c[name] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("%q must be a string, a number or true or false", name)
		}
	}
	if _, err := dec.Token(); err != nil { // its closing brace
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands after its JSON object")
	}
	return c, nil
}

// Validate refuses keys that are no flag of any command.
func (c fileConfig) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && !onlyTyped(flag) {
			known[flag.Name] = true
		}
		return next(nil)
	})
	if err != nil {
		return fmt.Errorf("walk the flags: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(c)) {
		if !known[key] || key == "config" || key == "help" {
			return fmt.Errorf("the configuration file has an unknown key %q (keys are flag names, such as \"edge-listen\")", key)
		}
	}
	return nil
}

// Resolve returns the value of a flag, or nil to leave it to the environment or the default. kong does not ask for flags
// that stand on the command line.
func (c fileConfig) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if onlyTyped(flag) {
		return nil, nil
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	if v, ok := c[flag.Name]; ok {
		return v, nil
	}
	return nil, nil
}

// onlyTyped says whether a flag stands on the command line or nowhere: what is to be done once is not configuration.
func onlyTyped(flag *kong.Flag) bool { return flag.Tag.Get("env") == "-" }

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
