package main

import (
	"strconv"
	"strings"
	"sync"
	"syscall"

	weir "github.com/weirstream/weir"
)

// killVariable is read from the environment only: it is for crash tests of the plain binary, and no flag for people.
// WEIR_KILL_AT=worker.chunk-put:2 kills the process when that point is reached the second time.
const killVariable = "WEIR_KILL_AT"

// countdown says when a named point was reached often enough. Safe for concurrent use.
type countdown struct {
	point string

	mu   sync.Mutex // guards left
	left int
}

// parseKill reads point or point:count.
func parseKill(spec string) (*countdown, error) {
	point, count, counted := strings.Cut(spec, ":")
	left := 1
	if counted {
		var err error
		if left, err = strconv.Atoi(count); err != nil || left < 1 {
			return nil, weir.Errorf(weir.Invalid, "%s=%s is not a point and how many times it is reached", killVariable, spec)
		}
	}
	return &countdown{point: point, left: left}, nil
}

// reached is true once, when point is the counted one and this is its last time.
func (c *countdown) reached(point string) bool {
	if point != c.point {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left--
	return c.left == 0
}

// killPoint returns what components call at their named points, nil for none.
func killPoint(spec string) (func(point string), error) {
	if spec == "" {
		return nil, nil
	}
	c, err := parseKill(spec)
	if err != nil {
		return nil, err
	}
	return func(point string) {
		if c.reached(point) {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way: do nothing more
		}
	}, nil
}
