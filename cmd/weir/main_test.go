package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	weir "github.com/weirstream/weir"
)

func TestExitCode(t *testing.T) {
	f := func(err error, want int) {
		t.Helper()
		if got := exitCode(err); got != want {
			t.Errorf("exitCode(%v) = %d, want %d", err, got, want)
		}
	}
	f(nil, 0)
	f(refusedError{"no picture and no sound"}, 2)
	f(fmt.Errorf("ingest: %w", refusedError{"no picture and no sound"}), 2)
	f(fmt.Errorf("upload: %w", weir.Errorf(weir.Unprocessable, "the SHA-256 is another")), 2)
	f(fmt.Errorf("upload: %w", weir.Errorf(weir.TooLarge, "too large")), 2)
	f(weir.Errorf(weir.Full, "the disk is full"), 1) // the same file may be taken tomorrow
	f(weir.Errorf(weir.NotFound, "no such asset"), 1)
	f(context.Canceled, 1)
	f(errors.Join(errors.New("a"), errors.New("b")), 1)
}
