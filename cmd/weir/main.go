// Command weir is the one binary of the Weir streaming platform: every role of it, and the commands people use against a
// running one. It wires parts in start order and decides nothing about media itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/sandbox"
)

// Exit codes of every command.
const (
	exitOK      = 0
	exitFailed  = 1 // anything else
	exitRefused = 2 // the input was refused; the reason is printed
)

func main() {
	sandbox.Child()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// env is what a command needs of the process it runs in.
type env struct {
	ctx    context.Context
	out    io.Writer
	errOut io.Writer
}

// run parses args, runs the command and returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c cli
	code := -1
	parser, err := kong.New(&c, options(out, errOut, func(n int) { code = n })...)
	if err != nil {
		fmt.Fprintln(errOut, "weir:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintf(errOut, "weir: %v\n", err)
		fmt.Fprintln(errOut, `Run "weir --help" for the commands and their flags.`)
		return exitFailed
	}
	err = parsed.Run(env{ctx: ctx, out: out, errOut: errOut})
	if err != nil {
		fmt.Fprintln(errOut, "weir:", err)
	}
	return exitCode(err)
}

// exitCode is 2 for input that was refused, 1 for anything else that went wrong.
func exitCode(err error) int {
	var refused refusedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &refused):
		return exitRefused
	}
	switch weir.KindOf(err) {
	case weir.Unprocessable, weir.TooLarge:
		return exitRefused
	}
	return exitFailed
}

// refusedError says that a master cannot be used, and why.
type refusedError struct{ reason string }

func (e refusedError) Error() string { return "the file was refused: " + e.reason }
