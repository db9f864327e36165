package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// story is what roles did, in order.
type story struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (s *story) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

// good is a role that runs until its context ends, and takes a while for its end.
func (s *story) good(name string, ending time.Duration) role {
	return role{name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(ending) // on the clock of synctest
		s.add(name + " ended")
		return ctx.Err()
	}}
}

// runRoles runs roles until stopAfter, on a clock that only waits move, and returns what they did and what run returned.
func runRoles(t *testing.T, stopAfter time.Duration, roles func(s *story) []role) (lines []string, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), stopAfter)
		defer stop()
		var s story
		p := &process{cmd: *valid(func(c *serveCmd) { c.Limits.StopWithin = 20 * time.Second }), log: slog.New(slog.DiscardHandler), ready: &readiness{}}
		p.ready.add("never", func() error { return errors.New("not yet") }) // announces nothing: there are no listeners here
		start := time.Now()
		err = p.run(env{ctx: ctx, out: io.Discard}, roles(&s))
		took = time.Since(start)
		if problems := p.ready.problems(); !slices.Contains(problems, "stopping") {
			t.Errorf("when all has stopped it is not ready for %v", problems)
		}
		time.Sleep(time.Hour) // what was stuck ends, too: synctest asks for it
		s.mu.Lock()
		lines = slices.Clone(s.lines)
		s.mu.Unlock()
	})
	return lines, took, err
}

// A stop is no error. What others need ends last.
func TestGracefulStop(t *testing.T) {
	lines, took, err := runRoles(t, time.Minute, func(s *story) []role {
		return []role{s.good("engines", 0), s.good("edge", 2*time.Second), s.good("control", time.Second), s.good("admin", time.Second)}
	})
	if err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	if want := []string{"control ended", "edge ended", "engines ended", "admin ended"}; !slices.Equal(lines, want) {
		t.Errorf("they ended as %v, want %v", lines, want)
	}
	if took != time.Minute+3*time.Second {
		t.Errorf("run took %v", took)
	}
}

// When a role fails or ends by itself, the others stop too, and the error is there once, with the role's name.
func TestRoleFails(t *testing.T) {
	f := func(name string, failing error, want string) {
		t.Helper()
		lines, took, err := runRoles(t, time.Hour, func(s *story) []role {
			return []role{s.good("engines", 0), s.good("edge", time.Second), s.good("admin", 0),
				{name, func(context.Context) error { time.Sleep(time.Minute); return failing }}}
		})
		if err == nil || err.Error() != want {
			t.Errorf("run = %v, want %q", err, want)
		}
		if !slices.Contains(lines, "edge ended") || took > 2*time.Minute {
			t.Errorf("the others did %v within %v", lines, took)
		}
	}
	f("transcode", errors.New("no such table"), "transcode: no such table")
	f("transcode", nil, "transcode: it ended by itself")
	f("transcode", context.Canceled, "transcode: context canceled") // not of ours
}

// What fails under the others takes them with it.
func TestEngineFails(t *testing.T) {
	lines, _, err := runRoles(t, time.Hour, func(s *story) []role {
		return []role{{"engines", func(context.Context) error { return errors.New("disk full") }}, s.good("edge", 0), s.good("admin", 0)}
	})
	if err == nil || err.Error() != "engines: disk full" || !slices.Contains(lines, "edge ended") || !slices.Contains(lines, "admin ended") {
		t.Errorf("run = %v after %v", err, lines)
	}
}

// An error of the stop itself is told.
func TestStopFails(t *testing.T) {
	_, _, err := runRoles(t, time.Minute, func(s *story) []role {
		return []role{s.good("admin", 0), {"edge", func(ctx context.Context) error { <-ctx.Done(); return errors.New("cannot drain") }}}
	})
	if err == nil || err.Error() != "edge: cannot drain" {
		t.Errorf("run = %v, want the edge's error", err)
	}
}

// The bound holds whatever a role does; those that remain are named, and so is what failed before.
func TestStopIsBounded(t *testing.T) {
	stuck := func(s *story) role {
		return role{"edge", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Minute); return nil }}
	}
	_, took, err := runRoles(t, time.Minute, func(s *story) []role { return []role{s.good("admin", 0), s.good("keys", 0), stuck(s)} })
	if !errors.As(err, new(stuckError)) || err.Error() != "gave up waiting for admin, edge to stop" {
		t.Errorf("run = %v, want what it waited for", err)
	}
	if took != time.Minute+20*time.Second {
		t.Errorf("run took %v, want the bound of 20 s after a minute", took)
	}
	_, _, err = runRoles(t, time.Hour, func(s *story) []role {
		return []role{s.good("admin", 0), stuck(s), {"keys", func(context.Context) error { return errors.New("no key") }}}
	})
	if !errors.As(err, new(stuckError)) || !strings.HasPrefix(err.Error(), "keys: no key\n") {
		t.Errorf("run = %v, want also what failed first", err)
	}
}

// Addresses are printed when everything is ready, and not before.
func TestAnnounce(t *testing.T) {
	var log, out bytes.Buffer
	p := newTestProcess(&log, func(c *serveCmd) { c.JSON = true })
	if err := p.listen(everything); err != nil {
		t.Fatal(err)
	}
	defer p.closeListeners()
	asked := 0
	p.ready.add("edge", func() error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	p.announce(t.Context(), &out)
	if asked != 3 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("announce asked %d times and printed %q", asked, out.String())
	}
	out.Reset()
	p.ready.add("edge", func() error { return errors.New("never") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.announce(ctx, &out)
	if out.Len() > 0 {
		t.Errorf("announce of what was stopped before it was ready printed %q", out.String())
	}
}

// Who looks for the process in the registry learns that it goes before it does.
func TestRegistrationsEndFirst(t *testing.T) {
	lines, _, err := runRoles(t, time.Minute, func(s *story) []role {
		return []role{s.good("edge", 0), s.good(registrationOf+"edge", 3*time.Second), s.good("engines", 0)}
	})
	want := []string{registrationOf + "edge ended", "edge ended", "engines ended"}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("run = %v after %q, want %q", err, lines, want)
	}
}

// A registry that does not answer does not keep the process for long.
func TestStuckRegistrationDoesNotKeepTheRoles(t *testing.T) {
	lines, _, err := runRoles(t, time.Minute, func(s *story) []role {
		return []role{s.good("edge", 0), s.good(registrationOf+"edge", 10*time.Second), s.good("engines", 0)}
	})
	want := []string{"edge ended", registrationOf + "edge ended", "engines ended"}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("run = %v after %q, want %q", err, lines, want)
	}
}
