package factlog_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/factlog"
)

func scaled(n int) int {
	scale, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64)
	if err != nil {
		scale = 0.01
	}
	return max(int(float64(n)*scale), 1)
}

func openBlobs(t testing.TB) weir.Blobs {
	t.Helper()
	b, err := embed.OpenBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// cuttable is a store that can be away.
type cuttable struct {
	weir.Blobs
	away atomic.Bool
	left atomic.Int64 // calls until it goes away by itself; 0 is never
}

func (c *cuttable) check() error {
	if c.left.Load() > 0 && c.left.Add(-1) == 0 {
		c.away.Store(true)
	}
	if c.away.Load() {
		return weir.Errorf(weir.Unavailable, "the store is away")
	}
	return nil
}

func (c *cuttable) List(ctx context.Context, prefix, after string, limit int) ([]weir.ObjectInfo, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return c.Blobs.List(ctx, prefix, after, limit)
}

func (c *cuttable) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	if err := c.check(); err != nil {
		return nil, weir.ObjectInfo{}, err
	}
	return c.Blobs.Get(ctx, key, off, n, ifMatch)
}

func (c *cuttable) Put(ctx context.Context, key string, r io.Reader, opts weir.PutOptions) (weir.ObjectInfo, error) {
	if err := c.check(); err != nil {
		return weir.ObjectInfo{}, err
	}
	return c.Blobs.Put(ctx, key, r, opts)
}

func (c *cuttable) Delete(ctx context.Context, key string) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.Blobs.Delete(ctx, key)
}

// deaf is a cache whose messages do not arrive while the store is away.
type deaf struct {
	weir.Cache
	c *cuttable
}

func (d deaf) Subscribe(ctx context.Context, channel string, ready chan<- struct{}, f func([]byte)) error {
	return d.Cache.Subscribe(ctx, channel, ready, func(m []byte) {
		if !d.c.away.Load() {
			f(m)
		}
	})
}

// follow runs a log over fresh rulings until the test ends, or until stop is called.
func follow(t *testing.T, l *factlog.Log) (known *rulings.Rulings, stop func()) {
	t.Helper()
	if l.Sink == nil {
		l.Sink = rulings.New()
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return l.Sink.(*rulings.Rulings), stop
}

func caughtUp(t *testing.T, l *factlog.Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.CaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, l *factlog.Log, number uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Wait(ctx, number); err != nil {
		t.Fatalf("Wait(%d) at %d = %v", number, l.Number(), err)
	}
}

func appended(t *testing.T, l *factlog.Log, rulings ...weir.Ruling) uint64 {
	t.Helper()
	n, err := l.Append(t.Context(), rulings...)
	if err != nil {
		t.Fatalf("Append = %v", err)
	}
	return n
}

func purge(by weir.PurgeBy, values ...string) weir.Ruling {
	return weir.Ruling{Purge: &weir.Purge{Organisation: "default", By: by, Values: values}}
}

func revoke(session string, until time.Time) weir.Ruling {
	return weir.Ruling{Revocation: &weir.Revocation{Organisation: "default", Session: session, Until: until.UTC().Truncate(time.Second)}}
}

func object(i int) *rulings.Object {
	return &rulings.Object{Organisation: "default", Path: fmt.Appendf(nil, "x/%d", i)}
}
