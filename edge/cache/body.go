package cache

import (
	"context"
	"io"

	weir "github.com/weirstream/weir"
)

// Unknown is the length of a key whose size only the fill will learn.
const Unknown = -1

// Body is the bytes of one key, whole or still arriving, and a reference to them: they stay readable until Release, also
// if the key is evicted meanwhile. A Body is used by one goroutine; every call of Open and Fill returns another.
type Body struct {
	data []byte
}

// Run is bytes of a body that lie together. They are never written again once handed out, and are valid until the body's
// Release. What was given to sendfile before outlives even that.
type Run struct {
	Bytes []byte // mapped, for those who must look at them or encrypt them
	File  int    // the descriptor of the memory file that holds Bytes, to be sent by sendfile; -1 is none
	Off   int64  // where Bytes begin in File
}

// Size is the length of the whole, Unknown until the fill has said it.
func (b *Body) Size() int64 { return int64(len(b.data)) }

// Whole says whether every byte is there and was verified.
func (b *Body) Whole() bool { return true }

// Run returns bytes from off on, at least one and at most n, waiting for them to arrive. io.EOF is the end of the whole;
// another error is the fill's, or ctx's: then what was sent so far is not all there is, and the connection must end.
func (b *Body) Run(ctx context.Context, off, n int64) (Run, error) {
	if off >= int64(len(b.data)) {
		return Run{}, io.EOF
	}
	return Run{Bytes: b.data[off:min(off+n, int64(len(b.data)))], File: -1}, nil
}

// Release gives the reference back. The body and its runs are not used after it; a second call does nothing.
func (b *Body) Release() { b.data = nil }

// Fill reads the bytes of a key into w, in order. Nil means that all of them are there and are what they should be. Until
// it returns nil the last HoldBack bytes are handed to nobody, so that no client ever gets a whole answer that was not
// verified.
type Fill func(ctx context.Context, w *Writer) error

// HoldBack is how many bytes at the end of a body wait for the fill's word that it is good.
const HoldBack = 16 << 10

// Writer is where a fill puts bytes. It is used by the fill's goroutine only.
type Writer struct {
	data []byte
	n    int
}

// Size says how long the whole is, for a key of Unknown length, once, if the origin tells; it need not be called.
func (w *Writer) Size(n int64) {}

// Space is where the next bytes go: at least one byte as long as some are missing. It is valid until the next call.
func (w *Writer) Space() []byte { return w.data[w.n:] }

// Filled says that n bytes of Space hold the next bytes. Those who wait may have them now.
func (w *Writer) Filled(n int) { w.n += n }

// Options are how a fill is kept.
type Options struct {
	Live bool // of a growing presentation: it has a share of the budget of its own
}

// Open returns the body of key if it is in memory, whole or arriving. It does not allocate more than the body.
func (m *Memory) Open(key Key) (*Body, bool) {
	b, ok := m.Lookup(key)
	if !ok {
		return nil, false
	}
	return &Body{data: b}, true
}

// Fill returns the body of key as soon as its size and its first byte are there, calling fill if nobody else is filling it
// already. The fill runs detached from ctx. The error is the fill's if it failed before its first byte.
func (m *Memory) Fill(ctx context.Context, key Key, _ Options, fill Fill) (*Body, Source, error) {
	b, source, err := m.Get(ctx, key, func(ctx context.Context) ([]byte, error) {
		w := &Writer{data: make([]byte, key.Length)}
		if err := fill(ctx, w); err != nil {
			return nil, err
		}
		if w.n < len(w.data) {
			return nil, weir.Errorf(weir.Internal, "fill wrote %d bytes of %d", w.n, len(w.data))
		}
		return w.data, nil
	})
	if err != nil {
		return nil, source, err
	}
	return &Body{data: b}, source, nil
}
