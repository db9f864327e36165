package cache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

// scaled is n by WEIR_TEST_SCALE: 1 for the size of a long run, a hundredth as in CI unless it is set.
func scaled(n int) int {
	scale, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64)
	if err != nil {
		scale = 0.01
	}
	return int(float64(n) * scale)
}

// newMemory makes a cache that ends with the test. It skips what needs huge pages where the kernel gives none.
func newMemory(t testing.TB, config cache.Config) *cache.Memory {
	t.Helper()
	m, err := cache.New(config)
	if config.Pages == arena.Huge && err != nil && weir.KindOf(err) == weir.Unavailable {
		state, advice := arena.HugePages()
		t.Skipf("huge pages are not tested: %s; %s", state, advice)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// bothPages runs f with small and with huge pages.
func bothPages(t *testing.T, f func(t *testing.T, pages arena.Pages)) {
	t.Run("small", func(t *testing.T) { f(t, arena.Small) })
	t.Run("huge", func(t *testing.T) { f(t, arena.Huge) })
}

func keyOf(id, size int64) cache.Key {
	return cache.Key{Object: "o" + strconv.FormatInt(id, 10), Length: size}
}

// word is 64 bits of object id for the number n, without a pattern.
func word(id, n int64) uint64 {
	h := uint64(id)*0x9e3779b97f4a7c15 ^ uint64(n)*0xbf58476d1ce4e5b9
	h ^= h >> 31
	return h * 0x94d049bb133111eb
}

// canvas is what all objects are cut from, each beginning elsewhere: no two look alike at any offset.
var canvas = func() []byte {
	b := make([]byte, 1<<20+7)
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], word(int64(i), 77))
	}
	return b
}()

// pieces calls f with the pieces of n bytes of object id from off on.
func pieces(id, off, n int64, f func(at int64, want []byte) bool) {
	long := int64(len(canvas))
	for at := int64(0); at < n; {
		from := (int64(word(id, 0)%uint64(long)) + off + at) % long
		want := canvas[from:min(long, from+n-at)]
		if !f(at, want) {
			return
		}
		at += int64(len(want))
	}
}

// paint writes what object id has from off on.
func paint(b []byte, id, off int64) {
	pieces(id, off, int64(len(b)), func(at int64, want []byte) bool {
		copy(b[at:], want)
		return true
	})
}

// wrong is the offset of the first byte that is not object id's, -1 if all are.
func wrong(b []byte, id, off int64) int64 {
	bad := int64(-1)
	pieces(id, off, int64(len(b)), func(at int64, want []byte) bool {
		got := b[at:][:len(want)]
		if bytes.Equal(got, want) {
			return true
		}
		for i := range got {
			if got[i] != want[i] {
				bad = off + at + int64(i)
				return false
			}
		}
		return false
	})
	return bad
}

// painted is a fill of size bytes of object id, in pieces of at most piece bytes.
func painted(id, size, piece int64) cache.Fill {
	return func(_ context.Context, w *cache.Writer) error {
		for off := int64(0); off < size; {
			b := w.Space()
			if len(b) == 0 {
				return io.ErrNoProgress
			}
			b = b[:min(int64(len(b)), piece, size-off)]
			paint(b, id, off)
			w.Filled(len(b))
			off += int64(len(b))
		}
		return nil
	}
}

// readAll reads b from off to its end, checks that it is object id's, and says how many bytes there were.
func readAll(ctx context.Context, b *cache.Body, id, off int64) (int64, error) {
	start := off
	for {
		run, err := b.Run(ctx, off, 1<<30)
		if err == io.EOF {
			return off - start, nil
		}
		if err != nil {
			return off - start, err
		}
		if at := wrong(run.Bytes, id, off); at >= 0 {
			return off - start, weir.Errorf(weir.Internal, "byte %d of object %d is wrong", at, id)
		}
		off += int64(len(run.Bytes))
	}
}

// store fills an object and reads it to its end.
func store(t testing.TB, m *cache.Memory, id, size int64) {
	t.Helper()
	b, _, err := m.Fill(t.Context(), keyOf(id, size), cache.Options{}, painted(id, size, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	if n, err := readAll(t.Context(), b, id, 0); n != size || err != nil {
		t.Fatalf("read of object %d = %d bytes of %d, %v", id, n, size, err)
	}
}

// sound fails if the cache's books are wrong, or the kernel says that it takes more than its budget.
func sound(t testing.TB, m *cache.Memory, budget int64) {
	t.Helper()
	s := m.Stats()
	if sum := s.EntryBytes + s.Filling + s.Loose + s.Dead; s.Bytes > budget || s.Bytes != sum || s.Dead < 0 {
		t.Fatalf("stats %+v: sum %d, budget %d", s, sum, budget)
	}
	held, err := m.Held()
	if err != nil || held+s.Index > budget {
		t.Fatalf("the file takes %d bytes and the index %d, the budget is %d (%v)", held, s.Index, budget, err)
	}
}

func TestPaint(t *testing.T) {
	whole := make([]byte, 1000)
	paint(whole, 5, 0)
	f := func(off, n int64) {
		t.Helper()
		part := make([]byte, n)
		paint(part, 5, off)
		if string(part) != string(whole[off:off+n]) || wrong(part, 5, off) != -1 {
			t.Errorf("paint at %d is not what the whole has there", off)
		}
		part[n-1]++
		if at := wrong(part, 5, off); at != off+n-1 {
			t.Errorf("wrong = %d, want %d", at, off+n-1)
		}
	}
	f(0, 8)
	f(3, 100)
	f(13, 1)
	f(999, 1)
	if at := wrong(whole, 6, 0); at < 0 || at > 8 || fmt.Sprint(whole[:8]) == fmt.Sprint(whole[8:16]) {
		t.Error("objects look alike")
	}
}
