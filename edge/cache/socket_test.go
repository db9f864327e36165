package cache_test

import (
	"io"
	"math"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/arena"
)

// TestEvictedBytesArriveRight keeps a full socket unread while the object in it is evicted, its pages are given back, and
// many others are filled; then every byte must arrive as it was sent.
func TestEvictedBytesArriveRight(t *testing.T) {
	bothPages(t, func(t *testing.T, pages arena.Pages) {
		const budget, size = 32 << 20, 8<<20 + 12345
		m := newMemory(t, cache.Config{Budget: budget, Pages: pages})
		near, far := socketPair(t)
		b, _, err := m.Fill(t.Context(), keyOf(1, size), cache.Options{}, painted(1, size, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(t.Context(), b, 1, 0); err != nil {
			t.Fatal(err)
		}
		sent := sendUntilFull(t, near, b, 0)
		if sent < 64<<10 {
			t.Fatalf("only %d bytes fit the socket", sent)
		}
		b.Release()
		before := m.Stats().Evictions
		for id := int64(2); id < 100; id++ {
			store(t, m, id, 1<<20+id*1000)
			sound(t, m, budget)
		}
		if _, ok := m.Open(keyOf(1, size)); ok || m.Stats().Evictions == before {
			t.Fatal("it was not evicted")
		}
		arrives(t, far, 1, sent)
		t.Logf("%d bytes were in flight while %d entries were evicted", sent, m.Stats().Evictions-before)
	})
}

// TestHeldBytesStay is the same for a reader that is not done: what it reads after it was forgotten is right, too.
func TestHeldBytesStay(t *testing.T) {
	bothPages(t, func(t *testing.T, pages arena.Pages) {
		const budget, size = 32 << 20, 8 << 20
		m := newMemory(t, cache.Config{Budget: budget, Pages: pages})
		near, far := socketPair(t)
		store(t, m, 1, size)
		b, _ := m.Open(keyOf(1, size))
		sent := sendUntilFull(t, near, b, 0)
		m.Forget(keyOf(1, size), math.MaxUint64)
		for id := int64(2); id < 100; id++ {
			store(t, m, id, 1<<20)
		}
		arrives(t, far, 1, sent)
		more := sendUntilFull(t, near, b, sent)
		b.Release()
		for id := int64(100); id < 130; id++ {
			store(t, m, id, 1<<20)
		}
		got := make([]byte, more)
		if _, err := io.ReadFull(far, got); err != nil || wrong(got, 1, sent) >= 0 {
			t.Errorf("the second part is wrong at %d, %v", wrong(got, 1, sent), err)
		}
		sound(t, m, budget)
	})
}

// TestSocketsReferToPages shows that the tests above would see it if the arena reused bytes: what is written over bytes in
// flight does arrive.
func TestSocketsReferToPages(t *testing.T) {
	m := newMemory(t, cache.Config{})
	near, far := socketPair(t)
	store(t, m, 1, 4<<20)
	b, _ := m.Open(keyOf(1, 4<<20))
	defer b.Release()
	sent := sendUntilFull(t, near, b, 0)
	run, err := b.Run(t.Context(), 0, sent)
	if err != nil {
		t.Fatal(err)
	}
	clear(run.Bytes) // which nobody else may do
	got := make([]byte, sent)
	if _, err := io.ReadFull(far, got); err != nil {
		t.Fatal(err)
	}
	if wrong(got, 1, 0) < 0 {
		t.Skip("this kernel copies what it sends: the tests of bytes in flight prove nothing here")
	}
}

func socketPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); accepted.Close() })
	return accepted.(*net.TCPConn), c.(*net.TCPConn)
}

// sendUntilFull sends b from off on by sendfile until the socket takes no more.
func sendUntilFull(t *testing.T, c *net.TCPConn, b *cache.Body, off int64) (sent int64) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for full := false; !full; {
		run, err := b.Run(t.Context(), off+sent, 1<<20)
		if err == io.EOF {
			return sent
		}
		if err != nil || run.File < 0 {
			t.Fatalf("Run = %+v, %v", run, err)
		}
		err = raw.Write(func(fd uintptr) bool {
			at := run.Off
			n, err := unix.Sendfile(int(fd), run.File, &at, len(run.Bytes))
			if full = err == unix.EAGAIN; !full && err != nil {
				t.Error(err)
				full = true
			}
			sent += int64(max(n, 0))
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return sent
}

// arrives reads n bytes and fails unless they are object id's first.
func arrives(t *testing.T, c *net.TCPConn, id, n int64) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if at := wrong(got, id, 0); at >= 0 {
		t.Errorf("byte %d of %d in flight is wrong", at, n)
	}
}
