package main

import (
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

func TestStrictJSON(t *testing.T) {
	f := func(text string, want fileConfig) {
		t.Helper()
		got, err := strictJSON(strings.NewReader(text))
		if err != nil {
			t.Errorf("strictJSON(%s): %v", text, err)
		} else if diff := cmp.Diff(kong.Resolver(want), got); diff != "" {
			t.Errorf("strictJSON(%s) (-want +got):\n%s", text, diff)
		}
	}
	f(`{}`, fileConfig{})
	f(` {"data": "/srv/weir", "slots": 2, "json": true} `, fileConfig{"data": "/srv/weir", "slots": "2", "json": "true"})
	f(`{"max-upload": 99999999999999999999}`, fileConfig{"max-upload": "99999999999999999999"})

	refused := func(text, sentence string) {
		t.Helper()
		if got, err := strictJSON(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), sentence) {
			t.Errorf("strictJSON(%s) = %v, %v, want an error with %q", text, got, err, sentence)
		}
	}
	refused(``, "EOF")
	refused(`data: /srv/weir`, "invalid character")
	refused(`"data"`, "must be one JSON object")
	refused(`{"data": "a"`, "")
	refused(`{"data": null}`, `"data" must be a string`)
	refused(`{"data": ["a"]}`, `"data" must be a string`)
	refused(`{"data": "a", "data": "a"}`, `"data" stands in it twice`)
	refused(`{"data": "a"} x`, "stands after")
	refused(`{"data": "`+strings.Repeat("a", maxConfig)+`"}`, "")
}

// FuzzStrictJSON: whatever a file holds is an error or a flat set of values.
func FuzzStrictJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"data":"x","slots":2,"json":false}`, `{"a":{}}`, `{"a":1}{`, `[1]`, `{"a":1e999}`, `{"\u0000":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := strictJSON(strings.NewReader(text)); (err == nil) != (c != nil) {
			t.Errorf("strictJSON(%q) = %v, %v", text, c, err)
		}
	})
}

// parse reads a command line with a configuration file, as the program does.
func parse(t *testing.T, file string, args ...string) (cli, error) {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, options(io.Discard, io.Discard, func(int) {})...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := strictJSON(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Validate(parser.Model); err != nil {
		return c, err
	}
	if err := kong.Resolvers(config).Apply(parser); err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return c, err
}

func TestWhichValueWins(t *testing.T) {
	const file = `{"max-height": 720, "preset": "fast", "json": true, "cache-bytes": "1GiB", "lease": "20s", "title": "of ingest"}`
	t.Setenv("WEIR_PRESET", "slow")
	t.Setenv("WEIR_SEGMENT_SECONDS", "6")
	t.Setenv("WEIR_SLOTS", "3")
	c, err := parse(t, file, "serve", "--slots", "1", "--cache-bytes", "2GiB")
	if err != nil {
		t.Fatal(err)
	}
	got := c.Serve
	f := func(name string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	f("chunk-seconds by default", got.Policy.ChunkSeconds, 60)
	f("max-height of the file", got.Policy.MaxHeight, 720)
	f("json of the file", got.JSON, true)
	f("lease of the file", got.Limits.Lease.String(), "20s")
	f("segment-seconds of the environment", got.Policy.SegmentSeconds, 6)
	f("preset of the environment before the file's", got.Policy.Preset, "slow")
	f("slots of the command line before the environment's", got.Limits.Slots, 1)
	f("cache-bytes of the command line before the file's", got.Limits.CacheBytes, byteSize(2<<30))
}

func TestUnknownKeys(t *testing.T) {
	f := func(file, sentence string) {
		t.Helper()
		if _, err := parse(t, file, "version"); err == nil || !strings.Contains(err.Error(), sentence) {
			t.Errorf("a file %s: %v, want an error with %q", file, err, sentence)
		}
	}
	f(`{"dataa": "x"}`, `unknown key "dataa"`)
	f(`{"z": 1, "listen": ":1", "a": 1}`, `unknown key "a"`)
	f(`{"edge_listen": ":1"}`, `keys are flag names, such as "edge-listen"`)
	f(`{"config": "other.json"}`, `unknown key "config"`)
	f(`{"help": true}`, `unknown key "help"`)
	f(`{"asset": "x"}`, `unknown key "asset"`)
	if c, err := parse(t, `{"key": "x"}`, "purge", "--soft"); err != nil || c.Purge.Key != nil {
		t.Errorf("the file's key of weir nginx is purged: %v, %v", c, err)
	}
	if _, err := parse(t, `{"data": "x"}`, "version"); err != nil {
		t.Errorf("a key of another command: %v", err)
	}
}

func TestByteSize(t *testing.T) {
	f := func(text string, want int64) {
		t.Helper()
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err != nil || int64(b) != want {
			t.Errorf("size %q = %d, %v, want %d", text, b, err, want)
		}
	}
	f("0", 0)
	f("1024", 1024)
	f("10KiB", 10<<10)
	f("512MiB", 512<<20)
	f("512 MiB", 512<<20)
	f("64GiB", 64<<30)
	f("2TiB", 2<<40)
	f("4194304TiB", 1<<62)

	for _, text := range []string{"", "MiB", "-1", "-1KiB", "1.5GiB", "10MB", "10mib", "4194305TiB", "9223372036854775808", "1KiBMiB", "0x10"} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "is not a size such as 512MiB") {
			t.Errorf("size %q = %d, %v, want a refusal", text, b, err)
		}
	}
}
