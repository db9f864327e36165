package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/nginx"
)

// A stand-in for nginx: it refuses files that name the port 6666.
const fussy = "#!/bin/sh\n! grep -q ':6666' \"$4\" || { echo 'no such port' >&2; exit 1; }\n"

func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

// weirNginx runs the command with a file to write and a certificate's names.
func weirNginx(t *testing.T, file string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"nginx", "--out", file, "--cert", "/tls/cert.pem", "--key", "/tls/key.pem"}, args...), &o, &e)
	return code, o.String(), e.String()
}

func TestNginxOfAFixedSetup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nginx.conf")
	told := filepath.Join(t.TempDir(), "told")
	args := []string{"--nginx", script(t, fussy), "--reload", "echo told >> " + told, "--edge", "127.0.0.1:8081,127.0.0.1:8082", "--gateway"}
	f := func(gateway string, code int, message string, reloads int) {
		t.Helper()
		got, out, errOut := weirNginx(t, file, append(args, gateway)...)
		if got != code || !strings.Contains(out+errOut, message) {
			t.Errorf("gateway %s: exit code %d, %s%s, want %d and %q", gateway, got, out, errOut, code, message)
		}
		b, _ := os.ReadFile(told)
		if n := strings.Count(string(b), "told"); n != reloads {
			t.Errorf("gateway %s: nginx was told %d times, want %d", gateway, n, reloads)
		}
	}
	f("127.0.0.1:8080", 0, "Wrote "+file, 1)
	f("127.0.0.1:6666", 1, "no such port", 1)
	f("127.0.0.1:8080; evil", 1, "is no server", 1)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edges, gateways := nginx.Servers(b)
	if fmt.Sprint(edges, gateways) != "[127.0.0.1:8081 127.0.0.1:8082] [127.0.0.1:8080]" {
		t.Errorf("the file has %v and %v", edges, gateways)
	}
}

func TestNginxFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nginx.conf")
	f := func(message string, args ...string) {
		t.Helper()
		if code, out, errOut := weirNginx(t, file, args...); code != exitFailed || out != "" || !strings.Contains(errOut, message) {
			t.Errorf("weir nginx %v = %d, %s%s, want %q", args, code, out, errOut, message)
		}
	}
	f("with --registry, or with --edge and --gateway")
	f(`"etcd" is no engine for registry`, "--registry", "etcd://a", "--nginx", "none")
	f("inside of one process", "--registry", "sqlite:", "--nginx", "none")
	f("give one", "--edge", "a:1", "--pid-file", "p", "--reload", "r")
	f("no such program", "--edge", "a:1", "--nginx", "no-such-nginx")
	f("--balancers", "--edge", "a:1", "--balancers", "nonsense")
	f(`"nonsense" is no listen address`, "--edge", "a:1", "--tls-listen", "nonsense")
	if _, err := os.Stat(file); err == nil {
		t.Error("a refused command wrote the file")
	}
}

// A registry that changes: the file follows, nginx is told, and a file that nginx refuses is not taken.
func TestNginxFollowsARegistry(t *testing.T) {
	hups := make(chan os.Signal, 8)
	signal.Notify(hups, syscall.SIGHUP)
	defer signal.Stop(hups)
	pidFile := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(pidFile, fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := nginxCmd{Out: filepath.Join(t.TempDir(), "nginx.conf"), Cert: "/c", Key: "/k", Registry: "consul://127.0.0.1:1", Nginx: script(t, fussy), PidFile: pidFile}
	var said bytes.Buffer
	f, err := c.follower(slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	registry := &embed.Registry{}
	f.Registry, f.Settle = registry, time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 3)
	go func() { done <- f.Run(ctx) }()
	register := func(service, address string) {
		go func() {
			done <- registry.Register(ctx, weir.Instance{Service: service, ID: address, Address: address}, time.Minute)
		}()
	}
	hungUp := func(gateway, edge string) {
		t.Helper()
		for {
			select {
			case <-hups:
			case <-time.After(20 * time.Second):
				t.Fatalf("nginx was not told of %s %s; the command said:\n%s", gateway, edge, said.String())
			}
			b, err := os.ReadFile(c.Out)
			if err != nil {
				t.Fatal(err)
			}
			if edges, gateways := nginx.Servers(b); strings.Join(edges, " ") == edge && strings.Join(gateways, " ") == gateway {
				return
			}
		}
	}
	register("gateway", "127.0.0.1:1")
	hungUp("127.0.0.1:1", "")
	register("edge", "127.0.0.1:2")
	hungUp("127.0.0.1:1", "127.0.0.1:2")
	stop()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestHangUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	f := func(content string, ok bool) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := hangUp(file, slog.New(slog.DiscardHandler)); (err == nil) != ok {
			t.Errorf("hangUp of a file with %q = %v, want success %v", content, err, ok)
		}
	}
	if err := hangUp(file, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("hangUp without a file = %v", err)
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	f(fmt.Sprintln(gone.Process.Pid), true) // nobody has this id any more
	f("", true)
	f("nonsense", false)
	f("0\n", false) // would be this process's own group
	f("-1\n", false)
	f("1\n", false)
}
