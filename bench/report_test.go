package bench_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

// made is a result in which every part of a page has something to show, slower by a factor.
func made(name string, slower float64) bench.Result {
	latency := func(ms float64) bench.Latency {
		ms *= slower
		return bench.Latency{Mean: ms, P50: ms, P90: 2 * ms, P99: 8 * ms, Max: 20 * ms,
			Curve: []bench.Point{{P: 0, Ms: ms / 5}, {P: 50, Ms: ms}, {P: 90, Ms: 2 * ms}, {P: 99, Ms: 8 * ms}, {P: 99.9, Ms: 15 * ms}, {P: 100, Ms: 20 * ms}}}
	}
	r := bench.Result{Schema: bench.Schema, Name: name, Scenario: "players", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seconds: 3,
		Targets: []string{"http://127.0.0.1:1/t/.../main.m3u8"}, Settings: map[string]string{"client": "copy", "connections": "8"},
		Machine:  bench.Machine{Cores: 2, CPU: "a <cpu>", Kernel: "6.1", Go: "go1"},
		Requests: 3000, Bytes: 786_432_000, Connections: 8,
		Kinds: []bench.KindResult{{Kind: "manifest", Requests: 1000, Bytes: 1_500_000, TTFB: latency(0.3), Total: latency(0.4)},
			{Kind: "segment", Requests: 2000, Bytes: 784_932_000, TTFB: latency(1), Total: latency(3)}},
		Errors: map[string]int64{"status-503": 2}, CPU: bench.CPU{Client: 0.7, Server: 0.9 * slower},
		QoE: &bench.QoE{Players: 8, Stalled: 1, Startup: latency(200), PlaySeconds: 20, WaitSeconds: 0.5, Rebuffer: 0.0244, Switches: 2, BitRate: 3e6},
		Checks: []bench.Verdict{{What: "every player starts", Got: "0 of 8 did not", OK: true},
			{What: "no request fails", Got: "2 failed", OK: false}},
		Notes: []string{"a note with <b>"}}
	for i := range 3 {
		r.Timeline = append(r.Timeline, bench.Second{At: float64(i + 1), Requests: 1000, Bytes: 262_144_000, Errors: int64(i), P50: 3 * slower, P99: 24 * slower,
			ClientCPU: 0.2, ServerCPU: 0.3 * slower})
	}
	return r
}

func TestReport(t *testing.T) {
	var b bytes.Buffer
	if err := bench.Report(&b, made("weir", 1)); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.html", b.Bytes())
	b.Reset()
	if err := bench.Report(&b, made("weir", 1), made("nginx", 2), made("varnish", 1.5)); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.html", b.Bytes())
	for _, outside := range []string{"http://", "https://", "src=", "@import", "<script", "<cpu>", "note with <b>"} {
		if s := strings.ReplaceAll(b.String(), "http://127.0.0.1:1", ""); strings.Contains(s, outside) {
			t.Errorf("the page holds %q: it is to stand alone, and what it was given is text", outside)
		}
	}
}

// A run without an answer makes a page all the same.
func TestReportOfNothing(t *testing.T) {
	var b bytes.Buffer
	empty := bench.Result{Name: "x", Scenario: "hot"}
	if err := bench.Report(&b, empty); err != nil || strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Errorf("Report = %v\n%s", err, b.String())
	}
	if err := bench.Report(&b); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Report of no result = %v", err)
	}
	bench.Summary(&b, empty)
}

func TestSummary(t *testing.T) {
	var b bytes.Buffer
	bench.Summary(&b, made("weir", 1))
	golden(t, "summary.txt", b.Bytes())
}

func TestCompare(t *testing.T) {
	var b bytes.Buffer
	if err := bench.Compare(&b, made("weir", 1), made("nginx", 2)); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.md", b.Bytes())
	other := made("x", 1)
	other.Scenario = "hot"
	for _, results := range [][]bench.Result{{made("weir", 1)}, {made("weir", 1), other}} {
		if err := bench.Compare(&b, results...); weir.KindOf(err) != weir.Invalid {
			t.Errorf("Compare of %d results = %v, want Invalid", len(results), err)
		}
	}
}

func TestResultFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r.json")
	want := made("weir", 1)
	if err := want.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	got, err := bench.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was written is read as (-want +got):\n%s", diff)
	}
	f := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := bench.ReadFile(name); weir.KindOf(err) != weir.Invalid {
			t.Errorf("ReadFile of %q = %v, want Invalid", text, err)
		}
	}
	f("")
	f("{}")
	f(`{"schema": "weir-bench/2"}`)
}

// Schema 1 as it was first written is read for ever.
func TestOldResult(t *testing.T) {
	r, err := bench.ReadFile("testdata/result-1.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made("weir", 1), r); diff != "" {
		t.Errorf("testdata/result-1.json (-want +got):\n%s", diff)
	}
}
