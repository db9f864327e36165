package edge_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// memoryListener gives connections that are two buffers, without a kernel between: for fuzzing.
type memoryListener struct {
	conns chan net.Conn
	over  chan struct{}
	close func()
}

func newMemoryListener() *memoryListener {
	l := &memoryListener{conns: make(chan net.Conn), over: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.over) })
	return l
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error   { l.close(); return nil }
func (l *memoryListener) Addr() net.Addr { return memoryAddr }

var memoryAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}

// exchange sends raw, then the end, and returns all that comes back until the server closes.
func (l *memoryListener) exchange(raw []byte) []byte {
	there, back := newHalf(), newHalf()
	l.conns <- &memoryConn{in: there, out: back}
	_, _ = there.Write(raw) // the server may have closed before
	there.end()
	b, _ := io.ReadAll(back) // it ends with io.EOF alone
	return b
}

// half is one direction. It is never full.
type half struct {
	mu    sync.Mutex // guards all below
	some  *sync.Cond
	b     bytes.Buffer
	ended bool
}

func newHalf() *half {
	h := &half{}
	h.some = sync.NewCond(&h.mu)
	return h
}

func (h *half) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return 0, net.ErrClosed
	}
	h.some.Broadcast()
	return h.b.Write(p)
}

func (h *half) Read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.b.Len() == 0 && !h.ended {
		h.some.Wait()
	}
	return h.b.Read(p)
}

func (h *half) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.some.Broadcast()
}

// memoryConn is the server's end. Its deadlines do nothing: the client is never slow.
type memoryConn struct{ in, out *half }

func (c *memoryConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *memoryConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memoryConn) Close() error                     { c.in.end(); c.out.end(); return nil }
func (c *memoryConn) LocalAddr() net.Addr              { return memoryAddr }
func (c *memoryConn) RemoteAddr() net.Addr             { return memoryAddr }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
