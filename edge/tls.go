package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// certificateTick is how often the files of a certificate are looked at.
const certificateTick = time.Second

// certificates is a certificate that follows its files.
type certificates struct {
	cert, key string
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]
	seen      [2]time.Time // modification times of what was read last, good or not
}

func loadCertificates(cert, key string, log *slog.Logger) (*certificates, error) {
	c := &certificates{cert: cert, key: key, log: log}
	c.seen, _ = c.times() // what is missing fails below
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// load reads the files. A pair that does not fit together changes nothing.
func (c *certificates) load() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificates) times() (t [2]time.Time, err error) {
	for i, name := range [...]string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return t, fmt.Errorf("look at certificate: %w", err)
		}
		t[i] = info.ModTime()
	}
	return t, nil
}

// watch looks at the files every tick until ctx ends.
func (c *certificates) watch(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.check()
		}
	}
}

// check loads the files if they changed. Files that are bad, or of which only one was replaced yet, are tried again at
// their next change; until then the old pair is used.
func (c *certificates) check() {
	now, err := c.times()
	if err == nil && now == c.seen {
		return
	}
	if err == nil {
		c.seen = now
		err = c.load()
	}
	if err != nil {
		c.log.Warn("the new certificate is not used", "error", err)
		return
	}
	c.log.Info("certificate loaded", "file", c.cert)
}

func (c *certificates) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil }}
}

// handshakes counts the TLS handshakes that fail, by kind.
type handshakes struct{ *prometheus.CounterVec }

func newHandshakes() handshakes {
	return handshakes{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_edge_tls_handshake_failures_total",
		Help: "TLS handshakes that failed: plain (no TLS was spoken), version (older than 1.3), refused (by the client), closed, timeout, other."}, []string{"kind"})}
}

// failed counts what a read or write before the end of a handshake says.
func (h handshakes) failed(err error) { h.WithLabelValues(handshakeFailure(err)).Inc() }

func handshakeFailure(err error) string {
	var plain tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &plain):
		return "plain"
	case errors.As(err, &op) && op.Op == "remote error": // an alert
		return "refused"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "closed"
	case strings.Contains(err.Error(), "unsupported versions"): // crypto/tls has no name for it
		return "version"
	}
	return "other"
}

// handshook is told what a read gave, and counts it if it was the end of a handshake that failed.
func (c *conn) handshook(err error) {
	if err != nil && !c.tls.ConnectionState().HandshakeComplete {
		c.unshaken(err)
	}
	c.unshaken = nil
}
