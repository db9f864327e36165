package edge

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// watched is what the watcher knows of a connection; only it uses it.
type watched struct {
	state  uint32
	age    time.Duration // in this state
	acked  int64         // bytes the client's machine has taken, when last looked at
	credit float64       // bytes the client may still fall behind; see watcher
	cut    bool
}

// watcher ends connections that take too long, looking at all of them every tick instead of setting deadlines for each
// request and each write. A client that is sent something starts with a credit of MinRate for Grace; what its machine
// acknowledges is added, up to that again, and MinRate a second is taken away while there is something to send. Whoever
// has no credit left is cut. So a slow reader above the rate finishes however long it takes, a stalled one ends after
// Grace, and waiting for a fill costs nobody anything.
type watcher struct {
	config Config
	conns  *openConns
	slow   func() // called for each reader that is cut
}

// parkAfter is how long an idle connection keeps its buffers: longer than a player at work takes between two requests of a
// burst.
const parkAfter = 2 * time.Second

// tick is short against every bound, so that tests with short ones are exact enough.
func (w *watcher) tick() time.Duration {
	least := min(w.config.ReadTimeout, w.config.IdleTimeout, w.config.Grace)
	return min(max(least/8, time.Millisecond), time.Second)
}

func (w *watcher) run(ctx context.Context) {
	t := time.NewTicker(w.tick())
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		dt := min(now.Sub(last), 2*w.tick()) // a pause of this process is no fault of the clients
		w.conns.each(func(c *conn) { w.look(c, dt) })
		last = now
	}
}

// look judges one connection after another dt. A past deadline wakes whatever waits for the client.
func (w *watcher) look(c *conn, dt time.Duration) {
	k, state := &c.watch, c.state.Load()
	if k.age += dt; state != k.state {
		k.age, k.state = 0, state
	}
	past := time.Unix(1, 0)
	switch p := phase(state) % phases; {
	case k.cut:
	case p == phaseSending:
		w.rate(c, dt, past)
	case p == phaseIdle && k.age > min(parkAfter, w.config.IdleTimeout/4) && k.age < w.config.IdleTimeout && c.raw != nil && !c.parking.Load():
		c.wantPark()
	case p == phaseReading && k.age > w.config.ReadTimeout, p == phaseIdle && k.age > w.config.IdleTimeout:
		k.cut = true
		_ = c.SetReadDeadline(past)                            // fails only if it is closed already
		_ = c.SetWriteDeadline(time.Now().Add(w.config.Grace)) // for the 408: nobody looks at it again
	}
}

// rate takes dt off the credit of who is sent something.
func (w *watcher) rate(c *conn, dt time.Duration, past time.Time) {
	k, full := &c.watch, float64(w.config.MinRate)*w.config.Grace.Seconds()
	acked := max(c.sent.Load()-unacked(c), k.acked) // what a call under way has queued is not in sent yet
	if k.acked == 0 && k.credit == 0 {
		k.credit = full
	}
	k.credit = min(k.credit+float64(acked-k.acked)-float64(w.config.MinRate)*dt.Seconds(), full)
	k.acked = acked
	if k.credit >= 0 {
		return
	}
	k.cut = true
	w.slow()
	if c.tcp != nil {
		_ = c.tcp.SetLinger(0) // what is queued for it is dropped, and it learns that by a reset
	}
	_ = c.SetDeadline(past)
}

// unacked is how much the kernel still holds for the client: up to megabytes, which a slow reader takes a minute for
// while no write makes progress.
func unacked(c *conn) (n int64) {
	if c.tcp == nil {
		return 0
	}
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if queued, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = int64(queued)
		}
	})
	return n
}
