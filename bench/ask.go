package bench

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// asker is a connection that is opened when it is needed, and again when it was lost. It is used by one goroutine.
type asker struct {
	run  *Run
	at   string
	conn *conn
}

// ask gets a target whose request was meant to start at intended, and records what came of it. body, unless nil, gets what
// a manifest holds. The error is nil if the answer was right.
func (a *asker) ask(ctx context.Context, t Target, intended time.Time, body *[]byte) (answer, error) {
	ans, err := a.get(ctx, t, body)
	if err != nil {
		if !over(ctx) || !errors.Is(err, errDial) { // only a dial is cut off by the end of the run
			a.run.Fail(err)
		}
		return ans, err
	}
	a.run.Answer(t.Kind, ans.bytes, ans.first.Sub(intended), ans.last.Sub(intended))
	return ans, nil
}

// over says whether a run is. A dial gives up at the context's deadline, which may be before the context knows of it.
func over(ctx context.Context) bool {
	end, has := ctx.Deadline()
	return ctx.Err() != nil || has && !time.Now().Before(end)
}

func (a *asker) get(ctx context.Context, t Target, body *[]byte) (answer, error) {
	if a.conn != nil && (a.conn.done || a.at != t.Addr) {
		a.close()
	}
	for {
		fresh := a.conn == nil
		if fresh {
			var err error
			if a.conn, err = dial(ctx, t, a.run.Client); err != nil {
				a.conn = nil
				return answer{}, err
			}
			a.at = t.Addr
			a.run.Opened()
		}
		if err := a.conn.SetDeadline(time.Now().Add(a.run.Patience)); err != nil {
			return answer{}, errors.Join(errReset, err)
		}
		ans, err := a.once(t, body)
		if !fresh && errors.Is(err, errReset) {
			a.close() // the server closed it between two requests, as it may: RFC 9112 section 9.3.1
			continue
		}
		return ans, err
	}
}

func (a *asker) once(t Target, body *[]byte) (answer, error) {
	var sink func([]byte)
	var c *checker
	switch {
	case body != nil:
		*body = (*body)[:0]
		sink = func(b []byte) {
			if len(*body) < maxManifest {
				*body = append(*body, b...)
			}
		}
	case a.run.Client == Check:
		c = a.run.checker(t)
		sink = c.add
	}
	ans, err := a.conn.get(t, sink)
	switch {
	case err != nil:
		return ans, err
	case ans.Status != 200:
		return ans, statusError(ans.Status)
	case c != nil:
		return ans, c.end()
	}
	return ans, nil
}

func (a *asker) close() {
	if a.conn != nil {
		_ = a.conn.Close() // nothing is written that could be lost
		a.conn = nil
	}
}

// interrupt ends reads that wait when ctx does, and returns a function that takes that back.
func interrupt(ctx context.Context, c net.Conn) func() bool {
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) }) // a closed connection needs none
}

// workers runs n goroutines and waits for all.
func workers(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// loop is the engine of most scenarios. In an open loop every arrival of the schedule takes the first connection that is
// free, and its latency counts from the arrival; in a closed loop every connection asks as fast as it is answered. pick
// says what the n-th request asks for. fresh opens a connection for every request.
//
// Arrivals that found no free connection until the run's end are asked for after it, for as long as Patience lasts; what is
// left then has failed. To forget them would be the omission that an open loop is there to avoid.
func (r *Run) loop(ctx context.Context, fresh bool, pick func(worker, n int) Target) {
	var schedule *Schedule
	if r.Rate > 0 {
		schedule = NewSchedule(r.Rate, !r.Constant, r.For, r.Seed)
		var end func()
		ctx, end = r.late(ctx)
		defer end()
	}
	workers(r.Connections, func(i int) {
		a := asker{run: r}
		defer a.close()
		for n := 0; ctx.Err() == nil; n++ {
			intended, number := time.Now(), n
			if schedule != nil {
				at, k, ok := schedule.Next()
				if !ok {
					return
				}
				if !r.wait(ctx, at) {
					r.unasked()
					return
				}
				intended, number = r.began.Add(at), k
			}
			if _, err := a.ask(ctx, pick(i, number), intended, nil); err != nil && schedule == nil {
				pause(ctx, 10*time.Millisecond) // a server that refuses is not asked in a busy loop
			}
			if fresh {
				a.close()
			}
		}
	})
	for schedule != nil {
		if _, _, ok := schedule.Next(); !ok {
			return
		}
		r.unasked()
	}
}

// late is ctx with Patience more, which ends at once if the caller gives the run up.
func (r *Run) late(ctx context.Context) (context.Context, func()) {
	longer, cancel := context.WithDeadline(context.WithoutCancel(ctx), r.began.Add(r.For+r.Patience))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-r.given:
			cancel()
		case <-longer.Done():
		}
	}()
	return longer, func() { cancel(); <-watched }
}

// unasked counts an arrival that no connection was free for. It is none if the caller gave the run up before it was due.
func (r *Run) unasked() {
	select {
	case <-r.given:
	default:
		r.Fail(errUnasked)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
