package enginetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
)

// wait bounds every wait of a suite; nothing that works takes near as long.
const wait = 20 * time.Second

// Cache holds an engine to the contract of [weir.Cache]. open returns an empty cache, whose lifetimes advance lets pass:
// it moves the clock of an engine that has one and waits on others.
func Cache(t *testing.T, open func(t *testing.T) (c weir.Cache, advance func(time.Duration))) {
	for _, test := range []struct {
		name string
		f    func(*testing.T, weir.Cache)
	}{
		{"SetAndGet", cacheSetAndGet},
		{"UnusualKeys", cacheUnusualKeys},
		{"OwnBytes", cacheOwnBytes},
		{"Limits", cacheLimits},
		{"LargeValues", cacheLargeValues},
		{"LargeRace", cacheLargeRace},
		{"DeleteMany", cacheDeleteMany},
		{"Context", cacheContext},
		{"Race", cacheRace},
		{"PubSub", cachePubSub},
		{"SubscribeEnds", cacheSubscribeEnds},
		{"SlowSubscriber", cacheSlowSubscriber},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := open(t)
			test.f(t, c)
		})
	}
	t.Run("Lifetime", func(t *testing.T) {
		c, advance := open(t)
		cacheLifetime(t, c, advance)
	})
}

func cacheSetAndGet(t *testing.T, c weir.Cache) {
	wantMiss(t, c, "k")
	for _, v := range []string{"one", "two", "", "three\x00\xff"} {
		set(t, c, "k", v)
		wantHit(t, c, "k", v)
	}
	set(t, c, "other", "o")
	if err := c.Delete(t.Context(), "k", "missing"); err != nil {
		t.Error(err)
	}
	wantMiss(t, c, "k")
	wantHit(t, c, "other", "o")
	if err := c.Delete(t.Context()); err != nil {
		t.Error(err)
	}
}

func cacheUnusualKeys(t *testing.T, c weir.Cache) {
	ks := []string{"", " ", "a", "A", "a b", "a/b", "..", "{", "}", "{}", "{tag}", "{tag}a", "{tag}b", "}{", "a{b}{c}d", "a\nb", "a\r\nb",
		"$1\r\na\r\n", "a\x00b", "\xff\xfe", "ü", "*", "?", "[a]", strings.Repeat("k", 1000), strings.Repeat("k", 1001), string(make([]byte, 4000))}
	for _, k := range ks {
		set(t, c, k, "value of "+k)
	}
	for _, k := range ks {
		wantHit(t, c, k, "value of "+k)
	}
	if err := c.Delete(t.Context(), ks[1:]...); err != nil {
		t.Error(err)
	}
	for _, k := range ks[1:] {
		wantMiss(t, c, k)
	}
	wantHit(t, c, "", "value of ")
	for _, channel := range ks {
		s := subscribe(t, c, channel)
		publish(t, c, channel, "message on "+channel)
		if got := s.await(t, 1); !slices.Equal(got, []string{"message on " + channel}) {
			t.Errorf("channel %q heard %q", channel, got)
		}
	}
}

// cacheOwnBytes: neither side sees what the other does to its slice later.
func cacheOwnBytes(t *testing.T, c weir.Cache) {
	v := []byte("value")
	if err := c.Set(t.Context(), "k", v, time.Minute); err != nil {
		t.Fatal(err)
	}
	v[0] = 'X'
	got, ok, err := c.Get(t.Context(), "k")
	if err != nil || !ok || string(got) != "value" {
		t.Fatalf("Get = %q, %v, %v", got, ok, err)
	}
	got[0] = 'Y'
	wantHit(t, c, "k", "value")
}

func cacheLimits(t *testing.T, c weir.Cache) {
	largest := pattern(8<<20, 3)
	set(t, c, "largest", largest)
	wantHit(t, c, "largest", largest)
	wantKind(t, c.Set(t.Context(), "k", make([]byte, 8<<20+1), time.Minute), weir.TooLarge)
	for _, ttl := range []time.Duration{0, -time.Second} {
		wantKind(t, c.Set(t.Context(), "k", []byte("v"), ttl), weir.Invalid)
	}
	wantMiss(t, c, "k")
	wantKind(t, c.Publish(t.Context(), "ch", make([]byte, weir.MaxMessageBytes+1)), weir.TooLarge)
}

func cacheLifetime(t *testing.T, c weir.Cache, advance func(time.Duration)) {
	f := func(key string, ttl time.Duration) {
		t.Helper()
		if err := c.Set(t.Context(), key, []byte(key), ttl); err != nil {
			t.Fatal(err)
		}
	}
	const short = 2500 * time.Millisecond // so that what is set just now is surely there on an engine whose time passes by itself
	f("short", short)
	f("long", time.Hour)
	f("renewed", short)
	f("renewed", time.Hour)
	f("cut", time.Hour)
	f("cut", short)
	f("brief", 1001*time.Microsecond)
	f("briefest", 1)
	f("longest", 1<<62)
	large := pattern(100_000, 7)
	if err := c.Set(t.Context(), "large", []byte(large), short); err != nil {
		t.Fatal(err)
	}
	wantHit(t, c, "short", "short")
	wantHit(t, c, "large", large)
	advance(100 * time.Millisecond)
	wantMiss(t, c, "brief")
	wantMiss(t, c, "briefest")
	advance(short)
	wantMiss(t, c, "short")
	wantMiss(t, c, "cut")
	wantMiss(t, c, "large")
	for _, key := range []string{"long", "renewed", "longest"} {
		wantHit(t, c, key, key)
	}
}

