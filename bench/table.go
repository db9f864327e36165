package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	weir "github.com/weirstream/weir"
)

// table is rows under heads, for the page and as Markdown.
type table struct {
	Title string
	Heads []string
	Rows  [][]string
}

func (t table) markdown(w io.Writer) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(t.Heads, " | "), strings.Repeat("---|", len(t.Heads)))
	for _, row := range t.Rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// kindTable is what requests of each kind took.
func kindTable(r Result) table {
	t := table{Title: "Requests by kind, latencies in ms", Heads: []string{"kind", "requests", "bytes", "first byte p50", "p90", "p99", "max", "whole p50", "p90", "p99", "max"}}
	for _, k := range r.Kinds {
		row := []string{k.Kind, fmt.Sprint(k.Requests), short3(float64(k.Bytes))}
		for _, l := range []Latency{k.TTFB, k.Total} {
			row = append(row, digits(l.P50), digits(l.P90), digits(l.P99), digits(l.Max))
		}
		t.Rows = append(t.Rows, row)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Errors)) {
		t.Rows = append(t.Rows, append([]string{"failed: " + name, fmt.Sprint(r.Errors[name])}, slices.Repeat([]string{""}, 9)...))
	}
	return t
}

// ratios is a line a result: figures, and how they stand to the first result's.
func ratios(results []Result) table {
	t := table{Title: "Figures, and in brackets their ratio to the first", Heads: []string{"", "Gbps", "requests/s", "Gb per server CPU-s", "requests per server CPU-s",
		"first byte p50, ms", "p99, ms", "whole p50, ms", "p99, ms", "failed", "client CPU, s"}}
	figures := []func(Result) float64{Result.Gbps, Result.Rate, Result.GbpsPerCPU, Result.RequestsPerCPU,
		func(r Result) float64 { return r.Main().TTFB.P50 }, func(r Result) float64 { return r.Main().TTFB.P99 },
		func(r Result) float64 { return r.Main().Total.P50 }, func(r Result) float64 { return r.Main().Total.P99 }}
	qoe := true
	for _, r := range results {
		qoe = qoe && r.QoE != nil
	}
	for i, r := range results {
		row := []string{r.Name}
		for _, f := range figures {
			row = append(row, withRatio(f(r), f(results[0]), i))
		}
		row = append(row, fmt.Sprint(r.Failed()), digits(r.CPU.Client))
		if qoe {
			row = append(row, digits(r.QoE.Startup.P50), digits(r.QoE.Rebuffer*100), digits(r.QoE.BitRate/1e6))
		}
		t.Rows = append(t.Rows, row)
	}
	if qoe {
		t.Heads = append(t.Heads, "startup p50, ms", "waiting, %", "Mbit/s")
	}
	return t
}

func withRatio(v, first float64, i int) string {
	switch {
	case v == 0:
		return "-"
	case i == 0 || first == 0:
		return short3(v)
	}
	return fmt.Sprintf("%s (%.2f)", short3(v), v/first)
}

// Summary writes what a run found, for a terminal. It ends with the verdict.
func Summary(w io.Writer, r Result) {
	fmt.Fprintf(w, "%s of %s, %.1f s\n\n", r.Scenario, r.Name, r.Seconds)
	fmt.Fprintf(w, "  %-22s %d right, %d failed, over %d connections\n", "requests", r.Requests, r.Failed(), r.Connections)
	fmt.Fprintf(w, "  %-22s %s Gbps, %s requests/s\n", "throughput", digits(r.Gbps()), short3(r.Rate()))
	for _, k := range r.Kinds {
		fmt.Fprintf(w, "  %-22s first byte p50 %s, p99 %s ms; whole p50 %s, p99 %s, max %s ms\n", k.Kind+" x "+fmt.Sprint(k.Requests),
			digits(k.TTFB.P50), digits(k.TTFB.P99), digits(k.Total.P50), digits(k.Total.P99), digits(k.Total.Max))
	}
	fmt.Fprintf(w, "  %-22s client %s s, %s", "CPU", digits(r.CPU.Client), serverWords(r))
	if r.CPU.Server > 0 {
		fmt.Fprintf(w, ": %s Gb and %s requests per server CPU-second", digits(r.GbpsPerCPU()), short3(r.RequestsPerCPU()))
	}
	fmt.Fprintln(w)
	if q := r.QoE; q != nil {
		fmt.Fprintf(w, "  %-22s startup p50 %s ms, p99 %s ms; %s %% of the time waited in the middle; %s Mbit/s, %s switches a minute\n", fmt.Sprintf("%d players", q.Players),
			digits(q.Startup.P50), digits(q.Startup.P99), digits(q.Rebuffer*100), digits(q.BitRate/1e6), digits(q.Switches))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(w, "  %-22s %d\n", "failed: "+name, r.Errors[name])
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  %s\n", n)
	}
	fmt.Fprintln(w)
	for _, c := range r.Checks {
		fmt.Fprintf(w, "  %-4s  %s: %s\n", map[bool]string{true: "ok", false: "FAIL"}[c.OK], c.What, c.Got)
	}
	fmt.Fprintf(w, "%s\n", map[bool]string{true: "PASS", false: "FAIL"}[r.Passed()])
}

// Compare writes the table of ratios as Markdown. Errors are Invalid: fewer than two results, or of different scenarios.
func Compare(w io.Writer, results ...Result) error {
	if len(results) < 2 || len(results) > maxCompared {
		return weir.Errorf(weir.Invalid, "2 to %d results are compared", maxCompared)
	}
	for _, r := range results[1:] {
		if r.Scenario != results[0].Scenario {
			return weir.Errorf(weir.Invalid, "%s ran %s and %s ran %s: they say nothing about each other", results[0].Name, results[0].Scenario, r.Name, r.Scenario)
		}
	}
	ratios(results).markdown(w)
	return nil
}
