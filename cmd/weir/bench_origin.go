package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
)

type benchOrigin struct {
	Listen string        `help:"A loopback address; port 0 is a free one." default:"127.0.0.1:8090" placeholder:"ADDR"`
	Delay  time.Duration `help:"Wait before every body." default:"0s" placeholder:"DURATION"`
	MaxAge time.Duration `help:"How long caches may keep bodies." default:"1h" placeholder:"DURATION"`
	Faults []string      `help:"What goes wrong: truncate, reset, chunked, slow, length, error; or all. Comma-separated." placeholder:"LIST"`
	Share  float64       `help:"The share of answers with a fault." default:"0.2" placeholder:"N"`
	Stall  time.Duration `help:"How long slow answers stop." default:"2s" placeholder:"DURATION"`
	Seed   uint64        `help:"Of the faults." default:"1" placeholder:"N"`
}

// Run serves until the process is told to stop.
func (c benchOrigin) Run(e env) error {
	if local, err := isLoopback(c.Listen); err != nil || !local {
		return weir.Errorf(weir.Invalid, "--listen %q is not a loopback address such as 127.0.0.1:8090", c.Listen)
	}
	o := &bench.Origin{Delay: c.Delay, MaxAge: c.MaxAge}
	if len(c.Faults) > 0 {
		var err error
		if o.Faults, err = bench.NewFaults(c.Faults, c.Share, c.Stall, c.Seed); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(e.out, "http://%s\n", l.Addr())
	s := &http.Server{Handler: o, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-e.ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop: %w", err)
	}
	_ = s.Close() // what did not end in time
	<-done
	return nil
}
