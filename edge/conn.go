package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirstream/weir/edge/cache"
)

// smallBytes is the size below which bytes are cheaper to copy behind the header than to be sent by reference: playlists,
// init segments, audio of a low rate. halfwayBytes is the least run with a named point in its middle.
const (
	smallBytes   = 16 << 10
	halfwayBytes = 48 << 10
)

// phase is what a connection is busy with, as the watcher needs to know it.
type phase uint32

const (
	phaseReading  phase = iota // a request's header, or what is left of its body
	phaseIdle                  // between requests
	phaseHandling              // the edge's own work, fills included
	phaseSending               // the client has to take bytes
	phases
)

// conn is a client's connection. fasthttp's bufio.Writer calls ReadFrom for bodies, which sends runs of memory files by
// sendfile(2) and everything else by write(2) or through TLS. All but the atomics is used by the connection's goroutine.
type conn struct {
	net.Conn              // TCP, or TLS over it
	lower    net.Conn     // without TLS
	tcp      *net.TCPConn // nil if the listener is not TCP's
	tls      *tls.Conn    // nil if it is not encrypted
	raw      syscall.RawConn
	unshaken func(error)        // counts a failed handshake; nil without TLS, or after the first read
	at       func(point string) // nil: no named points

	holding bool   // the next bytes written are a header, and ReadFrom follows
	held    []byte // that header
	out     stream // of the response being sent: there is one at a time
	account *account
	line    line

	send func(fd uintptr) bool // sendSome as a value made once: a closure for each call is an allocation
	sending

	parking atomic.Bool // the watcher wants an idle connection to let go of its buffers
	parkMu  sync.Mutex  // makes one of parking and the read deadline
	parked  atomic.Bool // and it does: Close is not meant

	state atomic.Uint32 // phase, and above it a number that changes with each
	sent  atomic.Int64  // bytes handed to the kernel
	watch watched
}

// sending is what sendSome sends: off to end of file, or else buf.
type sending struct {
	file     int
	off, end int64
	buf      []byte
	flags    int
	err      error
}

func newConn(c net.Conn, config *tls.Config, at func(string)) *conn {
	mc := &conn{Conn: c, lower: c, at: at, sending: sending{file: -1}}
	mc.tcp, _ = c.(*net.TCPConn)
	if config != nil {
		mc.tls = tls.Server(c, config)
		mc.Conn = mc.tls
	} else if mc.tcp != nil {
		mc.raw, _ = mc.tcp.SyscallConn() // fails only for a nil connection
	}
	mc.send = mc.sendSome
	return mc
}

func (c *conn) phase() phase { return phase(c.state.Load()) % phases }

// enter notes what the connection does now. Only its own goroutine calls it.
func (c *conn) enter(p phase) {
	c.state.Store((c.state.Load()/uint32(phases)+1)*uint32(phases) + uint32(p))
}

// Read reads. What is read after the handler began is the rest of a request's body, whose time is bounded like a header's.
func (c *conn) Read(p []byte) (int, error) {
	if c.phase() == phaseHandling {
		c.enter(phaseReading)
		c.line = lineSeen
	}
	for {
		n, err := c.Conn.Read(p)
		if c.line != lineSeen {
			c.lookAtLine(p[:n])
		}
		if c.unshaken != nil {
			c.handshook(err)
		}
		if !c.parking.Load() {
			return n, err
		}
		if derr := c.unpark(); derr != nil {
			return n, derr
		}
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.phase() == phaseIdle {
			c.parked.Store(true)
			return 0, errParked
		}
	}
}

// wantPark wakes the read of an idle connection.
func (c *conn) wantPark() {
	c.parkMu.Lock()
	defer c.parkMu.Unlock()
	c.parking.Store(true)
	_ = c.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed already
}

func (c *conn) unpark() error {
	c.parkMu.Lock()
	defer c.parkMu.Unlock()
	c.parking.Store(false)
	return c.SetReadDeadline(time.Time{})
}

// errParked ends fasthttp's loop over an idle connection, which then gives its buffers, 25 KB, back.
var errParked = errors.New("the connection is idle")

// Close closes, unless fasthttp was only made to let go.
func (c *conn) Close() error {
	if c.parked.Load() {
		return nil
	}
	return c.Conn.Close()
}

