package enginetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

func busTwoMembers(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	seen := make(chan weir.Message, 10_000)
	note := func(_ context.Context, m weir.Message) error { seen <- m; return nil }
	c1, c2 := consume(t, b, topic, "g", note), consume(t, b, topic, "g", note)
	const keys, each = 12, 20
	for i := range each {
		var batch []weir.Message
		for k := range keys {
			batch = append(batch, numbered(topic, fmt.Sprint("key", k), i))
		}
		send(t, b, batch...)
	}
	got := takeFrom(t, seen, keys*each)
	checkOrder(t, got, each)
	c1.stop()
	send(t, b, numbered(topic, "key0", each))
	for number(t, takeFrom(t, seen, 1)[0]) != each { // the member that is left gets everything
	}
	c2.stop()
}

func busMemberLeaves(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	c1 := consume(t, b, topic, "g", func(ctx context.Context, _ weir.Message) error {
		<-ctx.Done() // is in the middle of it when it has to leave
		return ctx.Err()
	})
	send(t, b, numbered(topic, "k", 0), numbered(topic, "k", 1))
	c1.next()
	c2 := consume(t, b, topic, "g", nil)
	c1.stop()
	checkOrder(t, c2.take(2), 2)
}

func busCancellation(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	c := consume(t, b, topic, "g", func(ctx context.Context, _ weir.Message) error {
		<-ctx.Done() // the handler's context ends with the consumer's
		return nil
	})
	send(t, b, numbered(topic, "k", 0))
	c.next()
	c.stop()
	consume(t, b, newTopic(), "g", nil).stop() // with nothing to wait for
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Consume(ended, topic, "g", nil); err != nil {
		t.Errorf("Consume with a context that has ended = %v, want nil", err)
	}
}

func busManyPublishers(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	const publishers, each = 8, 20
	c := consume(t, b, topic, "g", nil)
	var wait sync.WaitGroup
	for p := range publishers {
		wait.Go(func() {
			for i := range each {
				if err := b.Publish(t.Context(), numbered(topic, fmt.Sprint(p), i)); err != nil {
					t.Errorf("Publish = %v", err)
				}
			}
		})
	}
	wait.Wait()
	checkOrder(t, c.take(publishers*each), each)
}

// patience bounds every wait for something that must happen.
const patience = time.Minute

func newTopic() string { return "test-" + weir.NewID(time.Now()) }

// numbered is the nth message of a key.
func numbered(topic, key string, n int) weir.Message {
	return weir.Message{Topic: topic, Key: key, Value: binary.AppendUvarint(nil, uint64(n))}
}

func number(t *testing.T, m weir.Message) int {
	n, size := binary.Uvarint(m.Value)
	if size <= 0 {
		t.Errorf("value of message %+v is not one that was published", m)
	}
	return int(n)
}

func send(t *testing.T, b weir.Bus, messages ...weir.Message) {
	t.Helper()
	if err := b.Publish(t.Context(), messages...); err != nil {
		t.Fatalf("Publish = %v", err)
	}
}

// consumer is one member of a group. What comes to it is handled, then handed to next.
type consumer struct {
	t      *testing.T
	seen   chan weir.Message
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once
}

// consume starts a member; handle may be nil. A message is seen when it comes if handle is given, and when it was handled
// otherwise.
func consume(t *testing.T, b weir.Bus, topic, group string, handle func(context.Context, weir.Message) error) *consumer {
	ctx, cancel := context.WithCancel(t.Context())
	c := &consumer{t: t, seen: make(chan weir.Message, 10_000), cancel: cancel, ended: make(chan error, 1)}
	go func() {
		c.ended <- b.Consume(ctx, topic, group, func(ctx context.Context, m weir.Message) error {
			c.seen <- m
			if handle != nil {
				return handle(ctx, m)
			}
			return nil
		})
	}()
	t.Cleanup(c.stop)
	return c
}

// stop ends the member and waits for it.
func (c *consumer) stop() {
	c.once.Do(func() {
		c.cancel()
		select {
		case err := <-c.ended:
			if err != nil {
				c.t.Errorf("Consume = %v when its context ended, want nil", err)
			}
		case <-time.After(patience):
			c.t.Errorf("Consume did not return when its context ended")
		}
	})
}

func (c *consumer) next() weir.Message {
	c.t.Helper()
	select {
	case m := <-c.seen:
		return m
	case <-time.After(patience):
		c.t.Fatal("no message came")
		panic("unreachable")
	}
}

// take waits until n different messages have come and returns them in the order of their first coming.
func (c *consumer) take(n int) []weir.Message {
	c.t.Helper()
	return takeFrom(c.t, c.seen, n)
}

func takeFrom(t *testing.T, seen <-chan weir.Message, n int) []weir.Message {
	t.Helper()
	type place struct {
		partition int
		offset    int64
	}
	known := map[place]bool{}
	var out []weir.Message
	for len(out) < n {
		select {
		case m := <-seen:
			if p := (place{m.Partition, m.Offset}); !known[p] {
				known[p] = true
				out = append(out, m)
			}
		case <-time.After(patience):
			t.Fatalf("%d messages came, want %d", len(out), n)
		}
	}
	return out
}

// checkOrder: every key has each messages, which came in the order they were published in.
func checkOrder(t *testing.T, messages []weir.Message, each int) {
	t.Helper()
	next := map[string]int{}
	for _, m := range messages {
		if n := number(t, m); n != next[m.Key] {
			t.Fatalf("of key %s message %d came, want %d", m.Key, n, next[m.Key])
		}
		next[m.Key]++
	}
	for key, n := range next {
		if n != each {
			t.Errorf("of key %s %d messages came, want %d", key, n, each)
		}
	}
}
