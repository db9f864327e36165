package peer_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/edge/peer"
)

var secret = bytes.Repeat([]byte("s"), peer.SecretBytes)

// sink takes bytes in steps, up to a limit, and forgets them.
type sink struct {
	n           int
	step, limit int
}

func (s *sink) Space() []byte { return make([]byte, min(s.step, s.limit-s.n)) }
func (s *sink) Filled(n int)  { s.n += n }

// keeper is a sink that keeps the bytes.
type keeper struct {
	b    []byte
	n    int
	step int
}

func (k *keeper) Space() []byte { return k.b[k.n:min(k.n+k.step, len(k.b))] }
func (k *keeper) Filled(n int)  { k.n += n }

// bed is a tier and what answers it, in a bubble: nothing in it is real but the protocol.
type bed struct {
	*peer.Tier
	dials  atomic.Int64
	refuse atomic.Bool // connections
	answer func(c net.Conn, q peer.Request)
	part   origin.Part // owned by edge-a
	data   []byte      // its bytes
	ends   sync.WaitGroup
}

// inBubble runs f with a tier whose one peer, edge-a, answers as answer does; nil is rightly.
func inBubble(t *testing.T, answer func(c net.Conn, q peer.Request), f func(t *testing.T, b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bed{answer: answer, data: bytes.Repeat([]byte("0123456789"), 10_000)}
		b.Tier = &peer.Tier{Self: "edge-z", Secret: secret, Dial: b.dial}
		b.SetPeers([]peer.Peer{{ID: "edge-a", Address: "a:1"}, {ID: "edge-z", Address: "z:1"}})
		b.part = b.owned("edge-a", 0)
		if answer == nil {
			b.answer = b.good
		}
		f(t, b)
		b.Close()
		b.ends.Wait()
	})
}

// owned is the i-th part that id owns.
func (b *bed) owned(id string, i int) origin.Part {
	for off := int64(0); ; off += 100_000 {
		p := origin.Part{Key: "media/default/a/r/0-1234.cmf", Off: off, Length: int64(len(b.data)), Sum: 7}
		if b.Owner(p) != id {
			continue
		}
		if i--; i < 0 {
			return p
		}
	}
}

func (b *bed) dial(context.Context, string, string) (net.Conn, error) {
	b.dials.Add(1)
	if b.refuse.Load() {
		return nil, errors.New("refused")
	}
	c, s := net.Pipe()
	b.ends.Go(func() {
		defer s.Close()
		for r := bufio.NewReader(s); ; {
			request, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			q, err := peer.Parse([]byte(request.RequestURI))
			if err == nil {
				err = q.Check(secret, request.Method, "edge-a", time.Now())
			}
			if err != nil {
				fmt.Fprintf(s, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			b.answer(s, q)
		}
	})
	return c, nil
}

// head is a good answer's.
func head(q peer.Request, stamp uint64) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nWeir-Stamp: %d\r\nWeir-Proof: %s\r\n\r\n", q.Part.Length, stamp, q.Proof(secret, stamp, nil))
}

func (b *bed) good(c net.Conn, q peer.Request) {
	_, _ = io.WriteString(c, head(q, 3))
	_, _ = c.Write(b.data)
}

// read reads part and checks the bytes.
func (b *bed) read(t *testing.T, p origin.Part, wantN int64, wantWhole bool) {
	t.Helper()
	k := &keeper{b: make([]byte, p.Length), step: 33_000}
	n, whole := b.Read(t.Context(), p, false, func(stamp uint64) bool { return stamp < 3 }, k)
	if n != wantN || whole != wantWhole || int64(k.n) != n || !bytes.Equal(k.b[:n], b.data[:n]) {
		t.Errorf("Read = %d, %v, %d bytes handed over; want %d, %v", n, whole, k.n, wantN, wantWhole)
	}
}

func TestRead(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		b.read(t, b.part, 100_000, true)
		b.read(t, b.owned("edge-a", 1), 100_000, true)
		b.read(t, b.owned("edge-z", 0), 0, false) // its own
		odd := b.part
		odd.Key = "masters/1"
		b.read(t, odd, 0, false)
		if got := b.dials.Load(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
		if got, want := b.Stats(), (peer.Stats{Hits: 2, Bytes: 200_000, Peers: 1}); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
		b.Close()
		b.read(t, b.part, 0, false)
	})
}

