package edge

import (
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"
)

// openConns is the connections that are open. The zero value is none.
type openConns struct {
	mu       sync.Mutex // guards all below
	conns    map[*conn]struct{}
	parked   map[*conn]struct{}
	draining bool
	revived  chan<- *conn // takes parked connections on which something arrived; set before the first
	idle     time.Duration
	over     chan struct{} // closed when nothing is revived any more
	parkers  sync.WaitGroup
	empty    chan struct{} // if not nil, closed when the last connection has ended
}

// changed is the server's ConnState hook.
func (o *openConns) changed(nc net.Conn, state fasthttp.ConnState) {
	c := nc.(*conn) // the listener makes no others
	switch state {
	case fasthttp.StateActive:
		if c.enter(phaseReading); c.line == lineAhead { // it was read with the request before
			c.line = lineSeen
		}
	case fasthttp.StateIdle:
		c.enter(phaseIdle)
		c.line = lineAhead
	case fasthttp.StateNew:
		o.mu.Lock()
		defer o.mu.Unlock()
		if c.parked.Load() {
			c.parked.Store(false)
			if c.watch.cut { // a cut that came as it parked cut nothing
				c.watch.cut = false
				_ = c.SetWriteDeadline(time.Time{}) // fails only if it is closed already
			}
			delete(o.parked, c)
			c.enter(phaseReading)
		}
		if o.conns == nil {
			o.conns = map[*conn]struct{}{}
		}
		o.conns[c] = struct{}{}
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.conns, c)
		if c.parked.Load() && !o.draining {
			c.held = nil // up to two small answers
			o.park(c)
			return
		}
		if c.parked.Load() {
			_ = c.Conn.Close()
		}
		o.tell()
	}
}

func (o *openConns) tell() {
	if o.empty != nil && len(o.conns) == 0 {
		close(o.empty)
		o.empty = nil
	}
}

func (o *openConns) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.conns) + len(o.parked)
}

// idlers is how many connections are parked.
func (o *openConns) idlers() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.parked)
}

// closeAll closes every connection; the channel is closed once their handlers have ended. It is called once.
func (o *openConns) closeAll() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	empty := make(chan struct{})
	o.empty = empty
	for c := range o.conns {
		_ = c.lower.Close() // the server sees it and ends the connection; TLS would wait for room for its farewell
	}
	o.tell()
	return empty
}

// each calls f for every connection.
func (o *openConns) each(f func(*conn)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		f(c)
	}
}

// park waits for the next byte of an idle connection without a buffer. The caller holds mu.
func (o *openConns) park(c *conn) {
	if o.parked == nil {
		o.parked = map[*conn]struct{}{}
	}
	o.parked[c] = struct{}{}
	o.parkers.Go(func() {
		err := c.SetReadDeadline(time.Now().Add(o.idle))
		if err == nil {
			err = c.raw.Read(func(fd uintptr) bool { // it must look: what came before this call wakes nobody
				var b [1]byte
				_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK)
				return err != unix.EAGAIN && err != unix.EINTR
			})
		}
		if err == nil {
			err = c.SetReadDeadline(time.Time{})
		}
		if err == nil && o.revive(c) {
			return
		}
		_ = c.Conn.Close()
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.parked, c)
	})
}

func (o *openConns) revive(c *conn) bool {
	select {
	case o.revived <- c:
		return true
	case <-o.over:
		return false
	}
}

// closeParked ends the idle connections and parks no more.
func (o *openConns) closeParked() {
	o.mu.Lock()
	if !o.draining {
		close(o.over)
	}
	o.draining = true
	for c := range o.parked {
		_ = c.Conn.Close()
	}
	o.mu.Unlock()
	o.parkers.Wait()
}
