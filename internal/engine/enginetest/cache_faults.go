package enginetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weirstream/weir"
)

// recovery bounds the wait for an engine that was away: a cluster must find itself again.
const recovery = time.Minute

// CacheFaults holds a cache over a network to what its callers rely on when that network or the servers fail: it answers
// soon, with a miss or an error of kind Unavailable or Timeout, never with a wrong value, and works again afterwards. open
// returns an empty cache whose connections all go through the proxies.
func CacheFaults(t *testing.T, open func(t *testing.T) (weir.Cache, Proxies)) {
	for _, test := range []struct {
		name string
		f    func(*testing.T, weir.Cache, Proxies)
	}{
		{"Reset", cacheFaultReset},
		{"CutOff", cacheFaultCutOff},
		{"Slow", cacheFaultSlow},
		{"Hang", cacheFaultHang},
		{"Refused", cacheFaultRefused},
		{"Cancel", cacheFaultCancel},
		{"SubscribeResumes", cacheFaultSubscribe},
		{"SubscribeBefore", cacheFaultSubscribeBefore},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, ps := open(t)
			test.f(t, c, ps)
		})
	}
}

// CacheRestart holds a cache to the same when its servers are killed under load and come back, perhaps empty. engine is
// their name for [Control].
func CacheRestart(t *testing.T, open func(t *testing.T) weir.Cache, engine string) {
	c := open(t)
	recovered(t, c)
	s := subscribe(t, c, "ch")
	values := map[string]string{"s": "small", "l": "l" + pattern(1<<20, 1)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	defer load.Wait()
	defer stop()
	for i := range 4 {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				k := fmt.Sprint("k", (n+i)%7)
				v := values["s"]
				if n%5 == 0 {
					v = values["l"]
				}
				wantAway(t, c.Set(t.Context(), k, []byte(v), time.Minute))
				getAway(t, c, k, values)
			}
		})
	}
	Control(t, "kill", engine)
	failing(t, c)
	Control(t, "up", engine)
	recovered(t, c)
	heardAgain(t, c, s)
}

// cacheFaultReset: connections are reset in the middle of calls.
func cacheFaultReset(t *testing.T, c weir.Cache, ps Proxies) {
	values := map[string]string{"s": "small", "l": "l" + pattern(300_000, 1)}
	ctx, stop := context.WithCancel(t.Context())
	var resets sync.WaitGroup
	resets.Go(func() {
		for ctx.Err() == nil {
			ps.Reset()
			tick(ctx, 5*time.Millisecond)
		}
	})
	race(func(i int) {
		for n := range 20 {
			k := fmt.Sprint("k", n%5)
			for _, v := range values {
				wantAway(t, c.Set(t.Context(), k, []byte(v), time.Minute))
				getAway(t, c, k, values)
			}
			wantAway(t, c.Delete(t.Context(), k, "other", fmt.Sprint("k", i)))
			wantAway(t, c.Publish(t.Context(), "ch", []byte("m")))
		}
	})
	stop()
	resets.Wait()
	recovered(t, c)
}

// cacheFaultCutOff: the connection breaks within a reply.
func cacheFaultCutOff(t *testing.T, c weir.Cache, ps Proxies) {
	values := map[string]string{"l": "l" + pattern(3<<20, 1)}
	for _, n := range []int64{1, 100, 60_000, 70_000, 300_000, 1 << 20, 2_500_000} {
		recovered(t, c)
		set(t, c, "k", values["l"])
		ps.CutAfter(n)
		getAway(t, c, "k", values)
		ps.Heal()
	}
	recovered(t, c)
	set(t, c, "k", values["l"])
	wantHit(t, c, "k", values["l"])
}

// cacheFaultSlow: a network that is slow and no worse changes nothing.
func cacheFaultSlow(t *testing.T, c weir.Cache, ps Proxies) {
	ps.Delay(10 * time.Millisecond)
	large := pattern(300_000, 1)
	set(t, c, "k", "v")
	set(t, c, "large", large)
	wantHit(t, c, "k", "v")
	wantHit(t, c, "large", large)
	s := subscribe(t, c, "ch")
	publish(t, c, "ch", "m")
	s.await(t, 1)
}

// cacheFaultHang: the servers take connections and requests and do not answer. Callers do not wait each: 500 of them have their
// answers in the time of a few.
func cacheFaultHang(t *testing.T, c weir.Cache, ps Proxies) {
	set(t, c, "k", "v")
	ps.Silence(true)
	brief, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, ok, err := c.Get(brief, "k")
	wantKind(t, err, weir.Timeout)
	if ok {
		t.Error("Get found a value on a server that hangs")
	}
	allFail(t, c)
	ps.Heal()
	recovered(t, c)
}

func cacheFaultRefused(t *testing.T, c weir.Cache, ps Proxies) {
	set(t, c, "k", "v")
	ps.Refuse(true)
	ps.Reset()
	allFail(t, c)
	ps.Heal()
	recovered(t, c)
}

// allFail makes every call many times while the servers are away, in less than the bound of any wait.
func allFail(t *testing.T, c weir.Cache) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	large := []byte(pattern(100_000, 1))
	for n := range 100 {
		_, ok, err := c.Get(ctx, fmt.Sprint("k", n))
		if ok {
			t.Error("Get found a value on a server that is away")
		}
		for _, err := range []error{err, c.Set(ctx, "k", []byte("w"), time.Minute), c.Set(ctx, "k", large, time.Minute),
			c.Delete(ctx, "k", fmt.Sprint("k", n)), c.Publish(ctx, "ch", []byte("m"))} {
			if err == nil {
				t.Error("no error from a server that is away")
			}
			wantAway(t, err)
		}
	}
	if ctx.Err() != nil {
		t.Errorf("500 calls on servers that are away took longer than %s", wait)
	}
}