func TestAnswersThatAreNotTaken(t *testing.T) {
	f := func(name string, n int64, stats peer.Stats, answer func(c net.Conn, q peer.Request)) {
		t.Helper()
		inBubble(t, answer, func(t *testing.T, b *bed) {
			b.read(t, b.part, n, false)
			stats.Peers = 1
			if got := b.Stats(); got != stats {
				t.Errorf("%s: Stats = %+v, want %+v", name, got, stats)
			}
		})
	}
	text := func(format string, args ...any) func(net.Conn, peer.Request) {
		return func(c net.Conn, _ peer.Request) { fmt.Fprintf(c, format, args...) }
	}
	failed := peer.Stats{Failures: 1}
	f("status", 0, failed, text("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
	f("redirect", 0, failed, text("HTTP/1.1 302 Found\r\nLocation: http://b:1/\r\nContent-Length: 0\r\n\r\n"))
	f("no HTTP", 0, failed, text("hello\r\n\r\n"))
	f("closed", 0, failed, func(c net.Conn, _ peer.Request) { _ = c.Close() })
	f("length", 0, failed, func(c net.Conn, q peer.Request) { q.Part.Length++; _, _ = io.WriteString(c, head(q, 3)) })
	f("chunked", 0, failed, func(c net.Conn, q peer.Request) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nWeir-Stamp: 3\r\nWeir-Proof: %s\r\n\r\n", q.Proof(secret, 3, nil))
	})
	f("coded", 0, failed, func(c net.Conn, q peer.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"+head(q, 3)[len("HTTP/1.1 200 OK\r\n"):])
	})
	f("no proof", 0, failed, func(c net.Conn, q peer.Request) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nWeir-Stamp: 3\r\n\r\n", q.Part.Length)
	})
	f("proof of another stamp", 0, failed, func(c net.Conn, q peer.Request) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nWeir-Stamp: 4\r\nWeir-Proof: %s\r\n\r\n", q.Part.Length, q.Proof(secret, 3, nil))
	})
	f("huge header", 0, failed, func(c net.Conn, q peer.Request) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX: %s\r\n", bytes.Repeat([]byte("x"), 1<<20))
	})
	f("stale", 0, peer.Stats{Misses: 1}, func(c net.Conn, q peer.Request) { _, _ = io.WriteString(c, head(q, 2)) })
	f("broken", 70_000, peer.Stats{Failures: 1, Bytes: 70_000}, func(c net.Conn, q peer.Request) {
		_, _ = io.WriteString(c, head(q, 3))
		_, _ = c.Write(bytes.Repeat([]byte("0123456789"), 7_000))
		_ = c.Close()
	})
}

// Whatever the peer does not do, Read ends in time.
func TestDeadlines(t *testing.T) {
	f := func(name string, n int64, want time.Duration, dial func(context.Context, string, string) (net.Conn, error), answer func(c net.Conn, q peer.Request)) {
		t.Helper()
		inBubble(t, answer, func(t *testing.T, b *bed) {
			if dial != nil {
				b.Dial = dial
			}
			start := time.Now()
			b.read(t, b.part, n, false)
			if took := time.Since(start); took != want {
				t.Errorf("%s: Read took %v, want %v", name, took, want)
			}
			if got := b.Stats().Failures; got != 1 {
				t.Errorf("%s: %d failures, want 1", name, got)
			}
		})
	}
	f("connect", 0, 200*time.Millisecond, func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, func(net.Conn, peer.Request) {})
	silent := func(c net.Conn, _ peer.Request) { _, _ = c.Read(make([]byte, 1)) }
	f("first byte", 0, 2*time.Second, nil, silent)
	f("trickle", 3, 2*time.Second+100_000*time.Second/(1<<20), nil, func(c net.Conn, q peer.Request) {
		_, _ = io.WriteString(c, head(q, 3))
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{'0' + byte(i)}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	})
	f("stall", 5000, 2*time.Second, nil, func(c net.Conn, q peer.Request) {
		_, _ = io.WriteString(c, head(q, 3))
		_, _ = c.Write(bytes.Repeat([]byte("0123456789"), 500))
		silent(c, q)
	})
}

