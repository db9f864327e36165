package main

import (
	"sync"
	"sync/atomic"
	"testing"

	weir "github.com/weirstream/weir"
)

func TestCountdown(t *testing.T) {
	f := func(spec string, reach []string, want int) {
		t.Helper()
		c, err := parseKill(spec)
		if err != nil {
			t.Fatalf("parseKill(%q): %v", spec, err)
		}
		at := 0
		for i, point := range reach {
			if c.reached(point) {
				if at != 0 {
					t.Errorf("%s was reached twice", spec)
				}
				at = i + 1
			}
		}
		if at != want {
			t.Errorf("%s is reached at call %d of %v, want %d", spec, at, reach, want)
		}
	}
	f("a", []string{"a"}, 1)
	f("a", []string{"b", "ab", ""}, 0)
	f("a", []string{"b", "a", "a"}, 2)
	f("a:1", []string{"a"}, 1)
	f("a.b:3", []string{"a.b", "a", "a.b", "a.b:3", "a.b", "a.b"}, 5)
	f("a:2", []string{"a"}, 0)

	for _, spec := range []string{"a:", "a:0", "a:-1", "a:x", "a:1:2"} {
		if _, err := parseKill(spec); weir.KindOf(err) != weir.Invalid {
			t.Errorf("parseKill(%q): %v, want Invalid", spec, err)
		}
	}
}

// Whoever reaches the point at the same time, one of them is the last.
func TestCountdownIsShared(t *testing.T) {
	c, err := parseKill("a:50")
	if err != nil {
		t.Fatal(err)
	}
	var last atomic.Int32
	var workers sync.WaitGroup
	for range 100 {
		workers.Go(func() {
			if c.reached("a") {
				last.Add(1)
			}
		})
	}
	workers.Wait()
	if n := last.Load(); n != 1 {
		t.Errorf("the point was reached %d times, want once", n)
	}
}

func TestNoKillPoint(t *testing.T) {
	if at, err := killPoint(""); at != nil || err != nil {
		t.Errorf(`killPoint("") is not nil (%v)`, err)
	}
	at, err := killPoint("somewhere")
	if err != nil {
		t.Fatal(err)
	}
	at("elsewhere") // and the process lives
}
