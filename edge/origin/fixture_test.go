package origin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
)

// scaled is n by WEIR_TEST_SCALE: 1 for the size of a long run, a hundredth as in CI unless it is set.
func scaled(n int) int {
	scale, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64)
	if err != nil {
		scale = 0.01
	}
	return max(1, int(float64(n)*scale))
}

// fault is what becomes of one read of the store. The zero value is none.
type fault struct {
	err     error                       // instead of an answer
	wait    time.Duration               // for the first byte; ends with the context
	after   int64                       // bytes that are right, before end; of all if end is nil
	end     func(context.Context) error // what comes then: an error, or io.EOF, perhaps later
	flip    bool                        // a bit of them
	long    int                         // bytes more than were asked for
	replace []byte                      // the object is replaced by this while it is read
}

func reset(context.Context) error { return errors.New("connection reset") }
func short(context.Context) error { return io.EOF }
func stall(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// store is objects in memory, in the words of weir.Blobs, of which each Get takes the next of its faults.
type store struct {
	weir.Blobs
	chunk  int  // the most bytes of one Read; 0 is all
	noETag bool // as some proxies of object stores
	anyTag bool // takes no notice of If-Match

	mu      sync.Mutex // guards all below
	objects map[string][]byte
	version int
	faults  []fault
	gets    []int64 // the offsets asked for
	open    int     // readers
	running int     // Gets without a reader yet, and readers
	most    int     // of them at once
}

func newStore(faults ...fault) *store {
	return &store{objects: map[string][]byte{}, faults: faults}
}

func (s *store) etag() string {
	if s.noETag {
		return ""
	}
	return strconv.Itoa(s.version)
}

func (s *store) begin(off int64) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets = append(s.gets, off)
	s.running++
	s.most = max(s.most, s.running)
	if len(s.faults) == 0 {
		return fault{}
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f
}

func (s *store) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

func (s *store) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	f := s.begin(off)
	if f.wait > 0 {
		select {
		case <-time.After(f.wait):
		case <-ctx.Done():
			f.err = ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.objects[key]
	info := weir.ObjectInfo{Key: key, Size: int64(len(b)), ETag: s.etag()}
	err := f.err
	switch {
	case err != nil:
	case !ok:
		err = weir.Errorf(weir.NotFound, "no %s", key)
	case !s.anyTag && ifMatch != "" && ifMatch != info.ETag:
		err = weir.Errorf(weir.Precondition, "another %s", key)
	case off >= int64(len(b)) && off > 0:
		err = weir.Errorf(weir.BadRange, "%s ends before", key)
	}
	if err != nil {
		s.running--
		return nil, weir.ObjectInfo{}, err
	}
	if b = b[off:]; n >= 0 {
		b = b[:min(n, int64(len(b)))]
	}
	if f.end != nil {
		b = b[:min(f.after, int64(len(b)))]
	}
	b = append(bytes.Clone(b), make([]byte, f.long)...)
	if f.flip && len(b) > 0 {
		b[rand.N(len(b))] ^= 1 << rand.N(8)
	}
	if f.replace != nil {
		s.objects[key] = f.replace
		s.version++
	}
	s.open++
	return &reader{ctx: ctx, store: s, rest: b, end: f.end}, info, nil
}

type reader struct {
	ctx   context.Context
	store *store
	rest  []byte
	end   func(context.Context) error
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.end != nil {
			return 0, r.end(r.ctx)
		}
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if c := r.store.chunk; c > 0 && len(p) > c {
		p = p[:1+rand.N(c)]
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *reader) Close() error {
	r.store.ended()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.open--
	return nil
}

// tub is a sink that gives space in pieces, and does not let go of it: it cannot be left while it is written into.
type tub struct {
	bytes []byte
	size  int
	piece int
	full  int // takes no more from here on; 0 is never
}

func (t *tub) Space() []byte {
	if t.bytes == nil {
		t.bytes = make([]byte, 0, t.size)
	}
	n := len(t.bytes)
	end := t.size
	if t.full > 0 {
		end = t.full
	}
	if t.piece > 0 {
		end = min(end, n+t.piece)
	}
	return t.bytes[n:end]
}

func (t *tub) Filled(n int) { t.bytes = t.bytes[:len(t.bytes)+n] }

// keeper is a tub that keeps space for who is late.
type keeper struct {
	tub
	mu   sync.Mutex
	kept int
}

func (k *keeper) Keep() func() {
	k.add(1)
	return func() { k.add(-1) }
}

func (k *keeper) add(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept += n
}

func (k *keeper) keeps() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept
}

var (
	_ weir.Blobs   = (*store)(nil)
	_ cache.Keeper = (*keeper)(nil)
)

var player = origin.Want{Priority: origin.Player}

// noise is n bytes that are nowhere twice.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// plan replaces what is to come.
func (s *store) plan(faults ...fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

// shelve stores b and returns the part that is all of it.
func (s *store) shelve(key string, b []byte) origin.Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = b
	return origin.Part{Key: key, Length: int64(len(b)), Sum: crc(b)}
}

// wantNothingLeft waits for what was given up and looks for open readers.
func wantNothingLeft(t *testing.T, o *origin.Origin, s *store) {
	t.Helper()
	o.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := o.Counts(); s.open != 0 || s.running != 0 || c.Reading != 0 || c.Queued != 0 {
		t.Errorf("left behind: %d readers, %d reads, %+v", s.open, s.running, c)
	}
}
