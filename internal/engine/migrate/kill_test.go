package migrate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/internal/engine"
)

// TestChild is what this test binary does when another test runs it as a process to be killed. By itself it tests nothing.
func TestChild(t *testing.T) {
	sets := os.Getenv("WEIR_TEST_SETS")
	if sets == "" {
		return
	}
	var m engine.Migration
	if err := json.Unmarshal([]byte(sets), &m); err != nil {
		t.Fatal(err)
	}
	point, count, _ := strings.Cut(os.Getenv("WEIR_TEST_POINT"), ":")
	left, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards left: objects are put side by side
	m.At = func(p string) {
		mu.Lock()
		defer mu.Unlock()
		if p != point {
			return
		}
		if left--; left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	result, err := m.Run(t.Context())
	t.Fatalf("the migration survived %s: %+v, %v", point, result, err)
}

// killed migrates in a process of its own that dies at a point: "migrate.checked:1" is the first time it is reached.
func killed(t *testing.T, from, to engine.Config, point string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sets, err := json.Marshal(map[string]any{"From": plain(from), "To": plain(to)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), "WEIR_TEST_SETS="+string(sets), "WEIR_TEST_POINT="+point)
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, want by SIGKILL\n%s", err, out)
	}
}

// plain is what a set is made of, without functions.
func plain(c engine.Config) map[string]string {
	return map[string]string{"Data": c.Data, "Blobs": c.Blobs, "Stores": c.Stores, "Bus": c.Bus, "Registry": c.Registry}
}

// reached counts how often each named point is reached in a whole migration.
func reached(t *testing.T, from engine.Config) map[string]int {
	t.Helper()
	var mu sync.Mutex // guards times
	times := map[string]int{}
	result := run(t, engine.Migration{From: from, To: newTo(t), At: func(point string) {
		mu.Lock()
		defer mu.Unlock()
		times[point]++
	}})
	if !result.Equal {
		t.Fatalf("result = %+v", result)
	}
	return times
}

// kill -9 at any named point, and again a run: the same end.
func TestKilledAnywhere(t *testing.T) {
	from := demo(t, false)
	want := dump(t, from)
	times := reached(t, from)
	for _, point := range []string{"migrate.checked", "migrate.put-object", "migrate.put-objects", "migrate.upload-written", "migrate.put-uploads",
		"migrate.put-job", "migrate.put-outbox", "migrate.put-value", "migrate.put-values", "migrate.published", "migrate.before-note",
		"migrate.after-note", "migrate.part-done", "migrate.before-complete"} {
		if times[point] == 0 {
			t.Errorf("point %s is never reached; these are: %v", point, times)
			continue
		}
		for _, n := range slices.Compact([]int{1, times[point]}) {
			at := fmt.Sprint(point, ":", n)
			t.Run(at, func(t *testing.T) {
				to := newTo(t)
				killed(t, from, to, at)
				result := run(t, engine.Migration{From: from, To: to})
				if !result.Equal {
					t.Errorf("result = %+v", result)
				}
				if diff := cmp.Diff(want, dump(t, to)); diff != "" {
					t.Errorf("TO is not FROM (-from +to):\n%s", diff)
				}
			})
		}
	}
}

// What the progress file says was done is not done again: neither is a fact published twice, nor an object put.
func TestResumeDoesNotRepeat(t *testing.T) {
	from, to := demo(t, true), newTo(t)
	times := reached(t, from)
	var again []string
	stop := func(point string) { // where progress has been noted after the point
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex // guards passed: objects are put side by side
		passed := false
		_, err := engine.Migration{From: from, To: to, At: func(p string) {
			mu.Lock()
			defer mu.Unlock()
			if p == "migrate.after-note" && passed {
				cancel()
			}
			passed = passed || p == point
		}}.Run(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("Run = %v, want it cancelled after %s", err, point)
		}
	}
	stop("migrate.put-objects") // the first of two batches
	stop("migrate.put-record")
	stop("migrate.published") // likewise
	var mu sync.Mutex         // guards again
	result := run(t, engine.Migration{From: from, To: to, At: func(point string) {
		mu.Lock()
		defer mu.Unlock()
		again = append(again, point)
	}})
	if !result.Equal {
		t.Fatalf("result = %+v", result)
	}
	if slices.Index(again, "migrate.published") < 0 {
		t.Error("no facts were left to publish")
	}
	for _, point := range []string{"migrate.put-object", "migrate.put-job", "migrate.put-plan", "migrate.checked"} {
		if slices.Contains(again, point) {
			t.Errorf("%s is reached again", point)
		}
	}
	if n := times["migrate.published"]; n < 2 {
		t.Fatalf("facts went out in %d publishes, too few for this test", n)
	}
	if last := result.Lines[len(result.Lines)-1]; last.From != last.To {
		t.Errorf("facts: %+v, want none twice", last)
	}
	same(t, from, to)
}

// A fact published once more after a crash is no difference, and neither order nor content suffers.
func TestFactsMayComeTwice(t *testing.T) {
	from, to := demo(t, false), newTo(t)
	killed(t, from, to, "migrate.published:1")
	result := run(t, engine.Migration{From: from, To: to})
	last := result.Lines[len(result.Lines)-1]
	if !result.Equal || last.Part != "facts" || last.To.Count != 2*last.From.Count {
		t.Errorf("facts: %+v, want each twice", last)
	}
	same(t, from, to)
}
