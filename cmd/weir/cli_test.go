package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

// valid is a command line of serve that nothing is wrong with, changed by f.
func valid(f func(c *serveCmd)) *serveCmd {
	c := &serveCmd{Listen: "127.0.0.1:0", EdgeListen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
		Policy: policyFlags{MaxHeight: 720, SegmentSeconds: 4, ChunkSeconds: 60},
		Limits: limitFlags{MaxUpload: 1, Lease: time.Second, StopWithin: time.Second}}
	if f != nil {
		f(c)
	}
	return c
}

func TestServeCheck(t *testing.T) {
	if err := valid(nil).check(); err != nil {
		t.Errorf("check of a good command line: %v", err)
	}
	f := func(flag string, change func(c *serveCmd)) {
		t.Helper()
		if err := valid(change).check(); weir.KindOf(err) != weir.Invalid || !strings.Contains(err.Error(), flag) {
			t.Errorf("check = %v, want Invalid that names %s", err, flag)
		}
	}
	f("--max-height", func(c *serveCmd) { c.Policy.MaxHeight = 0 })
	f("--segment-seconds", func(c *serveCmd) { c.Policy.SegmentSeconds = -4 })
	f("--chunk-seconds", func(c *serveCmd) { c.Policy.ChunkSeconds = 0 })
	f("--slots", func(c *serveCmd) { c.Limits.Slots = -1 })
	f("--max-upload", func(c *serveCmd) { c.Limits.MaxUpload = 0 })
	f("--lease", func(c *serveCmd) { c.Limits.Lease = 999 * time.Millisecond })
	f("--stop-within", func(c *serveCmd) { c.Limits.StopWithin = 0 })
	f("--delete-grace", func(c *serveCmd) { c.Limits.DeleteGrace = -time.Hour })
}

func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("  from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(value, want string) {
		t.Helper()
		if got, err := secret(value); err != nil || got != want {
			t.Errorf("secret(%q) = %q, %v, want %q", value, got, err, want)
		}
	}
	f("", "")
	f("plain ", "plain ")
	f("@"+file, "from a file")
	if got, err := secret("@" + file + ".not"); err == nil || !strings.Contains(err.Error(), "read secret: open") {
		t.Errorf("secret of a missing file = %q, %v", got, err)
	}
}

// The defaults of the command line are what checks let through.
func TestDefaults(t *testing.T) {
	c, err := parse(t, `{}`, "serve")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Serve.check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	p := &process{cmd: c.Serve}
	if err := p.checkAddresses(map[string]bool{"control": true, "edge": true}); err != nil {
		t.Errorf("the default addresses: %v", err)
	}
}

// run is the whole program but for signals.
func TestRun(t *testing.T) {
	t.Setenv("COLUMNS", "120")
	f := func(code int, stdout, stderr string, args ...string) {
		t.Helper()
		var out, errOut bytes.Buffer
		if got := run(t.Context(), args, &out, &errOut); got != code {
			t.Errorf("weir %v: exit code %d, want %d", args, got, code)
		}
		if !strings.Contains(out.String(), stdout) || stdout == "" && out.Len() > 0 {
			t.Errorf("weir %v prints %q, want %q", args, out.String(), stdout)
		}
		if !strings.Contains(errOut.String(), stderr) || stderr == "" && errOut.Len() > 0 {
			t.Errorf("weir %v complains %q, want %q", args, errOut.String(), stderr)
		}
	}
	f(exitOK, "Exit codes:", "", "--help")
	f(exitOK, "[default 64GiB, $WEIR_MAX_UPLOAD]", "", "serve", "--help")
	f(exitOK, "weir "+version, "", "version")
	f(exitFailed, "", "weir: unknown flag --nothing", "serve", "--nothing")
	f(exitFailed, "", `"nothing" is no role`, "serve", "--roles", "nothing")
	f(exitFailed, "", "--slots is 0 or more", "serve", "--slots=-1")
	f(exitFailed, "", "is reachable from other machines", "serve", "--listen", ":0")
	f(exitFailed, "", `"ftp" is no engine for blobs`, "serve", "--blobs", "ftp://bucket", "--data", t.TempDir())
	f(exitFailed, "", "no weir answers", "delete", "asset", "--server", "http://127.0.0.1:1")
}
