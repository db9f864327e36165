package edge

import (
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// openConns is the connections that are open. The zero value is none.
type openConns struct {
	mu    sync.Mutex // guards all below
	conns map[*conn]struct{}
	empty chan struct{} // if not nil, closed when the last connection has ended
}

// changed is the server's ConnState hook.
func (o *openConns) changed(nc net.Conn, state fasthttp.ConnState) {
	c := nc.(*conn) // the listener makes no others
	switch state {
	case fasthttp.StateActive:
		c.enter(phaseReading)
	case fasthttp.StateIdle:
		c.enter(phaseIdle)
	case fasthttp.StateNew:
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.conns == nil {
			o.conns = map[*conn]struct{}{}
		}
		o.conns[c] = struct{}{}
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.conns, c)
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
	return len(o.conns)
}

// closeAll closes every connection; the channel is closed once their handlers have ended. It is called once.
func (o *openConns) closeAll() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	empty := make(chan struct{})
	o.empty = empty
	for c := range o.conns {
		_ = c.Close() // the server sees it and ends the connection
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
