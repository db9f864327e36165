package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Score is a server's outcomes.
type Score struct {
	Server   string
	Outcomes []Outcome
}

// Markdown is scores side by side: passed of total for each text, and below which cases each server fails.
func Markdown(scores []Score) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, s := range scores {
		b.WriteString(" " + s.Server + " |")
	}
	b.WriteString("\n|-|" + strings.Repeat("-|", len(scores)) + "\n")
	if len(scores) == 0 {
		return b.String()
	}
	var rfcs []string
	for _, o := range scores[0].Outcomes {
		rfcs = append(rfcs, o.Case.RFC())
	}
	slices.Sort(rfcs)
	for _, rfc := range append(slices.Compact(rfcs), "") {
		for _, level := range []Level{Required, Quality} {
			title := "RFC " + rfc
			if rfc == "" {
				title = "all"
			}
			row(&b, title+[...]string{", required", ", quality"}[level], scores, func(c *Case) bool {
				return c.Level == level && (rfc == "" || c.RFC() == rfc)
			})
		}
	}
	for _, s := range scores {
		fmt.Fprintf(&b, "\nRequired cases that %s does not hold:\n\n", s.Server)
		for _, o := range s.Outcomes {
			if o.Err != nil && o.Case.Level == Required {
				fmt.Fprintf(&b, "- %s (%s): %s\n", o.Case.ID, o.Case.Section, strings.ReplaceAll(o.Err.Error(), "\n", " "))
			}
		}
	}
	return b.String()
}

func row(b *strings.Builder, title string, scores []Score, in func(*Case) bool) {
	var cells string
	total := 0
	for _, s := range scores {
		passed := 0
		total = 0
		for _, o := range s.Outcomes {
			if in(o.Case) {
				if total++; o.Err == nil {
					passed++
				}
			}
		}
		cells += fmt.Sprintf(" %d of %d |", passed, total)
	}
	if total > 0 {
		fmt.Fprintf(b, "| %s |%s\n", title, cells)
	}
}
