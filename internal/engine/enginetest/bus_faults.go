package enginetest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

// Dial connects to an engine through the suite's proxy, whatever the address.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// BusFaults holds an engine that is reached over a network to the contract of [weir.Bus] while that and the server fail.
// What was published without an error is never lost and comes in its order; what failed may have been stored. upstream is
// where the server listens, engine its name for [Control]. open connects to a bus of its own that closes with the test,
// every connection by dial.
func BusFaults(t *testing.T, upstream, engine string, open func(t *testing.T, dial Dial) weir.Bus) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, f *faults)
	}{
		{"Resets", busFaultResets},
		{"CutAnswers", busFaultCuts},
		{"Slow", busFaultSlow},
		{"Silent", busFaultSilent},
		{"Refused", busFaultRefused},
		{"Restart", busFaultRestart},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewProxy(t, upstream)
			dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, p.Addr())
			}
			c.test(t, &faults{Proxy: p, bus: open(t, dial), topic: newTopic(), engine: engine})
		})
	}
}

type faults struct {
	*Proxy
	bus    weir.Bus
	topic  string
	engine string
}

const busFaultKeys = 4

func (f *faults) stream(t *testing.T, each int, at func(came int)) {
	t.Helper()
	busStream(t, f.bus, f.topic, each, at)
}

// BusStream publishes each messages of four keys, one after the other and each until it is taken, and consumes them all.
// at is called with how many have come so far, and does the harm.
func BusStream(t *testing.T, b weir.Bus, each int, at func(came int)) {
	t.Helper()
	busStream(t, b, newTopic(), each, at)
}

func busStream(t *testing.T, b weir.Bus, topic string, each int, at func(came int)) {
	t.Helper()
	c := consume(t, b, topic, "g", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	var publishers sync.WaitGroup
	defer publishers.Wait()
	defer cancel()
	for k := range busFaultKeys {
		publishers.Go(func() {
			for i := range each {
				for ctx.Err() == nil {
					err := b.Publish(ctx, numbered(topic, fmt.Sprint("key", k), i))
					if err == nil {
						break
					}
					t.Logf("Publish = %v; it is tried again", err)
				}
			}
		})
	}
	next := map[string]int{}
	for came := 0; came < busFaultKeys*each; {
		m := c.next()
		switch n := number(t, m); {
		case n == next[m.Key]:
			next[m.Key]++
			came++
			at(came)
		case n > next[m.Key]:
			t.Fatalf("of key %s message %d came, %d did not", m.Key, n, next[m.Key])
		}
	}
}

func busFaultResets(t *testing.T, f *faults) {
	f.stream(t, 60, func(came int) {
		if came%40 == 0 {
			f.Reset()
		}
	})
}

// busFaultCuts ends connections in the middle of an answer: of a fetch, or after something was stored.
func busFaultCuts(t *testing.T, f *faults) {
	f.stream(t, 60, func(came int) {
		if came%25 == 0 {
			f.CutAfter(int64(came*7%300 + 1))
		}
	})
}

func busFaultSlow(t *testing.T, f *faults) {
	f.Delay(30 * time.Millisecond)
	f.stream(t, 10, func(int) {})
}

func busFaultSilent(t *testing.T, f *faults) {
	f.stream(t, 20, func(came int) {
		if came != 40 {
			return
		}
		f.Silence(true)
		f.refused(t)
		f.Silence(false)
	})
}

func busFaultRefused(t *testing.T, f *faults) {
	f.stream(t, 20, func(came int) {
		if came != 40 {
			return
		}
		f.Refuse(true)
		f.Reset()
		f.refused(t)
		f.Refuse(false)
	})
}

// refused: while nobody answers, a deadline is kept and says so.
func (f *faults) refused(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := f.bus.Publish(ctx, numbered(newTopic(), "k", 0))
	if kind := weir.KindOf(err); kind != weir.Timeout && kind != weir.Unavailable {
		t.Errorf("Publish while nobody answers = %v, want Timeout or Unavailable", err)
	}
}

// busFaultRestart kills the server under load, twice, and starts it on the same data.
func busFaultRestart(t *testing.T, f *faults) {
	f.stream(t, 100, func(came int) {
		if came == 100 || came == 250 {
			Control(t, "kill", f.engine)
			Control(t, "up", f.engine)
		}
	})
}