// A peer that fails is left alone, and its parts are somebody else's; then one read tries it.
func TestBreaker(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		b.refuse.Store(true)
		for range 5 {
			b.read(t, b.part, 0, false)
		}
		dials := b.dials.Load()
		if got := b.Stats(); got.Failures != 5 || got.Open != 1 || b.Owner(b.part) != "edge-z" {
			t.Errorf("after 5 failures: %+v, and the owner is %s", got, b.Owner(b.part))
		}
		b.read(t, b.part, 0, false)
		if got := b.dials.Load(); got != dials {
			t.Errorf("a peer that failed was asked")
		}
		time.Sleep(3 * time.Second)
		b.read(t, b.part, 0, false)
		b.read(t, b.part, 0, false)
		if got := b.dials.Load(); got != dials+1 {
			t.Errorf("after the pause %d reads tried, want 1", got-dials)
		}
		b.refuse.Store(false)
		time.Sleep(3 * time.Second)
		b.read(t, b.part, 100_000, true)
		if got := b.Stats().Open; got != 0 {
			t.Errorf("after a good read the breaker is open")
		}
	})
}

// While one read tries a peer that failed, the others do not.
func TestOneProbe(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		goOn := make(chan struct{})
		b.refuse.Store(true)
		for range 5 {
			b.read(t, b.part, 0, false)
		}
		b.refuse.Store(false)
		time.Sleep(3 * time.Second)
		b.answer = func(c net.Conn, q peer.Request) { <-goOn; b.good(c, q) }
		var probe sync.WaitGroup
		probe.Go(func() { b.read(t, b.part, 100_000, true) })
		synctest.Wait()
		b.read(t, b.owned("edge-z", 0), 0, false)
		b.read(t, b.part, 0, false)
		close(goOn)
		probe.Wait()
		b.answer = b.good
		b.read(t, b.part, 100_000, true)
	})
}

// Who stops reading does not blame the peer.
func TestGivenUp(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		for range 10 {
			if n, whole := b.Read(t.Context(), b.part, false, nil, &sink{step: 1000, limit: 5000}); n != 5000 || whole {
				t.Errorf("Read into a sink that takes 5000 = %d, %v", n, whole)
			}
		}
		b.answer = func(c net.Conn, _ peer.Request) { _, _ = c.Read(make([]byte, 1)) }
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if n, whole := b.Read(ctx, b.part, false, nil, &sink{step: 1000, limit: 100_000}); n != 0 || whole {
				t.Errorf("Read until its context ended = %d, %v", n, whole)
			}
			cancel()
		}
		if got, want := b.Stats(), (peer.Stats{Bytes: 50_000, Peers: 1}); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
	})
}

// Reads of one peer are bounded; when more than the slack are under way, others' parts go to the next in order.
func TestReadsAreBounded(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		goOn := make(chan struct{})
		b.answer = func(c net.Conn, q peer.Request) { <-goOn; b.good(c, q) }
		b.Reads, b.Slack = 4, 100
		var reads sync.WaitGroup
		for i := range 4 {
			p := b.owned("edge-a", i)
			reads.Go(func() { b.read(t, p, 100_000, true) })
		}
		synctest.Wait()
		b.read(t, b.owned("edge-a", 5), 0, false)
		if got := b.Stats().Busy; got != 1 {
			t.Errorf("%d reads found the peer busy, want 1", got)
		}
		b.Slack = 1
		peers := []peer.Peer{{ID: "edge-a", Address: "a:1"}, {ID: "edge-b", Address: "b:1"}, {ID: "edge-c", Address: "c:1"}}
		b.SetPeers(peers)
		for i := range 200 {
			p := origin.Part{Key: "media/default/a/r/0-1234.cmf", Off: int64(i), Length: 10}
			order := peer.Order(fmt.Sprintf("%s/%d", p.Key, p.Off), []string{"edge-a", "edge-b", "edge-c", "edge-z"})
			want := order[0]
			if want == "edge-a" { // 3 of its reads count
				want = order[1]
			}
			if got := b.Owner(p); got != want {
				t.Errorf("part %d: %s would be asked, want %s of %v", i, got, want, order)
			}
		}
		close(goOn)
		reads.Wait()
	})
}

