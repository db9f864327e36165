package bench

import (
	"context"
	"net/url"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

// Herd has all connections ask for one URL at the same moment, which nobody asked for before: a cold stampede. The origin should be
// read once, and everyone served while its bytes arrive. Each target is one round; bodies are checked.
type Herd struct {
	Origin *url.URL // bench's origin, asked how often it was read; nil does not ask
}

// Name is herd.
func (Herd) Name() string { return "herd" }

// Load does a round for every target.
func (h Herd) Load(ctx context.Context, r *Run, targets []Target) error {
	r.checkBodies()
	for i, t := range targets {
		if ctx.Err() != nil {
			r.Demand(false, "every round is done", "%d of %d", i, len(targets))
			break
		}
		before, err := h.reads(ctx, t)
		if err != nil {
			return err
		}
		stampede(ctx, r, t)
		after, err := h.reads(ctx, t)
		if err != nil {
			return err
		}
		if h.Origin != nil {
			r.Demand(after-before == 1, "the origin is read once", "%d reads for %d clients", after-before, r.Connections)
		}
	}
	r.demandAnswers()
	return nil
}

// stampede opens every connection first, so that what is measured is the wait for bytes and not for accepts.
func stampede(ctx context.Context, r *Run, t Target) {
	var ready sync.WaitGroup
	ready.Add(r.Connections)
	begin := make(chan struct{})
	var started time.Time
	go func() {
		ready.Wait()
		started = time.Now()
		close(begin)
	}()
	workers(r.Connections, func(int) {
		a := asker{run: r}
		defer a.close()
		c, err := dial(ctx, t, r.Client)
		ready.Done()
		<-begin
		if err != nil {
			r.Fail(err)
			return
		}
		a.conn, a.at = c, t.Addr
		r.Opened()
		_, _ = a.ask(ctx, t, started, nil) // it is recorded
	})
}

func (h Herd) reads(ctx context.Context, t Target) (int64, error) {
	if h.Origin == nil {
		return 0, nil
	}
	path := t.URL.Path
	if i := indexOwn(path); i >= 0 {
		path = path[i:] // what a ticket puts before it does not reach the origin
	}
	got, err := askReads(ctx, h.Origin, path)
	return got.Paths[path], err
}

// Flash is a flash crowd: viewers who all want a segment as soon as it is there. Arrivals are an open loop over the run's time, the
// first of them on a cold cache; each has a connection if one is free. Bodies are checked.
type Flash struct{}

// Name is flash.
func (Flash) Name() string { return "flash" }

// Load asks for the first target; with several, each is new for an equal part of the time, as a live stream's segments are.
func (Flash) Load(ctx context.Context, r *Run, targets []Target) error {
	if r.Rate == 0 {
		return weir.Errorf(weir.Invalid, "a flash crowd comes at a rate: --rate")
	}
	r.checkBodies()
	each := r.For / time.Duration(len(targets))
	r.loop(ctx, false, func(int, int) Target {
		return targets[min(int(time.Since(r.began)/each), len(targets)-1)]
	})
	r.demandAnswers()
	return nil
}
