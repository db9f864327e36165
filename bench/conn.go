package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	weir "github.com/weirstream/weir"
)

// Client says what is done with bodies.
type Client string

// The clients. Copy is a player that reads; Discard has the kernel drop the bytes, so that all that is measured is sending;
// Check copies and compares every byte with what it should be.
const (
	Copy    Client = "copy"
	Discard Client = "discard"
	Check   Client = "check"
)

// conn is one connection to a server. It is used by one goroutine.
type conn struct {
	net.Conn
	trunc  *truncator // nil: bodies are copied
	prompt *prompt    // nil: the kernel acknowledges when it likes
	buf    []byte
	r, w   int // buf[r:w] is read and not yet used
	uses   int
	done   bool // the server said that it closes, or something went wrong
}

// answer is what came of a request.
type answer struct {
	Head
	bytes       int64
	first, last time.Time // when the head's first byte, and the last byte of the body, were here
}

// dial opens a connection. Certificates are checked unless the address is on this machine, where they are anyone's.
func dial(ctx context.Context, t Target, client Client) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, errors.Join(errDial, err)
	}
	c := &conn{Conn: plain, buf: make([]byte, 64<<10)}
	if t.local() {
		c.prompt = newPrompt(plain.(*net.TCPConn))
	}
	if t.TLS {
		secured := tls.Client(plain, &tls.Config{ServerName: t.URL.Hostname(), InsecureSkipVerify: t.local(), MinVersion: tls.VersionTLS12})
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = plain.Close() // the handshake's error is the one to tell
			return nil, errors.Join(errDial, err)
		}
		c.Conn = secured
	} else if client == Discard {
		c.buf = make([]byte, 4<<10) // little of the body comes with the head then
		c.trunc = newTruncator(plain.(*net.TCPConn))
	}
	return c, nil
}

// get asks for a target and reads the answer. sink, unless nil, sees the body's bytes as they come. After an error the
// connection is of no more use.
func (c *conn) get(t Target, sink func([]byte)) (answer, error) {
	c.uses++
	if _, err := c.Write(t.get); err != nil {
		c.done = true
		return answer{}, broken(err)
	}
	c.prompt.set()
	a, err := c.read(sink)
	c.done = c.done || err != nil || a.Close
	return a, err
}

func (c *conn) read(sink func([]byte)) (a answer, err error) {
	for {
		var n int
		a.Head, n, err = ParseHead(c.buf[c.r:c.w])
		if err != nil {
			return a, errors.Join(errMalformed, err)
		}
		if n > 0 {
			c.r += n
			if a.Status >= 200 { // else an interim answer
				break
			}
			continue
		}
		if err := c.fill(); err != nil {
			return a, broken(err)
		}
		if a.first.IsZero() {
			a.first = time.Now()
		}
	}
	if a.first.IsZero() {
		a.first = time.Now() // it came with the answer before
	}
	switch {
	case a.Chunked:
		err = c.chunks(&a, sink)
	case a.Length >= 0:
		err = c.body(&a, a.Length, sink)
	default:
		err = c.toEnd(&a, sink)
	}
	a.last = time.Now()
	return a, err
}

// fill reads more behind what is not used yet.
func (c *conn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.buf) {
		if c.r == 0 {
			if len(c.buf) > maxHead {
				return io.ErrShortBuffer
			}
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		} else {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		}
	}
	n, err := c.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// body reads n bytes.
func (c *conn) body(a *answer, n int64, sink func([]byte)) error {
	for n > 0 {
		if c.r == c.w {
			if c.trunc != nil && sink == nil {
				got, err := c.trunc.discard(n)
				a.bytes, n = a.bytes+got, n-got
				if err != nil {
					return short(err)
				}
				continue
			}
			if err := c.fill(); err != nil {
				return short(err)
			}
		}
		take := c.buf[c.r:min(int64(c.w), int64(c.r)+n)]
		if sink != nil {
			sink(take)
		}
		c.r, n, a.bytes = c.r+len(take), n-int64(len(take)), a.bytes+int64(len(take))
	}
	return nil
}

// chunks reads a chunked body (RFC 9112 section 7.1).
func (c *conn) chunks(a *answer, sink func([]byte)) error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		n, ok := chunkSize(line)
		if !ok {
			return errMalformed
		}
		if n == 0 {
			break
		}
		if err := c.body(a, n, sink); err != nil {
			return err
		}
		if line, err := c.line(); err != nil || len(line) > 0 {
			return errors.Join(errMalformed, err)
		}
	}
	for { // trailer fields
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

func (c *conn) line() ([]byte, error) {
	for {
		if i := bytes.Index(c.buf[c.r:c.w], []byte("\r\n")); i >= 0 {
			line := c.buf[c.r : c.r+i]
			c.r += i + 2
			return line, nil
		}
		if c.w-c.r > 4<<10 {
			return nil, errMalformed
		}
		if err := c.fill(); err != nil {
			return nil, short(err)
		}
	}
}

// toEnd reads until the server closes: all that HTTP/1.0 has to say that a body is whole.
func (c *conn) toEnd(a *answer, sink func([]byte)) error {
	for {
		if err := c.body(a, int64(c.w-c.r), sink); err != nil {
			return err
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return short(err)
		}
	}
}

// What can become of a request, each a name in results.
var (
	errDial      = errors.New("dial")
	errTimeout   = errors.New("timeout")
	errUnasked   = errors.New("unasked")   // due, but no connection was free until patience ended
	errReset     = errors.New("reset")     // the connection ended before the answer's head
	errShort     = errors.New("short")     // the connection ended within a body whose length was told
	errMalformed = errors.New("malformed") // not HTTP
	errCorrupt   = errors.New("corrupt")   // every byte that was promised came, and they are not the right ones
	errSilent    = errors.New("silently-short")
)

func broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTimeout
	}
	return errors.Join(errReset, err)
}

func short(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTimeout
	}
	return errors.Join(errShort, err)
}

// errorName is what an error is counted as.
func errorName(err error) string {
	for _, e := range []error{errDial, errTimeout, errUnasked, errCorrupt, errSilent, errMalformed, errShort, errReset} {
		if errors.Is(err, e) {
			if e == errDial && errors.Is(err, syscall.EMFILE) {
				return "descriptors" // of the client: ulimit -n
			}
			return e.Error()
		}
	}
	var s statusError
	if errors.As(err, &s) {
		return s.Error()
	}
	return weir.KindOf(err).String()
}

// statusError is an answer that is not what was asked for.
type statusError int

func (e statusError) Error() string { return "status-" + strconv.Itoa(int(e)) }