// cacheFaultCancel: a caller who gives up gets away from a server that hangs, and harms nobody.
func cacheFaultCancel(t *testing.T, c weir.Cache, ps Proxies) {
	set(t, c, "k", "v")
	ps.Silence(true)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	go func() { _, _, err := c.Get(ctx, "k"); errs <- err }()
	go func() { errs <- c.Set(ctx, "k", []byte("w"), time.Minute) }()
	cancel()
	for range 2 {
		wantKind(t, receive(t, errs), weir.Unavailable)
	}
	ps.Heal()
	recovered(t, c)
}

// cacheFaultSubscribe: a subscription outlives its connection, however that ends.
func cacheFaultSubscribe(t *testing.T, c weir.Cache, ps Proxies) {
	s := subscribe(t, c, "ch")
	publish(t, c, "ch", "before")
	s.await(t, 1)
	ps.Reset()
	heardAgain(t, c, s)
	ps.Refuse(true)
	ps.Reset()
	failing(t, c)
	ps.Heal()
	heardAgain(t, c, s)
	ps.Silence(true)
	failing(t, c)
	ps.Reset()
	ps.Heal()
	heardAgain(t, c, s)
	s.stop()
	if err := receive(t, s.done); err != nil {
		t.Errorf("Subscribe = %v when its context ended, want nil", err)
	}
}

// cacheFaultSubscribeBefore: one who subscribes while the servers are away hears once they are back, or may leave before.
func cacheFaultSubscribeBefore(t *testing.T, c weir.Cache, ps Proxies) {
	ps.Refuse(true)
	ps.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	left, ended := make(chan error, 1), make(chan error, 1)
	ready := make(chan struct{})
	got := make(chan string, 1)
	early, leave := context.WithCancel(ctx)
	go func() { left <- c.Subscribe(early, "ch", nil, func([]byte) {}) }()
	go func() { ended <- c.Subscribe(ctx, "ch", ready, func(m []byte) { got <- string(m) }) }()
	failing(t, c)
	leave()
	if err := receive(t, left); err != nil {
		t.Errorf("Subscribe = %v when its context ended, want nil", err)
	}
	select {
	case <-ready:
		t.Error("a subscription is ready while the servers are away")
	default:
	}
	ps.Heal()
	receive(t, ready)
	recovered(t, c)
	publish(t, c, "ch", "m")
	receive(t, got)
	cancel()
	if err := receive(t, ended); err != nil {
		t.Errorf("Subscribe = %v when its context ended, want nil", err)
	}
}

// wantAway checks that err, if any, is of a kind that says the cache is away.
func wantAway(t *testing.T, err error) {
	t.Helper()
	if kind := weir.KindOf(err); err != nil && kind != weir.Unavailable && kind != weir.Timeout {
		t.Errorf("error = %v (kind %v), want none or kind %v or %v", err, kind, weir.Unavailable, weir.Timeout)
	}
}

// getAway gets a key from a cache that may be away: what it finds is one of the values.
func getAway(t *testing.T, c weir.Cache, key string, values map[string]string) {
	t.Helper()
	b, ok, err := c.Get(t.Context(), key)
	wantAway(t, err)
	if ok && (err != nil || len(b) == 0 || string(b) != values[string(b[:1])]) {
		t.Errorf("Get(%q) = %d bytes, %v, which nobody set together", key, len(b), err)
	}
}

// failing waits until calls fail.
func failing(t *testing.T, c weir.Cache) {
	t.Helper()
	eventually(t, "calls fail", func() bool { return c.Set(t.Context(), "failing", nil, time.Minute) != nil })
}

// recovered waits until calls succeed for keys on all servers, be the values small or large.
func recovered(t *testing.T, c weir.Cache) {
	t.Helper()
	large := pattern(100_000, 9)
	eventually(t, "calls succeed again", func() bool {
		for i := range 30 {
			k, v := fmt.Sprint("recovered", i), fmt.Sprint("value", i)
			if i%3 == 0 {
				v = large
			}
			if c.Set(t.Context(), k, []byte(v), time.Minute) != nil {
				return false
			}
			b, ok, err := c.Get(t.Context(), k)
			if err != nil || !ok {
				return false
			}
			if string(b) != v {
				t.Fatalf("Get(%q) = %d bytes, want the %d set", k, len(b), len(v))
			}
		}
		return c.Delete(t.Context(), "recovered1", "recovered2", "recovered3") == nil && c.Publish(t.Context(), "recovered", nil) == nil
	})
}

// heardAgain publishes until s hears something that was published from now on, then that s hears in order.
func heardAgain(t *testing.T, c weir.Cache, s *subscription) {
	t.Helper()
	now := weir.NewID(time.Now())
	sent := 0
	eventually(t, "the subscriber hears again", func() bool {
		if c.Publish(t.Context(), "ch", []byte(fmt.Sprintf("%s %09d", now, sent))) == nil {
			sent++
		}
		for {
			select {
			case m := <-s.got:
				if len(m) > len(now) && m[:len(now)] == now {
					return true
				}
			default:
				return false
			}
		}
	})
	last := ""
	publish(t, c, "ch", now+" last")
	for last != now+" last" {
		m := receive(t, s.got)
		if m <= last && m != now+" last" {
			t.Errorf("heard %q after %q", m, last)
		}
		last = m
	}
}

// eventually asks until what is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), recovery)
	defer cancel()
	for !so() {
		if !tick(ctx, 10*time.Millisecond) {
			t.Fatalf("waited %s in vain until %s", recovery, what)
		}
	}
}

// tick lets d pass between two questions, and says whether ctx still goes on.
func tick(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