// A part that came wrong is not asked for again, and its owner left alone for a moment.
func TestWrong(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		other := b.owned("edge-a", 1)
		b.read(t, b.part, 100_000, true)
		b.Wrong(b.part)
		b.read(t, other, 0, false)
		time.Sleep(3 * time.Second)
		b.read(t, other, 100_000, true)
		b.read(t, b.part, 0, false)
		time.Sleep(10 * time.Minute)
		b.read(t, b.part, 100_000, true)
		for i := range int64(3000) {
			b.Wrong(origin.Part{Key: "media/default/a/r/0-1234.cmf", Off: i, Length: 1})
		}
		if got := b.Stats().Wrong; got != 3001 {
			t.Errorf("%d wrong parts, want 3001", got)
		}
	})
}

// Every edge knows the same owner of every part, whoever it is; other regions are not asked.
func TestEdgesAgree(t *testing.T) {
	peers := []peer.Peer{{ID: "edge-a", Region: "eu"}, {ID: "edge-b", Region: "eu"}, {ID: "edge-c", Region: "eu"}, {ID: "edge-us", Region: "us"}}
	var tiers []*peer.Tier
	for i, p := range peers[:3] {
		tier := &peer.Tier{Self: p.ID, Region: "eu", Secret: secret}
		told := append(append([]peer.Peer{}, peers[i:]...), peers[:i]...) // in any order
		if i == 1 {
			told = told[1:] // the registry does not show it itself yet
		}
		tier.SetPeers(append(told, peers[0]))
		if got := tier.Stats().Peers; got != 2 {
			t.Errorf("%s has %d peers, want 2", p.ID, got)
		}
		tiers = append(tiers, tier)
	}
	owned := map[string]int{}
	for i := range 1000 {
		p := origin.Part{Key: fmt.Sprintf("media/default/a/r/%d-1234.cmf", i/7), Off: int64(i) * 99, Length: 5}
		owner := tiers[0].Owner(p)
		owned[owner]++
		for _, tier := range tiers {
			if got := tier.Owner(p); got != owner {
				t.Errorf("%s takes %s for the owner of part %d, %s takes %s", tier.Self, got, i, tiers[0].Self, owner)
			}
		}
	}
	for _, p := range peers[:3] {
		if owned[p.ID] < 250 {
			t.Errorf("%s owns %d parts of 1000", p.ID, owned[p.ID])
		}
	}
	alone := &peer.Tier{Self: "edge-a", Secret: secret}
	if n, whole := alone.Read(t.Context(), origin.Part{Key: "media/default/a/r/0-1.cmf", Length: 1}, false, nil, &sink{}); n != 0 || whole || alone.Owner(origin.Part{}) != "edge-a" {
		t.Errorf("without peers something was read from one")
	}
}

// Peers come and go while reads are under way.
func TestPeersChange(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		goOn := make(chan struct{})
		b.answer = func(c net.Conn, q peer.Request) { <-goOn; b.good(c, q) }
		var read sync.WaitGroup
		read.Go(func() { b.read(t, b.part, 100_000, true) })
		synctest.Wait()
		b.SetPeers(nil)
		b.read(t, b.part, 0, false)
		b.SetPeers([]peer.Peer{{ID: "edge-a", Address: "a:1"}})
		close(goOn)
		read.Wait()
		b.read(t, b.part, 100_000, true)
	})
}

// watching is a keeper that tells once it has some bytes.
type watching struct {
	keeper
	at   int
	told chan struct{}
}

func (w *watching) Filled(n int) {
	if w.keeper.Filled(n); w.n >= w.at && w.n-n < w.at {
		close(w.told)
	}
}

// Bytes are handed over as they arrive: those who wait here wait no longer than those at the owner.
func TestBytesPassAsTheyArrive(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bed) {
		w := &watching{keeper{b: make([]byte, b.part.Length), step: 7000}, 40_000, make(chan struct{})}
		b.answer = func(c net.Conn, q peer.Request) {
			_, _ = io.WriteString(c, head(q, 3))
			_, _ = c.Write(b.data[:40_000])
			<-w.told
			_, _ = c.Write(b.data[40_000:])
		}
		if n, whole := b.Read(t.Context(), b.part, true, nil, w); n != b.part.Length || !whole || !bytes.Equal(w.b, b.data) {
			t.Errorf("Read = %d, %v", n, whole)
		}
	})
}
