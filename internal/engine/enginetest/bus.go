package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

// Bus holds an engine to the contract of [weir.Bus], which is what Kafka keeps: messages may come again at any time, so
// every test counts first deliveries only. open returns how to connect to a bus; connecting again is what a process that
// starts again does, and ends the connection before.
func Bus(t *testing.T, open func(t *testing.T) (connect func() weir.Bus)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, connect func() weir.Bus)
	}{
		{"Messages", busMessages},
		{"OrderPerKey", busOrderPerKey},
		{"Sizes", busSizes},
		{"Refusals", busRefusals},
		{"Wakes", busWakes},
		{"NewGroupStartsAtBeginning", busNewGroup},
		{"GroupsAreIndependent", busGroups},
		{"GroupResumes", busResumes},
		{"GroupResumesAfterRestart", busResumesAfterRestart},
		{"UnacknowledgedComesAgain", busUnacknowledged},
		{"HandlerErrors", busHandlerErrors},
		{"TwoMembers", busTwoMembers},
		{"MemberLeaves", busMemberLeaves},
		{"Cancellation", busCancellation},
		{"ManyPublishers", busManyPublishers},
		{"UnusualKeys", busUnusualKeys},
		{"ManyLargeValues", busManyLargeValues},
		{"OneAtATime", busOneAtATime},
		{"MembersComeAndGo", busMembersComeAndGo},
		{"Deadline", busDeadline},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func busMessages(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
	started := time.Now()
	send(t, b,
		weir.Message{Topic: topic, Key: "a", Value: []byte{0, 1, 255}, Time: at},
		weir.Message{Topic: topic, Key: "a", Value: []byte("é")},
		weir.Message{Topic: topic, Key: "a"})
	c := consume(t, b, topic, "g", nil)
	m1, m2, m3 := c.next(), c.next(), c.next()
	if m1.Topic != topic || m1.Key != "a" || !bytes.Equal(m1.Value, []byte{0, 1, 255}) || !m1.Time.Equal(at) {
		t.Errorf("first message = %+v", m1)
	}
	if string(m2.Value) != "é" || m2.Time.Before(started.Add(-time.Hour)) || m2.Time.After(time.Now().Add(time.Hour)) {
		t.Errorf("second message = %+v", m2)
	}
	if len(m3.Value) != 0 {
		t.Errorf("value of an empty message = %q", m3.Value)
	}
	if m1.Partition != m2.Partition || m2.Partition != m3.Partition || m1.Offset >= m2.Offset || m2.Offset >= m3.Offset {
		t.Errorf("messages of one key are at %d:%d, %d:%d, %d:%d", m1.Partition, m1.Offset, m2.Partition, m2.Offset, m3.Partition, m3.Offset)
	}
}

func busOrderPerKey(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	const keys, each = 10, 30
	for i := 0; i < each; i += 3 {
		var batch []weir.Message
		for j := i; j < i+3; j++ {
			for k := range keys {
				batch = append(batch, numbered(topic, fmt.Sprint("key", k), j))
			}
		}
		send(t, b, batch...)
	}
	c := consume(t, b, topic, "g", nil)
	checkOrder(t, c.take(keys*each), each)
}

func busSizes(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	most := weir.Message{Topic: topic, Key: "k", Value: bytes.Repeat([]byte("x"), weir.MaxMessageBytes)}
	over := weir.Message{Topic: topic, Key: "k", Value: make([]byte, weir.MaxMessageBytes+1)}
	if err := b.Publish(t.Context(), over); weir.KindOf(err) != weir.TooLarge {
		t.Errorf("Publish of a message that is too large = %v, want TooLarge", err)
	}
	if err := b.Publish(t.Context()); err != nil {
		t.Errorf("Publish of nothing = %v", err)
	}
	send(t, b, most)
	if m := consume(t, b, topic, "g", nil).next(); !bytes.Equal(m.Value, most.Value) {
		t.Errorf("the largest message came with %d bytes", len(m.Value))
	}
}

func busRefusals(t *testing.T, connect func() weir.Bus) {
	b := connect()
	for _, topic := range []string{"", ".", "..", "a/b", "a b", "\u00e9", strings.Repeat("x", 101)} {
		if err := b.Publish(t.Context(), weir.Message{Topic: topic}); weir.KindOf(err) != weir.Invalid {
			t.Errorf("Publish to topic %q = %v, want Invalid", topic, err)
		}
		if err := b.Consume(t.Context(), topic, "g", nil); weir.KindOf(err) != weir.Invalid {
			t.Errorf("Consume of topic %q = %v, want Invalid", topic, err)
		}
	}
	for _, group := range []string{"", "a.b", "a/b", strings.Repeat("x", 101)} {
		if err := b.Consume(t.Context(), "t", group, nil); weir.KindOf(err) != weir.Invalid {
			t.Errorf("Consume in group %q = %v, want Invalid", group, err)
		}
	}
	long := weir.Message{Topic: newTopic(), Key: strings.Repeat("k", 1<<10+1)}
	if err := b.Publish(t.Context(), long); weir.KindOf(err) != weir.TooLarge {
		t.Errorf("Publish of a key of %d bytes = %v, want TooLarge", len(long.Key), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(ctx, numbered(newTopic(), "k", 0)); err == nil {
		t.Error("Publish after its context ended succeeded")
	}
}

func busWakes(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	c := consume(t, b, topic, "g", nil)
	for i := range 5 { // each when the member has nothing to do
		send(t, b, numbered(topic, fmt.Sprint(i), i))
		if m := c.next(); m.Key != fmt.Sprint(i) {
			t.Errorf("message %d has key %q", i, m.Key)
		}
	}
}

func busNewGroup(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	send(t, b, numbered(topic, "k", 0), numbered(topic, "k", 1))
	checkOrder(t, consume(t, b, topic, "early", nil).take(2), 2)
	send(t, b, numbered(topic, "k", 2))
	checkOrder(t, consume(t, b, topic, "late", nil).take(3), 3)
}

func busGroups(t *testing.T, connect func() weir.Bus) {
	b, topic, other := connect(), newTopic(), newTopic()
	c1, c2, c3 := consume(t, b, topic, "one", nil), consume(t, b, topic, "two", nil), consume(t, b, other, "one", nil)
	send(t, b, numbered(topic, "k", 0), numbered(other, "other", 0), numbered(topic, "k", 1))
	checkOrder(t, c1.take(2), 2)
	checkOrder(t, c2.take(2), 2)
	if m := c3.next(); m.Key != "other" {
		t.Errorf("the other topic has message %+v", m)
	}
}

func busResumes(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	resume(t, topic, b, func() weir.Bus { return b })
}

func busResumesAfterRestart(t *testing.T, connect func() weir.Bus) {
	resume(t, newTopic(), connect(), connect)
}

// resume: a group that stops and comes back gets all it has not acknowledged.
func resume(t *testing.T, topic string, b weir.Bus, again func() weir.Bus) {
	send(t, b, numbered(topic, "k", 0), numbered(topic, "k", 1))
	c := consume(t, b, topic, "g", nil)
	c.take(2)
	c.stop()
	send(t, b, numbered(topic, "k", 2))
	b = again()
	send(t, b, numbered(topic, "k", 3), numbered(topic, "k", 4))
	c = consume(t, b, topic, "g", nil)
	for want := 2; want <= 4; {
		n := number(t, c.next())
		if n > want {
			t.Fatalf("message %d came before %d", n, want)
		}
		if n == want {
			want++
		}
	}
}

func busUnacknowledged(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	send(t, b, numbered(topic, "k", 0), numbered(topic, "k", 1))
	c := consume(t, b, topic, "g", func(_ context.Context, m weir.Message) error {
		if number(t, m) == 1 {
			return errors.New("not now")
		}
		return nil
	})
	for number(t, c.next()) != 1 {
	}
	c.stop()
	c = consume(t, connect(), topic, "g", nil)
	for number(t, c.next()) != 1 {
	}
}

func busHandlerErrors(t *testing.T, connect func() weir.Bus) {
	b, topic := connect(), newTopic()
	failures := 0
	handled := map[int]bool{}
	c := consume(t, b, topic, "g", func(_ context.Context, m weir.Message) error {
		n := number(t, m)
		if n > 2 && !handled[2] {
			t.Errorf("message %d came before the failing one behind which it waits", n)
		}
		if n == 2 && failures < 3 {
			failures++
			return errors.New("not now")
		}
		handled[n] = true
		return nil
	})
	send(t, b, numbered(topic, "k", 0), numbered(topic, "k", 1), numbered(topic, "k", 2), numbered(topic, "k", 3))
	for number(t, c.next()) != 3 {
	}
	c.stop()
	if failures != 3 || len(handled) != 4 {
		t.Errorf("%d failures and handled %v, want 3 and all of 4", failures, handled)
	}
}
