package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
)

// block is where the first bytes of a read wait for the word that it is the one: its hedge may have been faster.
type block [16 << 10]byte

// errNoSpace is a sink that takes no more.
var errNoSpace = errors.New("the sink takes no more")

// fetch is one read of the store: its goroutine has a slot, and alone touches the reader. It can be given up at any time: before turn
// it writes into memory of its own, after that into a sink's, until lost.
type fetch struct {
	began  time.Time
	cancel context.CancelFunc

	first chan struct{} // closed when info, head and failed are set
	info  weir.ObjectInfo
	head  []byte // the first bytes, valid until done; none of an empty object
	// failed is why there are no first bytes.
	failed error

	turn chan cache.Sink // has a place; into it go the bytes of the one that is taken
	done chan struct{}   // closed when got and err are set, and nothing is written any more

	mu       sync.Mutex // guards all below; held while the sink is called, but not while bytes are waited for
	lost     bool       // the sink is somebody else's
	ended    bool
	got      int64 // into the sink
	progress time.Time
	release  func() // of the space that is written into, once lost
	err      error  // io.EOF if the reader ended first
}

// panicked is what a reader panicked with. It goes on in the goroutine that asked for the read.
type panicked struct{ what string }

func (p *panicked) Error() string { return p.what }

// fetch starts a read of n bytes, or to the end if n < 0. Its slot is given back when it has ended, also if nobody waits for that.
func (o *Origin) fetch(ctx context.Context, s slot, key string, off, n int64, etag string) *fetch {
	f := &fetch{began: time.Now(), first: make(chan struct{}), turn: make(chan cache.Sink, 1), done: make(chan struct{})}
	ctx, f.cancel = context.WithCancel(ctx)
	o.running.Go(func() {
		b, _ := o.blocks.Get().(*block)
		if b == nil {
			b = new(block)
		}
		f.end(f.contained(func() error { return f.run(ctx, o.Blobs, b, key, off, n, etag) }))
		o.blocks.Put(b)
		o.slots.release(s)
		close(f.done)
	})
	return f
}

// contained makes a panic of read an error.
func (f *fetch) contained(read func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{fmt.Sprintf("read panicked: %v\n%s", p, debug.Stack())}
		}
	}()
	return read()
}

func (f *fetch) end(err error) {
	f.mu.Lock()
	f.ended, f.err = true, err
	release := f.release
	f.mu.Unlock()
	if release != nil {
		release()
	}
	select {
	case <-f.first:
	default:
		f.failed = err
		close(f.first)
	}
}

func (f *fetch) run(ctx context.Context, blobs weir.Blobs, b *block, key string, off, n int64, etag string) error {
	r, info, err := blobs.Get(ctx, key, off, n, etag)
	if err != nil {
		return err
	}
	defer r.Close()
	f.info = info
	limit := int64(len(b))
	if n >= 0 {
		limit = min(limit, n)
	}
	m, err := readSome(r, b[:limit])
	if m == 0 && err != nil && err != io.EOF {
		return err
	}
	f.head = b[:m]
	close(f.first)
	var sink cache.Sink
	select {
	case sink = <-f.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	if pourErr := f.pour(sink, f.head); pourErr != nil {
		return pourErr
	}
	if n >= 0 {
		n -= int64(m)
	}
	for err == nil && n != 0 {
		space := f.space(sink)
		if len(space) == 0 {
			return errNoSpace
		}
		if n >= 0 {
			space = space[:min(int64(len(space)), n)]
		}
		m, err = readSome(r, space)
		if !f.filled(sink, m) {
			break
		}
		if n >= 0 {
			n -= int64(m)
		}
	}
	return err
}

// readSome is a Read that yields something.
func readSome(r io.Reader, b []byte) (n int, err error) {
	for range 100 {
		if n, err = r.Read(b); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// pour copies first bytes into the sink.
func (f *fetch) pour(sink cache.Sink, b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost {
		return context.Canceled
	}
	n := cache.Pour(sink, b)
	f.got, f.progress = int64(n), time.Now()
	if n < len(b) {
		return errNoSpace
	}
	return nil
}

func (f *fetch) space(sink cache.Sink) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost {
		return nil
	}
	return sink.Space()
}

// filled hands n bytes of the last space over, unless the sink was lost.
func (f *fetch) filled(sink cache.Sink, n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost {
		return false
	}
	if n > 0 {
		sink.Filled(n)
		f.got, f.progress = f.got+int64(n), time.Now()
	}
	return true
}

// idle is how long no byte came.
func (f *fetch) idle() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.progress.IsZero() {
		return time.Since(f.began)
	}
	return time.Since(f.progress)
}

// lose takes the sink away from a read that does not end, if it keeps the space that may still be written into, and says whether it
// did; otherwise the read must be waited for.
func (f *fetch) lose(sink cache.Sink) bool {
	if s, ok := sink.(*summed); ok {
		sink = s.Sink
	}
	k, ok := sink.(cache.Keeper)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended || !ok {
		return false
	}
	f.lost, f.release = true, k.Keep()
	return true
}
