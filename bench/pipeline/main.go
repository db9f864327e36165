// Command bench measures a plain weir binary from outside: what its edge serves a CPU-second, and what its pipeline costs
// beside a hand-run ffmpeg of the same ladder. It prints Markdown with ratios from one run; it only talks to loopback
// addresses, and stops by itself.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

type cli struct {
	Edge     edgeCmd     `cmd:"" help:"Requests and bytes per server CPU-second for cached segments."`
	Pipeline pipelineCmd `cmd:"" help:"Wall and CPU seconds of an ingest against hand-run ffmpeg."`
}

// env is what a measurement needs of the process it runs in.
type env struct {
	ctx context.Context
	out io.Writer
}

func main() {
	var c cli
	parsed := kong.Parse(&c, kong.Name("bench"), kong.Description("Measure a weir binary. Prints Markdown."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	e := env{ctx: ctx, out: os.Stdout}
	fmt.Fprintf(e.out, "# %s, %s\n\n%d cores, %s. Machines are shared and noisy: read ratios of one run.\n\nCommand: `bench", strings.Fields(parsed.Command())[0],
		time.Now().UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), runtime.Version())
	for _, a := range os.Args[1:] {
		fmt.Fprintf(e.out, " %s", a)
	}
	fmt.Fprint(e.out, "`\n\n")
	if err := parsed.Run(e); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
