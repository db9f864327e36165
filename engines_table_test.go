package weir_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the README's table of engines")

// pass is one line of the table: what enginetest.Report wrote.
type pass struct{ Port, Engine, Version, Client string }

const (
	tableBegin = "<!-- engines: made by the tests of real engines -->\n"
	tableEnd   = "<!-- /engines -->\n"
)

// The README's table of engines is what passed in this very run: scripts/test engines makes the reports and then runs this.
func TestEnginesTable(t *testing.T) {
	dir := os.Getenv("WEIR_TEST_REPORT")
	if dir == "" {
		t.Skip("WEIR_TEST_REPORT is not set: no engines were tested in this run")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("reports in %s: %v, %v", dir, files, err)
	}
	var passed []pass
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var p pass
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		passed = append(passed, p)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(readme), tableBegin)
	table, after, found2 := strings.Cut(rest, tableEnd)
	if !found || !found2 {
		t.Fatalf("README.md has no table between %q and %q", tableBegin, tableEnd)
	}
	want := enginesTable(passed)
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("README.md has another table of engines (go test . -run TestEnginesTable -update rewrites it):\n%s\nwant\n%s", table, want)
	}
	if err := os.WriteFile("README.md", []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	firstTwo  = regexp.MustCompile(`\d+(\.\d+)?`)
	timestamp = regexp.MustCompile(`(\d{4})(\d\d)(\d\d)\d{6}`) // of a Go version of no release
)

// shown is as much of a version as does not change with a distribution's mends.
func shown(p pass) string {
	if m := timestamp.FindStringSubmatch(p.Version); m != nil {
		return m[1] + "-" + m[2] + "-" + m[3]
	}
	version := firstTwo.FindString(p.Version)
	if p.Engine == "PostgreSQL" { // since 10, the second number is a mend
		version, _, _ = strings.Cut(version, ".")
	}
	return version
}

// enginesTable has a line a port and engine, in order.
func enginesTable(passed []pass) string {
	var lines []string
	for _, p := range passed {
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |\n", p.Port, p.Engine, shown(p), p.Client))
	}
	slices.Sort(lines)
	return "| port | engine | version | client |\n|---|---|---|---|\n" + strings.Join(slices.Compact(lines), "")
}
