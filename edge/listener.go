package edge

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
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

// mediaListener makes connections that send by reference.
type mediaListener struct {
	net.Listener
	tls *tls.Config        // nil: in the clear
	at  func(point string) // nil: no named points
}

// Accept wraps the connection. A TLS handshake happens at the first read, in the connection's own goroutine.
func (l mediaListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(c, l.tls, l.at), nil
}
