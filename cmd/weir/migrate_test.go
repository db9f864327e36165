package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/internal/engine"
)

func TestEngineSet(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WEIR_BLOBS", "s3://of-the-environment") // would be of both sides
	file := filepath.Join(dir, "set.json")
	f := func(text string, want engine.Config, sentence string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := engineSet(file)
		if sentence != "" {
			if err == nil || !strings.Contains(err.Error(), sentence) {
				t.Errorf("engineSet of %s = %v, want an error with %q", text, err, sentence)
			}
			return
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("engineSet of %s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	f(`{}`, engine.Config{Data: "./data"}, "")
	f(`{"data": "/srv", "blobs": "s3://b", "stores": "postgres://p", "bus": "kafka://k", "cache": "redis://r", "registry": "consul://c", "slots": 3}`,
		engine.Config{Data: "/srv", Blobs: "s3://b", Stores: "postgres://p", Bus: "kafka://k", Registry: "consul://c"}, "")
	f(`{"root-key": "`+strings.Repeat("01", 32)+`"}`, engine.Config{Data: "./data", RootKey: [32]byte(bytes.Repeat([]byte{1}, 32))}, "")
	f(`{"root-key": "secret"}`, engine.Config{}, "a root key is 64 hex digits")
	f(`{"blob": "s3://b"}`, engine.Config{}, `unknown key "blob"`)
	f(`{"data": 1`, engine.Config{}, "read the configuration file")
	for _, name := range []string{dir, filepath.Join(dir, "new")} {
		if got, err := engineSet(name); err != nil || !cmp.Equal(got, engine.Config{Data: name}) {
			t.Errorf("engineSet(%s) = %+v, %v", name, got, err)
		}
	}
	if _, err := engineSet(filepath.Join(dir, "new.json")); err == nil {
		t.Error("engineSet of a file that is missing succeeds")
	}
}

func TestMigrateStore(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	e, err := engine.Open(t.Context(), engine.Config{Data: from})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Registry.PutKV(t.Context(), "k", []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	f := func(code int, stderr string, args ...string) string {
		t.Helper()
		var out, errOut bytes.Buffer
		got := run(t.Context(), append([]string{"migrate-store"}, args...), &out, &errOut)
		if got != code || !strings.Contains(errOut.String(), stderr) {
			t.Errorf("weir migrate-store %v: exit code %d, want %d; it complains %q, want %q", args, got, code, errOut.String(), stderr)
		}
		return out.String()
	}
	counted := f(exitOK, "", from, to, "--dry-run")
	if !strings.Contains(counted, "store    entries  bytes\n") || !strings.Contains(counted, "values   1        6\n") {
		t.Errorf("--dry-run prints\n%s", counted)
	}
	if text := f(exitOK, "check objects\n", from, to); !strings.Contains(text, "values   1        6") || strings.Contains(text, "NO") {
		t.Errorf("migrate-store prints\n%s", text)
	}
	e, err = engine.Open(t.Context(), engine.Config{Data: to})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Registry.PutKV(t.Context(), "k", []byte("other"), 1); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if text := f(exitFailed, "weir: FROM and TO differ\n", from, to); !strings.Contains(text, "NO: differs: k") {
		t.Errorf("migrate-store of what differs prints\n%s", text)
	}
	var result engine.MigrationResult
	if err := json.Unmarshal([]byte(f(exitFailed, "weir: FROM and TO differ\n", from, to, "--json")), &result); err != nil || result.Equal || len(result.Lines) != 12 {
		t.Errorf("--json prints %+v, %v", result, err)
	}
}

func TestMigrationProgress(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	var out strings.Builder
	p := newProgress(&out, true, c.now)
	p.migration(engine.MigrationStep{Part: "objects", Act: "copy", Done: engine.MigrationAmount{Bytes: 1}, Total: engine.MigrationAmount{Bytes: 4}})
	c.t = c.t.Add(quietFor)
	p.migration(engine.MigrationStep{Part: "facts", Act: "verify", Done: engine.MigrationAmount{Count: 7}})
	want := "copy objects [##########..............................]  25.0 %\nverify facts 7\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}
