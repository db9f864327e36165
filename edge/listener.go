package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"
)

// acceptDelay is how long accepting rests when the process is short of what a connection needs.
const acceptDelay = 50 * time.Millisecond

// patientListener goes on when a connection cannot be accepted for want of file descriptors or memory. fasthttp takes
// that for the end of the listener, and a flood of connections would end the process.
type patientListener struct {
	net.Listener
	log  *slog.Logger
	warn *limiter
}

// Accept returns the next connection, or an error that will not pass.
func (l patientListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil || !passing(err) {
			return c, err
		}
		if l.warn.due(time.Now()) {
			l.log.Warn("connections cannot be accepted", "error", err)
		}
		time.Sleep(acceptDelay)
	}
}

// passing says whether accept may work again once other connections have ended.
func passing(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// mediaListener makes connections that send by reference, and refuses those that are too many.
type mediaListener struct {
	net.Listener
	tls    *tls.Config        // nil: in the clear
	at     func(point string) // nil: no named points
	fail   func(error)        // told of each TLS handshake that fails
	room   func() bool
	refuse func(net.Conn) // takes the connection over
	ready  chan *conn
	failed chan error // of one
}

// Accept gives the next connection: a new one, or one that was parked. A TLS handshake happens at the first read, in the
// connection's own goroutine.
func (l mediaListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	}
}

// accept fills ready until the listener is closed.
func (l mediaListener) accept(over <-chan struct{}) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.failed <- err
			return
		}
		if !l.room() {
			l.refuse(c)
			continue
		}
		mc := newConn(c, l.tls, l.at)
		if mc.tls != nil {
			mc.unshaken = l.fail
		}
		select {
		case l.ready <- mc:
		case <-over:
			_ = c.Close()
		}
	}
}

// Refused connections are read from for a moment, so that no reset overtakes their answer; only so many at once.
const (
	maxRefusals   = 64
	refusalLinger = time.Second
)

// refuser answers 503 to connections that are too many.
type refuser struct {
	handler *handler
	answer  []byte // whole
	slots   chan struct{}
}

func newRefuser(h *handler) *refuser {
	const body = `{"type":"` + problemBase + `unavailable","title":"Service Unavailable","status":503,"detail":"the edge has too many connections"}`
	return &refuser{h, []byte("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nCache-Control: no-store\r\n" +
		"Access-Control-Allow-Origin: *\r\nContent-Type: application/problem+json\r\nContent-Length: " + strconv.Itoa(len(body)) +
		"\r\n\r\n" + body), make(chan struct{}, maxRefusals)}
}

// refuse ends c. It does not wait for it. Over TLS there is nothing to say before a handshake.
func (r *refuser) refuse(c net.Conn) {
	r.handler.metrics.refused.Inc()
	if r.handler.warnRefuse.due(time.Now()) {
		r.handler.log.Warn("too many concurrent connections: new ones are refused", "limit", r.handler.config.Connections)
	}
	select {
	case r.slots <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	r.handler.shelf.reads.Go(func() {
		defer func() { <-r.slots }()
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(refusalLinger))
		if r.handler.config.TLSCert != "" {
			return
		}
		if _, err := c.Write(r.answer); err != nil {
			return
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(c, smallBytes))
	})
}
