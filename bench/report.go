package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	weir "github.com/weirstream/weir"
)

//go:embed report.html
var page string

// maxCompared bounds the results of one report.
const maxCompared = 12

// Report writes one self-contained page about one or several results: the first is what the others are compared with.
// Errors are Invalid: no results, or too many; or w's own.
func Report(w io.Writer, results ...Result) error {
	if len(results) == 0 || len(results) > maxCompared {
		return weir.Errorf(weir.Invalid, "a report is about 1 to %d results", maxCompared)
	}
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("parse report: %w", err)
	}
	if err := t.Execute(w, newSheet(results)); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// sheet is what the page shows.
type sheet struct {
	Title    string
	About    string
	Passed   bool
	Compared bool
	Cards    []card
	Charts   []chart
	Tables   []table
	Checks   []checkLine
	Notes    []string
	Settings []setting
	Machine  Machine
	Palette  [colours]struct{}
}

type card struct{ Name, Value, Unit, Sub string }

type checkLine struct {
	Name string // of the result, where there are several
	Verdict
}

type setting struct{ Name, Value string }

func newSheet(results []Result) sheet {
	first := results[0]
	s := sheet{Title: title(results), Compared: len(results) > 1, Passed: true, Machine: first.Machine,
		About: first.Started.UTC().Format("2 January 2006, 15:04 UTC")}
	for _, r := range results {
		s.Passed = s.Passed && r.Passed()
		for _, c := range r.Checks {
			s.Checks = append(s.Checks, checkLine{r.Name, c})
		}
		for _, n := range r.Notes {
			s.Notes = append(s.Notes, prefix(s.Compared, r.Name)+n)
		}
	}
	if s.Compared {
		s.Tables = append(s.Tables, ratios(results))
	} else {
		s.Cards = cards(first)
		s.Tables = append(s.Tables, kindTable(first))
		for _, name := range slices.Sorted(maps.Keys(first.Settings)) {
			s.Settings = append(s.Settings, setting{name, first.Settings[name]})
		}
		for _, t := range first.Targets {
			s.Settings = append(s.Settings, setting{"URL", t})
		}
	}
	s.Charts = charts(results)
	return s
}

func prefix(compared bool, name string) string {
	if compared {
		return name + ": "
	}
	return ""
}