// Write sends b, or keeps it for ReadFrom if it is the header of what ReadFrom will send.
func (c *conn) Write(b []byte) (int, error) {
	if c.holding {
		c.held = append(c.held, b...)
		return len(b), nil
	}
	return c.write(b, 0)
}

// write sends all of b. More bytes follow at once if flags is MSG_MORE, which must never be said of the last ones: they
// would wait 200 ms for company.
func (c *conn) write(b []byte, flags int) (int, error) {
	before := c.phase()
	c.enter(phaseSending)
	defer c.enter(before)
	if c.raw == nil {
		for done := 0; ; { // a record at a time: the watcher must see what was taken
			n, err := c.Conn.Write(b[done:min(done+smallBytes, len(b))])
			c.sent.Add(int64(n))
			if done += n; err != nil || done == len(b) {
				return done, err
			}
		}
	}
	c.buf, c.file, c.flags = b, -1, flags
	err := c.push()
	n := len(b) - len(c.buf)
	c.buf = nil
	return n, err
}

// push sends what file, off, end and buf name, waiting for room in the socket.
func (c *conn) push() error {
	c.err = nil
	if err := c.raw.Write(c.send); err != nil {
		return err
	}
	return c.err
}

// sendSome sends until all is sent, or the socket is full and false is returned, or err is set.
func (c *conn) sendSome(fd uintptr) bool {
	for c.file >= 0 && c.off < c.end || len(c.buf) > 0 {
		var n int
		if c.file >= 0 {
			n, c.err = unix.Sendfile(int(fd), c.file, &c.off, int(c.end-c.off))
			if n == 0 && c.err == nil {
				c.err = io.ErrUnexpectedEOF // the memory file is shorter than its run
			}
		} else if n, c.err = unix.SendmsgN(int(fd), c.buf, nil, nil, c.flags); n > 0 {
			c.buf = c.buf[n:]
		}
		if n > 0 {
			c.sent.Add(int64(n))
		}
		switch c.err {
		case nil, unix.EINTR:
			c.err = nil
		case unix.EAGAIN:
			c.err = nil
			return false
		default:
			return true
		}
	}
	return true
}

// ReadFrom sends what r gives. bufio.Writer calls it once the header was written, with a limited stream of ours.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	lr, ok := r.(*io.LimitedReader)
	s, mine := (*stream)(nil), false
	if ok {
		s, mine = lr.R.(*stream)
	}
	if !mine {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	c.holding = false
	var total int64
	for lr.N > 0 {
		run, last, err := s.next(lr.N)
		if err != nil {
			return total, err
		}
		if err = c.sendRun(run, last); err != nil {
			return total, err
		}
		n := int64(len(run.Bytes))
		s.sent(n)
		lr.N -= n
		total += n
	}
	return total, nil
}

// sendRun sends the header that is held, then the run. Text between parts is held in its turn, unless it is the last.
func (c *conn) sendRun(run cache.Run, text bool) error {
	if text || len(run.Bytes) < smallBytes {
		if c.held = append(c.held, run.Bytes...); text {
			return nil
		}
		return c.flush(0)
	}
	if err := c.flush(unix.MSG_MORE); err != nil {
		return err
	}
	if c.at != nil && len(run.Bytes) >= halfwayBytes {
		half := len(run.Bytes) / 2
		if err := c.sendPart(run, 0, half); err != nil {
			return err
		}
		c.at("edge.mid-segment")
		return c.sendPart(run, half, len(run.Bytes))
	}
	return c.sendPart(run, 0, len(run.Bytes))
}

func (c *conn) sendPart(run cache.Run, from, to int) error {
	if run.File < 0 || c.raw == nil {
		_, err := c.write(run.Bytes[from:to], 0)
		return err
	}
	before := c.phase()
	c.enter(phaseSending)
	defer c.enter(before)
	c.file, c.off, c.end = run.File, run.Off+int64(from), run.Off+int64(to)
	err := c.push()
	c.file = -1
	return err
}

// flush sends what is held.
func (c *conn) flush(flags int) error {
	if len(c.held) == 0 {
		return nil
	}
	_, err := c.write(c.held, flags)
	if c.held = c.held[:0]; cap(c.held) > 2*smallBytes {
		c.held = nil
	}
	return err
}

// drop forgets a response that is not sent.
func (c *conn) drop() { c.holding, c.held = false, c.held[:0] }
