package main

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// killPoint returns what components call at their named points. WEIR_KILL_AT=worker.chunk-put:2 kills this process with
// SIGKILL when that point is reached the second time: how the kill tests crash a plain binary at an exact place.
func killPoint(spec string) func(point string) {
	if spec == "" {
		return nil
	}
	name, count, found := strings.Cut(spec, ":")
	left, err := strconv.Atoi(count)
	if !found || err != nil || left < 1 {
		left = 1
	}
	var mu sync.Mutex
	return func(point string) {
		if point != name {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if left--; left == 0 {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way: do nothing more
		}
	}
}
