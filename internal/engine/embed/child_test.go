package embed_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
)

// TestChild is what this test binary does when another test runs it as a process to be killed or confined. By itself it
// tests nothing.
func TestChild(t *testing.T) {
	dir, arg := os.Getenv("WEIR_TEST_DIR"), os.Getenv("WEIR_TEST_ARG")
	switch os.Getenv("WEIR_TEST_ROLE") {
	case "hold-folder":
		childHoldsFolder(t, dir)
	case "put":
		childPuts(t, dir, arg)
	case "put-forever":
		childPutsForever(t, dir)
	case "full-disk":
		childFillsDisk(t, dir)
	}
}

// child prepares to run TestChild in a process of its own, which is killed if the test ends before it.
func child(t *testing.T, role, dir, arg string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), "WEIR_TEST_ROLE="+role, "WEIR_TEST_DIR="+dir, "WEIR_TEST_ARG="+arg)
	cmd.Stderr = os.Stderr
	return cmd
}

// startChild starts it and returns what it says, line by line.
func startChild(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out)
}

// said is the rest of the next line that starts with word.
func said(t *testing.T, lines *bufio.Scanner, word string) string {
	t.Helper()
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), word+" "); ok {
			return rest
		}
	}
	t.Fatalf("the child ended before it said %q: %v", word, lines.Err())
	return ""
}

// wantKilled waits for the child's end and checks that it was by SIGKILL, not because the child was done.
func wantKilled(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, want by SIGKILL", err)
	}
}

func childHoldsFolder(t *testing.T, dir string) {
	if _, err := embed.OpenFolder(dir); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held by", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
}

// childPuts does one act on the objects and dies at a point of it: "replace at blobs.before-rename".
func childPuts(t *testing.T, dir, arg string) {
	act, point, _ := strings.Cut(arg, " at ")
	b := openBlobs(t, dir)
	b.At = func(p string) {
		if p == point {
			die()
		}
	}
	var err error
	switch act {
	case "replace":
		_, err = b.Put(t.Context(), "d/old", dyingReader(point), weir.PutOptions{})
	case "create":
		_, err = b.Put(t.Context(), "new/dir/new", dyingReader(point), weir.PutOptions{CreateOnly: true})
	case "take":
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(newContent), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = b.TakeFile(t.Context(), "d/old", file)
	case "part", "complete":
		var u weir.Upload
		if u, err = b.Upload(t.Context(), "d/upload", os.Getenv("WEIR_TEST_UPLOAD")); err != nil {
			break
		}
		if act == "part" {
			_, err = u.Part(t.Context(), 2, dyingReader(point), int64(len(newContent)))
		} else {
			_, err = u.Complete(t.Context(), 2, weir.PutOptions{})
		}
	}
	t.Fatalf("%s survived: %v", arg, err)
}

// dyingReader yields newContent; at the point "reading" the process dies in its middle.
func dyingReader(point string) io.Reader {
	if point != "reading" {
		return strings.NewReader(newContent)
	}
	return io.MultiReader(strings.NewReader(newContent[:len(newContent)/2]), deadly{})
}

type deadly struct{}

func (deadly) Read([]byte) (int, error) {
	die()
	return 0, io.EOF
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// childPutsForever replaces one object by ever later versions and says each that is stored.
func childPutsForever(t *testing.T, dir string) {
	b := openBlobs(t, dir)
	for v := 1; ; v++ {
		if _, err := b.Put(t.Context(), "d/k", strings.NewReader(version(v)), weir.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("stored", v)
	}
}

// version is content that tells its number at both ends and has a length of its own.
func version(v int) string {
	return fmt.Sprintf("%08d%s%08d", v, strings.Repeat("x", 100_000+v), v)
}