func title(results []Result) string {
	var names []string
	for _, r := range results {
		names = append(names, r.Name)
	}
	if len(results) == 1 {
		return results[0].Scenario + ": " + names[0]
	}
	return results[0].Scenario + ": " + strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func cards(r Result) []card {
	m := r.Main()
	out := []card{
		{"Throughput", digits(r.Gbps()), "Gbps", short3(r.Rate()) + " requests/s"},
		{"First byte, p50", digits(m.TTFB.P50), "ms", "p99 " + digits(m.TTFB.P99) + " ms"},
		{"Whole answer, p99", digits(m.Total.P99), "ms", "p50 " + digits(m.Total.P50) + " ms, max " + digits(m.Total.Max) + " ms"},
		{"Requests", short3(float64(r.Requests)), "", fmt.Sprintf("%d failed, %d connections", r.Failed(), r.Connections)},
	}
	if r.CPU.Server > 0 {
		out = append(out, card{"Per server CPU-second", digits(r.GbpsPerCPU()), "Gb", short3(r.RequestsPerCPU()) + " requests"})
	}
	out = append(out, card{"CPU", digits(r.CPU.Client), "s client", serverWords(r)})
	if q := r.QoE; q != nil {
		out = append(out,
			card{"Startup, p50", digits(q.Startup.P50), "ms", "p99 " + digits(q.Startup.P99) + " ms"},
			card{"Waiting in the middle", digits(q.Rebuffer * 100), "%", fmt.Sprintf("%d of %d players stalled", q.Stalled, q.Players)},
			card{"Mean bit rate", digits(q.BitRate / 1e6), "Mbit/s", digits(q.Switches) + " switches a minute"})
	}
	return out
}

func serverWords(r Result) string {
	if r.CPU.Server == 0 {
		return "server not measured"
	}
	return digits(r.CPU.Server) + " s server"
}

// charts are the same for one result and for several: then every line is a result, else a kind of request.
func charts(results []Result) []chart {
	out := []chart{latencyChart("First byte by percentile", results, func(k KindResult) Latency { return k.TTFB }),
		latencyChart("Whole answer by percentile", results, func(k KindResult) Latency { return k.Total })}
	names := make([]string, len(results))
	for i, r := range results {
		names[i] = r.Name
	}
	if perCPU := values(results, Result.GbpsPerCPU); len(results) > 1 && slices.Max(perCPU) > 0 { // of one, the cards tell
		out = append(out, bars("Gigabits per server CPU-second", "more is better", names, perCPU, "Gb"),
			bars("Requests per server CPU-second", "more is better", names, values(results, Result.RequestsPerCPU), ""))
	}
	out = append(out,
		timeChart("Throughput", "Gbps", results, rateOf(func(s Second) float64 { return float64(s.Bytes) * 8 / 1e9 }), nil),
		timeChart("Requests", "requests a second", results, rateOf(func(s Second) float64 { return float64(s.Requests) }), nil),
		timeChart(overTime, "ms, whole answer", results, each(func(s Second) float64 { return s.P50 }), each(func(s Second) float64 { return s.P99 })),
		timeChart("CPU", "cores busy", results, rateOf(func(s Second) float64 { return s.ServerCPU }), rateOf(func(s Second) float64 { return s.ClientCPU })))
	if failed := values(results, func(r Result) float64 { return float64(r.Failed()) }); slices.Max(failed) > 0 {
		out = append(out, timeChart("Errors", "errors a second", results, rateOf(func(s Second) float64 { return float64(s.Errors) }), nil))
	}
	return append(out, qoeCharts(results, names)...)
}

func qoeCharts(results []Result, names []string) []chart {
	for _, r := range results {
		if r.QoE == nil {
			return nil
		}
	}
	q := func(f func(*QoE) float64) []float64 {
		return values(results, func(r Result) float64 { return f(r.QoE) })
	}
	out := []chart{}
	var all []series
	for i, r := range results {
		all = append(all, percentileSeries(r.Name, r.QoE.Startup, i))
	}
	out = append(out, percentileChart("Startup by percentile", "from pressing play to playing", all))
	if len(results) == 1 {
		return out
	}
	return append(out,
		bars("Waiting in the middle", "share of the time; less is better", names, q(func(q *QoE) float64 { return q.Rebuffer * 100 }), "%"),
		bars("Mean bit rate", "of what was loaded; more is better", names, q(func(q *QoE) float64 { return q.BitRate / 1e6 }), "Mbit/s"))
}

func values(results []Result, f func(Result) float64) []float64 {
	out := make([]float64, len(results))
	for i, r := range results {
		out[i] = f(r)
	}
	return out
}

// latencyChart draws a line a kind, or a line a result of the kind with most bytes.
func latencyChart(title string, results []Result, of func(KindResult) Latency) chart {
	var all []series
	sub := "from the intended start of each request"
	if len(results) == 1 {
		for i, k := range results[0].Kinds {
			all = append(all, percentileSeries(k.Kind, of(k), i))
		}
		return percentileChart(title, sub, all)
	}
	for i, r := range results {
		m := r.Main()
		all = append(all, percentileSeries(r.Name, of(m), i))
		sub = m.Kind + "s, from the intended start of each request"
	}
	return percentileChart(title, sub, all)
}

// nines is where a percentile stands on its axis: 90, 99 and 99.9 are equally far apart.
func nines(p float64) float64 { return -math.Log10(1 - min(p, 99.999)/100) }

func percentileSeries(name string, l Latency, colour int) series {
	s := series{name: name, colour: colour}
	for i, p := range l.Curve {
		x := nines(p.P)
		if p.P == 100 {
			x = nines(99.999)
			if i > 0 {
				x = nines(l.Curve[i-1].P) + 0.3
			}
		}
		s.xs, s.ys = append(s.xs, x), append(s.ys, max(p.Ms, 0.001))
	}
	return s
}

func percentileChart(title, sub string, all []series) chart {
	lo, hi, end := math.Inf(1), 0.0, 1.0
	for _, s := range all {
		for i, y := range s.ys {
			lo, hi, end = min(lo, y), max(hi, y), max(end, s.xs[i])
		}
	}
	if hi == 0 {
		lo, hi = 0.1, 1
	}
	x := axis{label: "percentile; each line ends at its maximum", max: end}
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99} {
		if nines(p) <= end {
			x.ticks = append(x.ticks, mark{nines(p), strconv.FormatFloat(p, 'f', -1, 64)})
		}
	}
	return lines(title, sub, x, logarithmic("milliseconds", lo, hi), all)
}

// each takes a value of every second as it is; rateOf divides it by the second's length, since the last one is shorter.
func each(f func(Second) float64) func(before float64, s Second) float64 {
	return func(_ float64, s Second) float64 { return f(s) }
}

func rateOf(f func(Second) float64) func(before float64, s Second) float64 {
	return func(before float64, s Second) float64 { return ratio(f(s), s.At-before) }
}

// overTime is the title of the chart in which a second without a value is left out.
const overTime = "Latency over time"

// timeChart draws main, and dashed beside it second, over the run's seconds.
func timeChart(title, label string, results []Result, main, second func(float64, Second) float64) chart {
	var all []series
	longest, high := 0.0, 0.0
	words := map[string][2]string{"CPU": {"server", "client"}, overTime: {"p50", "p99"}}[title]
	for i, r := range results {
		for k, f := range []func(float64, Second) float64{main, second} {
			if f == nil {
				continue
			}
			s := series{name: r.Name, colour: i, dashed: k == 1}
			if words[k] != "" {
				s.name = strings.TrimSpace(prefix(len(results) > 1, r.Name) + words[k])
			}
			before := 0.0
			for _, at := range r.Timeline {
				if len(s.xs) > 0 && at.At-before < 0.2 {
					continue // too short a rest to say anything
				}
				v := f(before, at)
				if v == 0 && title == overTime {
					before = at.At
					continue // nothing was answered, which took no time
				}
				s.xs, s.ys = append(s.xs, at.At), append(s.ys, v)
				before, longest, high = at.At, max(longest, at.At), max(high, v)
			}
			all = append(all, s)
		}
	}
	x := linear("seconds since the start", longest)
	if longest > 0 {
		x.max = longest
		x.ticks = slices.DeleteFunc(x.ticks, func(m mark) bool { return m.at > longest })
	}
	return lines(title, "", x, linear(label, high), all)
}
