package bench

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// series is one line of a chart.
type series struct {
	name   string
	xs, ys []float64
	colour int  // index of the palette
	dashed bool // a second line of the same thing
}

// axis is one direction of a chart.
type axis struct {
	label    string
	min, max float64
	log      bool
	ticks    []mark
}

type mark struct {
	at   float64
	text string
}

// chart is a picture with its legend, ready for the page.
type chart struct {
	Title, Sub string
	Legend     []legend
	SVG        template.HTML
}

type legend struct {
	Name   string
	Colour int
	Dashed bool
}

// The picture's measures, in units of its own.
const (
	chartWidth, chartHeight = 640.0, 300.0
	plotLeft, plotRight     = 62.0, 14.0
	plotTop, plotBottom     = 14.0, 46.0
	colours                 = 6
)

func (a axis) place(v float64) float64 {
	lo, hi := a.min, a.max
	if a.log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(max(v, a.min))
	}
	if hi <= lo {
		return 0
	}
	return min(1, max(0, (v-lo)/(hi-lo)))
}

// linear is an axis from 0 to at least top, with four to eight round ticks.
func linear(label string, top float64) axis {
	if top <= 0 || math.IsInf(top, 0) || math.IsNaN(top) {
		top = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top/4)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if top/(step*m) <= 6 {
			step *= m
			break
		}
	}
	a := axis{label: label, max: step * math.Ceil(top/step*0.999)}
	for i := 0.0; i*step <= a.max*1.0001; i++ {
		a.ticks = append(a.ticks, mark{i * step, short3(i * step)})
	}
	return a
}

// logarithmic is an axis of whole decades around lo and hi, both above 0.
func logarithmic(label string, lo, hi float64) axis {
	from, to := math.Floor(math.Log10(lo)+1e-9), math.Ceil(math.Log10(hi)-1e-9)
	if to <= from {
		to = from + 1
	}
	a := axis{label: label, min: math.Pow(10, from), max: math.Pow(10, to), log: true}
	for d := from; d <= to; d++ {
		v := math.Pow(10, d)
		a.ticks = append(a.ticks, mark{v, short3(v)})
		if to-from <= 2 && d < to {
			a.ticks = append(a.ticks, mark{2 * v, short3(2 * v)}, mark{5 * v, short3(5 * v)})
		}
	}
	return a
}

// short3 writes a number in at most three digits and a unit's letter.
func short3(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= u.size*0.9995 {
			return digits(v/u.size) + u.name
		}
	}
	return digits(v)
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return trim(fmt.Sprintf("%.1f", v))
	case a >= 0.1:
		return trim(fmt.Sprintf("%.2f", v))
	}
	return fmt.Sprintf("%.2g", v)
}

func trim(s string) string { return strings.TrimRight(strings.TrimRight(s, "0"), ".") }

// lines draws series over two axes.
func lines(title, sub string, x, y axis, all []series) chart {
	c := chart{Title: title, Sub: sub}
	var b strings.Builder
	frame(&b, title, x, y)
	for _, s := range all {
		if len(all) > 1 {
			c.Legend = append(c.Legend, legend{s.name, s.colour % colours, s.dashed})
		}
		var points strings.Builder
		for i := range s.xs {
			fmt.Fprintf(&points, "%.1f,%.1f ", left(x, s.xs[i]), top(y, s.ys[i]))
		}
		class := fmt.Sprintf("line c%d", s.colour%colours)
		if s.dashed {
			class += " dashed"
		}
		if len(s.xs) == 1 {
			fmt.Fprintf(&b, `<circle class="dot c%d" cx="%.1f" cy="%.1f" r="4"/>`, s.colour%colours, left(x, s.xs[0]), top(y, s.ys[0]))
		}
		fmt.Fprintf(&b, `<polyline class="%s" points="%s"/>`, class, strings.TrimSpace(points.String()))
	}
	b.WriteString("</svg>")
	c.SVG = template.HTML(b.String()) // numbers, and words that frame has escaped
	return c
}

func left(x axis, v float64) float64 {
	return plotLeft + x.place(v)*(chartWidth-plotLeft-plotRight)
}
func top(y axis, v float64) float64 {
	return chartHeight - plotBottom - y.place(v)*(chartHeight-plotTop-plotBottom)
}

func frame(b *strings.Builder, title string, x, y axis) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(title))
	for _, t := range y.ticks {
		at := top(y, t.at)
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text class="tick" x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, chartWidth-plotRight, at, at, plotLeft-8, at+4, html.EscapeString(t.text))
	}
	for _, t := range x.ticks {
		at := left(x, t.at)
		fmt.Fprintf(b, `<line class="grid faint" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text class="tick" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`,
			at, at, plotTop, chartHeight-plotBottom, at, chartHeight-plotBottom+18, html.EscapeString(t.text))
	}
	fmt.Fprintf(b, `<text class="axis" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, (plotLeft+chartWidth-plotRight)/2, chartHeight-6, html.EscapeString(x.label))
	fmt.Fprintf(b, `<text class="axis" transform="translate(13 %.1f) rotate(-90)" text-anchor="middle">%s</text>`, (plotTop+chartHeight-plotBottom)/2, html.EscapeString(y.label))
}

// bars draws one bar a name, lying, with its value behind it.
func bars(title, sub string, names []string, values []float64, unit string) chart {
	const row = 44.0
	high := 0.0
	for _, v := range values {
		high = max(high, v)
	}
	if high == 0 {
		high = 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, chartWidth, row*float64(len(names))+4, html.EscapeString(title))
	for i, name := range names {
		y := row * float64(i)
		width := values[i] / high * (chartWidth - 130)
		fmt.Fprintf(&b, `<text class="bar" x="0" y="%.1f">%s</text>`, y+14, html.EscapeString(name))
		fmt.Fprintf(&b, `<rect class="fill c%d" x="0" y="%.1f" width="%.1f" height="18" rx="3"/>`, i%colours, y+20, max(1, width))
		fmt.Fprintf(&b, `<text class="value" x="%.1f" y="%.1f">%s %s</text>`, width+8, y+34, short3(values[i]), html.EscapeString(unit))
	}
	b.WriteString("</svg>")
	return chart{Title: title, Sub: sub, SVG: template.HTML(b.String())}
}
