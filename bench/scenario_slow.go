package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// Slow reads bodies at a few bytes a second, as broken or hostile clients do. It counts who got a whole body, who was cut
// off, and who was still at it at the end; whether a server should cut is its own affair, so nothing is demanded.
type Slow struct {
	BytesPerSecond int
}

// Name is slow.
func (Slow) Name() string { return "slow" }

// Load has every connection read one body.
func (s Slow) Load(ctx context.Context, r *Run, targets []Target) error {
	if s.BytesPerSecond < 1 || s.BytesPerSecond > 1<<30 {
		return weir.Errorf(weir.Invalid, "slow readers read at least a byte a second")
	}
	r.Setting("bytes per second", s.BytesPerSecond)
	var whole, cut, held, refused atomic.Int64
	workers(r.Connections, func(i int) {
		switch err := s.read(ctx, r, targets[i%len(targets)]); {
		case err == nil:
			whole.Add(1)
		case ctx.Err() != nil:
			held.Add(1)
		case errors.Is(err, errDial), errors.Is(err, errMalformed), errors.As(err, new(statusError)):
			refused.Add(1)
			r.Fail(err)
		default:
			cut.Add(1)
			r.Fail(err)
		}
	})
	r.Note("%d readers at %d bytes/s: %d got a whole body, %d were cut off, %d were still held at the end, %d did not get in",
		r.Connections, s.BytesPerSecond, whole.Load(), cut.Load(), held.Load(), refused.Load())
	return nil
}

func (s Slow) read(ctx context.Context, r *Run, t Target) error {
	c, err := dial(ctx, t, Copy)
	if err != nil {
		return err
	}
	defer c.Close()
	defer interrupt(ctx, c.Conn)()
	r.Opened()
	if b, ok := c.Conn.(interface{ SetReadBuffer(int) error }); ok {
		_ = b.SetReadBuffer(4 << 10) // else the kernel reads ahead of us; it rounds up as it likes
	}
	began := time.Now()
	c.buf = make([]byte, max(1<<10, min(s.BytesPerSecond/4, 32<<10)))
	c.Conn = &paced{Conn: c.Conn, ctx: ctx, rate: float64(s.BytesPerSecond), began: began}
	ans, err := c.get(t, func([]byte) {})
	if err != nil {
		return err
	}
	if ans.Status != 200 {
		return statusError(ans.Status)
	}
	r.Answer(t.Kind, ans.bytes, ans.first.Sub(began), ans.last.Sub(began))
	return nil
}

// paced is a connection that is not read faster than a rate.
type paced struct {
	net.Conn
	ctx   context.Context
	rate  float64
	began time.Time
	n     int64
}

func (p *paced) Read(b []byte) (int, error) {
	due := p.began.Add(time.Duration(float64(p.n) / p.rate * float64(time.Second)))
	pause(p.ctx, time.Until(due))
	if p.ctx.Err() != nil {
		return 0, io.ErrNoProgress
	}
	n, err := p.Conn.Read(b[:min(len(b), max(1, int(p.rate/4)))])
	p.n += int64(n)
	return n, err
}
