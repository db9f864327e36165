package enginetest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Environment that points tests at real engines. scripts/engines env prints it.
const (
	requireVariable = "WEIR_TEST_REQUIRE" // "all": an engine that is not up is a failure
	reportVariable  = "WEIR_TEST_REPORT"  // a folder for what passed; "" is nowhere
	scriptVariable  = "WEIR_ENGINES"      // the scripts/engines that started them
)

// Address is the URL of a real engine, from the variable that scripts/engines env gives for it, such as WEIR_TEST_REDIS. If
// the engine is not up the test is skipped and says so; with WEIR_TEST_REQUIRE=all it fails.
func Address(t testing.TB, variable string) string {
	t.Helper()
	if url := os.Getenv(variable); url != "" {
		return url
	}
	missing(t, variable+" is not set: this engine is not up, and its tests did not run (scripts/engines up, then scripts/engines env)")
	return ""
}

func missing(t testing.TB, sentence string) {
	t.Helper()
	if os.Getenv(requireVariable) == "all" {
		t.Fatal(sentence)
	}
	t.Skip(sentence)
}

// Control runs scripts/engines with args, such as "kill", "redis" or "up", "redis", and waits for it.
func Control(t testing.TB, args ...string) {
	t.Helper()
	script := os.Getenv(scriptVariable)
	if script == "" {
		missing(t, scriptVariable+" is not set: the engines of this run are not ours to stop (scripts/engines env sets it)")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, script, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, out)
	}
}

// Pass is one line of the table of engines that passed their suites.
type Pass struct {
	Port    string `json:"port"`    // "Blobs"
	Engine  string `json:"engine"`  // "MinIO"
	Version string `json:"version"` // as the server tells it
	Client  string `json:"client"`  // "aws-sdk-go-v2"
}

// Report notes, when t ends without failure, that an engine passed: scripts/test makes the README's table of these.
func Report(t *testing.T, p Pass) {
	dir := os.Getenv(reportVariable)
	if dir == "" {
		return
	}
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Map(letters, strings.ToLower(p.Port+"-"+p.Engine)) + ".json"
		if err := os.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}

// letters keeps what is good in a file's name.
func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}
