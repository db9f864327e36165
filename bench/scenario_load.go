package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	weir "github.com/weirstream/weir"
)

// Hot asks for cached objects over connections that stay open: the hit path. In a closed loop it finds the most a server
// does; with a rate, what that rate's latency is.
type Hot struct{}

// Name is hot.
func (Hot) Name() string { return "hot" }

// Load asks for the targets in turn.
func (Hot) Load(ctx context.Context, r *Run, targets []Target) error {
	r.loop(ctx, false, func(worker, n int) Target { return targets[(worker+n)%len(targets)] })
	r.demandAnswers()
	return nil
}

// demandAnswers demands that there were answers and nothing else.
func (r *Run) demandAnswers() {
	r.Recorder.mu.Lock()
	var right, wrong int64
	for _, k := range r.kinds {
		right += k.requests
	}
	var names []string
	for name, n := range r.errors {
		wrong += n
		names = append(names, fmt.Sprintf("%d x %s", n, name))
	}
	r.Recorder.mu.Unlock()
	r.Demand(right > 0, "requests are answered", "%d", right)
	r.Demand(wrong == 0, "no request fails", "%d failed%s", wrong, strings.Join(append([]string{""}, names...), " "))
}

// Churn opens a connection for every request: with a rate, a storm of connects of that rate.
type Churn struct{}

// Name is churn.
func (Churn) Name() string { return "churn" }

// Load asks for the targets in turn, each over a connection of its own.
func (Churn) Load(ctx context.Context, r *Run, targets []Target) error {
	r.loop(ctx, true, func(worker, n int) Target { return targets[(worker+n)%len(targets)] })
	r.demandAnswers()
	return nil
}

// Tokens asks with many different rights: URLs of a list, or made of a template by Expand. Each is asked for in random order, as
// the tickets of many viewers would come.
type Tokens struct{}

// Name is tokens.
func (Tokens) Name() string { return "tokens" }

// Load asks for targets drawn at random.
func (Tokens) Load(ctx context.Context, r *Run, targets []Target) error {
	r.Setting("distinct URLs", len(targets))
	r.loop(ctx, false, func(worker, n int) Target {
		p := rand.NewPCG(r.Seed+uint64(worker), uint64(n))
		return targets[p.Uint64()%uint64(len(targets))]
	})
	r.demandAnswers()
	return nil
}

// maxTargets bounds what a run asks for.
const maxTargets = 1_000_000

// Expand makes the URLs of a template: {n} becomes 0, 1, 2, ... below count, {fresh} a word that is new in every run. A URL
// without {n} stays one. Errors are Invalid.
func Expand(templates []string, count int, fresh string) ([]string, error) {
	if count < 1 || count*len(templates) > maxTargets {
		return nil, weir.Errorf(weir.Invalid, "1 to %d URLs", maxTargets)
	}
	var out []string
	for _, t := range templates {
		t = strings.ReplaceAll(t, "{fresh}", fresh)
		if !strings.Contains(t, "{n}") {
			out = append(out, t)
			continue
		}
		for n := range count {
			out = append(out, strings.ReplaceAll(t, "{n}", strconv.Itoa(n)))
		}
	}
	return out, nil
}