func cacheContext(t *testing.T, c weir.Cache) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := c.Get(ctx, "k")
	wantKind(t, err, weir.Unavailable)
	wantKind(t, c.Set(ctx, "k", []byte("v"), time.Minute), weir.Unavailable)
	wantKind(t, c.Delete(ctx, "k"), weir.Unavailable)
	wantKind(t, c.Publish(ctx, "ch", []byte("m")), weir.Unavailable)
	if err := c.Subscribe(ctx, "ch", nil, func([]byte) {}); err != nil {
		t.Errorf("Subscribe = %v with an ended context, want nil", err)
	}
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	_, _, err = c.Get(late, "k")
	wantKind(t, err, weir.Timeout)
}

// cacheRace: many set and get few keys; what is read was written, whole.
func cacheRace(t *testing.T, c weir.Cache) {
	race(func(i int) {
		for n := range 50 {
			k := fmt.Sprint("k", n%5)
			v := pattern(1000, byte(i))
			if err := c.Set(t.Context(), k, []byte(v), time.Minute); err != nil {
				t.Error(err)
			}
			got, ok, err := c.Get(t.Context(), k)
			if err != nil || ok && (len(got) != 1000 || string(got) != pattern(1000, got[0])) {
				t.Errorf("Get = %d bytes, %v, %v", len(got), ok, err)
			}
			if n%10 == i%10 {
				if err := c.Delete(t.Context(), k); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func cachePubSub(t *testing.T, c weir.Cache) {
	publish(t, c, "ch", "before anyone listens")
	first, second, other := subscribe(t, c, "ch"), subscribe(t, c, "ch"), subscribe(t, c, "other")
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint("message ", i))
		publish(t, c, "ch", want[i])
	}
	publish(t, c, "other", "else")
	for name, s := range map[string]*subscription{"first": first, "second": second} {
		if diff := cmp.Diff(want, s.await(t, 50)); diff != "" {
			t.Errorf("the %s heard (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"else"}, other.await(t, 1)); diff != "" {
		t.Errorf("the other channel heard (-want +got):\n%s", diff)
	}
}

func cacheSubscribeEnds(t *testing.T, c weir.Cache) {
	leaver, stayer := subscribe(t, c, "ch"), subscribe(t, c, "ch")
	leaver.stop()
	if err := <-leaver.done; err != nil {
		t.Errorf("Subscribe = %v when its context ended, want nil", err)
	}
	publish(t, c, "ch", "m")
	if got := stayer.await(t, 1); !slices.Equal(got, []string{"m"}) {
		t.Errorf("the one who stayed heard %q", got)
	}
	if got := leaver.heard(); len(got) != 0 {
		t.Errorf("the one who left heard %q", got)
	}
}

// cacheSlowSubscriber: one who does not keep up holds up nobody else; he himself may miss messages.
func cacheSlowSubscriber(t *testing.T, c weir.Cache) {
	release := make(chan struct{})
	ready := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	slow.Go(func() {
		if err := c.Subscribe(ctx, "ch", ready, func([]byte) { <-release }); err != nil {
			t.Errorf("Subscribe = %v", err)
		}
	})
	receive(t, ready)
	quick := subscribe(t, c, "ch")
	for i := range 2000 {
		publish(t, c, "ch", fmt.Sprint(i))
		quick.await(t, i+1)
	}
	cancel()
	close(release)
	slow.Wait()
}

// subscription gathers what one subscriber hears.
type subscription struct {
	stop func()
	done chan error
	got  chan string
	all  []string
}

// subscribe starts a subscriber, who leaves at the latest when the test ends, and waits until it hears.
func subscribe(t *testing.T, c weir.Cache, channel string) *subscription {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &subscription{stop: cancel, done: make(chan error, 1), got: make(chan string, 100)}
	ready := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		s.done <- c.Subscribe(ctx, channel, ready, func(m []byte) {
			select {
			case s.got <- string(m):
			case <-ctx.Done():
			}
		})
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	receive(t, ready)
	return s
}

// await is all that was heard, once it is n messages.
func (s *subscription) await(t *testing.T, n int) []string {
	t.Helper()
	for len(s.all) < n {
		s.all = append(s.all, receive(t, s.got))
	}
	return s.all
}

// heard is what was heard up to now.
func (s *subscription) heard() []string {
	for {
		select {
		case m := <-s.got:
			s.all = append(s.all, m)
		default:
			return s.all
		}
	}
}

func publish(t *testing.T, c weir.Cache, channel, message string) {
	t.Helper()
	if err := c.Publish(t.Context(), channel, []byte(message)); err != nil {
		t.Fatalf("Publish = %v", err)
	}
}

func set(t *testing.T, c weir.Cache, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), time.Minute); err != nil {
		t.Fatalf("Set(%q) = %v", key, err)
	}
}

func wantHit(t *testing.T, c weir.Cache, key, want string) {
	t.Helper()
	if got, ok, err := c.Get(t.Context(), key); err != nil || !ok || string(got) != want {
		t.Errorf("Get(%q) = %d bytes, %v, %v, want the %d set", key, len(got), ok, err, len(want))
	}
}

func wantMiss(t *testing.T, c weir.Cache, key string) {
	t.Helper()
	if got, ok, err := c.Get(t.Context(), key); err != nil || ok {
		t.Errorf("Get(%q) = %d bytes, %v, %v, want a miss", key, len(got), ok, err)
	}
}

// receive is what comes through c, or the end of the test if nothing does.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(wait):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
