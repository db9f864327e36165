package conformance_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/conformance"
)

// parallel is how many cases run at once: they mostly wait.
const parallel = 32

// TestConformance plays the table against an edge in the generic mode, which must hold all of it, and against nginx and
// Varnish as Debian has them, whose scores are only told.
func TestConformance(t *testing.T) {
	origin := conformance.NewOrigin()
	defer origin.Close()
	scores := []conformance.Score{{Server: "Weir", Outcomes: run(t, startWeir(t, origin.Address()), origin, "weir")}}
	for _, o := range scores[0].Outcomes {
		if o.Err != nil {
			t.Errorf("%s (%s): %v", o.Case.ID, o.Case.Section, o.Err)
		}
	}
	for _, other := range []struct {
		name  string
		start func(testing.TB, string) string
	}{{"nginx", startNginx}, {"Varnish", startVarnish}} {
		t.Run(other.name, func(t *testing.T) {
			scores = append(scores, conformance.Score{Server: other.name, Outcomes: run(t, other.start(t, origin.Address()), origin, other.name)})
		})
	}
	table := conformance.Markdown(scores)
	t.Log("\n" + table)
	if dir := os.Getenv("WEIR_TEST_REPORT_DIR"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "http-conformance.md"), []byte(table), 0o644); err != nil {
			t.Error(err)
		}
	}
}

func run(t *testing.T, address string, origin *conformance.Origin, name string) []conformance.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	start := time.Now()
	out := conformance.Run(ctx, address, origin, name, conformance.Cases(), parallel)
	t.Logf("%s: %d cases in %v", name, len(out), time.Since(start).Round(time.Millisecond))
	return out
}

func startWeir(t testing.TB, origin string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &edge.Server{Generic: &edge.Generic{Origin: &url.URL{Scheme: "http", Host: origin}}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return ln.Addr().String()
}

// Every case can be told from the others, names a text, and says what it wants.
func TestTable(t *testing.T) {
	ids := map[string]bool{}
	cases := conformance.Cases()
	if len(cases) < 160 {
		t.Errorf("%d cases, want at least 160", len(cases))
	}
	count := map[string]int{}
	for _, c := range cases {
		if ids[c.ID] {
			t.Errorf("two cases are called %s", c.ID)
		}
		ids[c.ID] = true
		wants := 0
		for _, s := range c.Steps {
			wants += len(s.Want)
		}
		if wants == 0 || len(c.Answers) == 0 {
			t.Errorf("%s wants nothing or has no answers", c.ID)
		}
		count[c.RFC()]++
	}
	for _, rfc := range []string{"9110", "9111", "5861", "9211", "9213"} {
		if count[rfc] < 10 {
			t.Errorf("RFC %s has %d cases", rfc, count[rfc])
		}
	}
	t.Logf("%d cases: %v", len(cases), count)
}
