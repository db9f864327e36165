package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

func busUnusualKeys(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	keys := []string{"", " ", "\x00", "\xff\xfe", "a/b?c=d&e", "ключ", "line\nbreak", "'; --", "{\"json\":1}", strings.Repeat("k", 1<<10)}
	const each = 3
	for i := range each {
		for _, k := range keys {
			send(t, b, numbered(topic, k, i))
		}
	}
	got := consume(t, b, topic, "g", nil).take(len(keys) * each)
	checkOrder(t, got, each)
	partitions := map[string]int{}
	for _, m := range got {
		if p, ok := partitions[m.Key]; ok && p != m.Partition {
			t.Errorf("messages of key %q are on partitions %d and %d", m.Key, p, m.Partition)
		}
		partitions[m.Key] = m.Partition
	}
	for _, k := range keys {
		if _, ok := partitions[k]; !ok {
			t.Errorf("no message of key %q came; there are %v", k, partitions)
		}
	}
}

// busManyLargeValues publishes more at once than goes in one request.
func busManyLargeValues(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	const keys, each = 3, 20
	var batch []weir.Message
	for i := range each {
		for k := range keys {
			m := numbered(topic, fmt.Sprint("key", k), i)
			m.Value = append(m.Value, bytes.Repeat([]byte{byte(i)}, weir.MaxMessageBytes-len(m.Value))...)
			batch = append(batch, m)
		}
	}
	send(t, b, batch...)
	got := consume(t, b, topic, "g", nil).take(keys * each)
	checkOrder(t, got, each)
	for _, m := range got {
		if n := number(t, m); len(m.Value) != weir.MaxMessageBytes || m.Value[len(m.Value)-1] != byte(n) {
			t.Fatalf("message %d of %s came with %d bytes, the last of them %d", n, m.Key, len(m.Value), m.Value[len(m.Value)-1])
		}
	}
}

func busOneAtATime(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	var batch []weir.Message
	for k := range 50 {
		batch = append(batch, numbered(topic, fmt.Sprint("key", k), 0))
	}
	send(t, b, batch...)
	var inside atomic.Int32
	c := consume(t, b, topic, "g", func(ctx context.Context, _ weir.Message) error {
		if n := inside.Add(1); n > 1 {
			t.Errorf("%d messages are being handled at once by one Consume", n)
		}
		timer := time.NewTimer(time.Millisecond)
		defer timer.Stop()
		select { // long enough for another to come in, if it could
		case <-timer.C:
		case <-ctx.Done():
		}
		inside.Add(-1)
		return nil
	})
	c.take(50)
	c.stop()
}

// busMembersComeAndGo: while messages stream, members join and leave in mid-stream. All messages are handled, those of a
// key in their order as far as they come for the first time.
func busMembersComeAndGo(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	const keys, each, turns = 12, 40, 4
	seen := make(chan weir.Message, 100_000)
	handled := func(ctx context.Context, m weir.Message) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		seen <- m
		return nil
	}
	var got []weir.Message
	firsts := map[string]int{}
	collect := func(until int) {
		t.Helper()
		for len(got) < until {
			m := takeFrom(t, seen, 1)[0]
			switch n := number(t, m); {
			case n == firsts[m.Key]:
				firsts[m.Key]++
				got = append(got, m)
			case n > firsts[m.Key]:
				t.Fatalf("of key %s message %d came before %d", m.Key, n, firsts[m.Key])
			}
		}
	}
	var publisher sync.WaitGroup
	defer publisher.Wait()
	publisher.Go(func() {
		for i := range each {
			var batch []weir.Message
			for k := range keys {
				batch = append(batch, numbered(topic, fmt.Sprint("key", k), i))
			}
			if err := b.Publish(t.Context(), batch...); err != nil {
				t.Errorf("Publish = %v", err)
			}
		}
	})
	stays := consume(t, b, topic, "g", handled)
	for turn := range turns {
		c := consume(t, b, topic, "g", handled)
		collect((turn + 1) * keys * each / (turns + 1))
		c.stop()
	}
	collect(keys * each)
	stays.stop()
}

func busDeadline(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := b.Publish(past, numbered(topic, "k", 0)); weir.KindOf(err) != weir.Timeout {
		t.Errorf("Publish after its deadline = %v, want Timeout", err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := b.Consume(soon, topic, "g", func(context.Context, weir.Message) error { return nil }); err != nil {
		t.Errorf("Consume = %v when its deadline passed, want nil", err)
	}
	send(t, b, numbered(topic, "k", 0))
	consume(t, b, topic, "g", nil).take(1)
}
