package enginetest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server on TCP and does what networks do: it delays, cuts, resets, swallows and
// refuses. Faults are set while connections are open. Safe for concurrent use.
type Proxy struct {
	upstream string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	refuse  bool
	silent  bool
	delay   time.Duration
	cut     int64 // bytes until the next reset; -1 is none
	changed chan struct{}
	open    map[*net.TCPConn]struct{}
	closed  bool
}

// NewProxy listens on a free port of loopback for connections to upstream ("127.0.0.1:6379"). It closes with the test.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{upstream: upstream, listener: l, cut: -1, changed: make(chan struct{}), open: map[*net.TCPConn]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Refuse resets new connections while on.
func (p *Proxy) Refuse(on bool) { p.set(func() { p.refuse = on }) }

// Silence keeps connections open while on, and lets no byte through: a server that hangs.
func (p *Proxy) Silence(on bool) { p.set(func() { p.silent = on }) }

// Delay holds every read from the server back for d: a slow network.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// CutAfter resets the connection on which the n-th byte from the server from now on arrives, once; the bytes before it
// go on.
func (p *Proxy) CutAfter(n int64) { p.set(func() { p.cut = n }) }

// Reset resets every open connection.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		reset(c)
	}
}

// Heal ends all faults.
func (p *Proxy) Heal() {
	p.set(func() { p.refuse, p.silent, p.delay, p.cut = false, false, 0, -1 })
}

func (p *Proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Heal()
	_ = p.listener.Close()
	p.Reset()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	if !p.add(client) {
		reset(client)
		return
	}
	defer p.remove(client)
	up, err := net.DialTimeout("tcp", p.upstream, 5*time.Second)
	if err != nil {
		reset(client)
		return
	}
	server := up.(*net.TCPConn)
	if !p.add(server) {
		reset(server)
		return
	}
	defer p.remove(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, false) })
	both.Go(func() { p.copy(client, server, true) })
	both.Wait()
}

// copy moves bytes until one side ends; answers says that they come from the server.
func (p *Proxy) copy(to, from *net.TCPConn, answers bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			before, cut := p.pass(n, answers)
			if _, err := to.Write(buf[:before]); err != nil || cut {
				reset(from)
				reset(to)
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				reset(to)
			}
			_ = to.CloseWrite()
			return
		}
	}
}

// pass waits as long as the faults ask for, and says how many of n bytes go on, and whether the connection is cut then.
func (p *Proxy) pass(n int, answers bool) (before int, cut bool) {
	p.mu.Lock()
	for p.silent && !p.closed {
		changed := p.changed
		p.mu.Unlock()
		<-changed
		p.mu.Lock()
	}
	delay, before := p.delay, n
	if answers && p.cut >= 0 {
		if p.cut -= int64(n); p.cut <= 0 {
			before, cut = n+int(p.cut)-1, true // p.cut is how far beyond the n-th byte this is, below 0
			p.cut = -1
		}
	}
	changed := p.changed
	p.mu.Unlock()
	if answers && delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-changed:
		}
	}
	return before, cut
}

func (p *Proxy) add(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.closed {
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) remove(c *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close()
}

// reset closes with a RST, as a crashed peer does.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
