package enginetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	weir "github.com/weirstream/weir"
)

// ScanBus is a bus whose topics can be read from end to end, as one does who moves to another engine.
type ScanBus interface {
	weir.Bus
	// Scan calls f for every message of a topic, of each partition in order, up to the end as it stood at the call.
	Scan(ctx context.Context, topic string, f func(weir.Message) error) error
}

// BusScan holds an engine to the contract of [ScanBus].
func BusScan(t *testing.T, b ScanBus) {
	t.Run("Everything", func(t *testing.T) { scanEverything(t, b) })
	t.Run("Nothing", func(t *testing.T) { scanNothing(t, b) })
	t.Run("Errors", func(t *testing.T) { scanErrors(t, b) })
}

func scanEverything(t *testing.T, b ScanBus) {
	topic := newTopic()
	const keys, each = 20, 30
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			var batch []weir.Message
			for k := range keys {
				m := numbered(topic, fmt.Sprint("key", k), i)
				m.Value = append(m.Value, make([]byte, 2000)...) // more than is read at once
				batch = append(batch, m)
			}
			send(t, b, batch...)
		}
	}
	publish(0, each)
	c := consume(t, b, topic, "g", nil)
	c.take(keys * each) // acknowledging hides nothing
	var got []weir.Message
	err := b.Scan(t.Context(), topic, func(m weir.Message) error {
		if len(got) == 0 {
			publish(each, each+1) // behind the end as it stood
		}
		got = append(got, m)
		return nil
	})
	if err != nil {
		t.Fatalf("Scan = %v", err)
	}
	if len(got) != keys*each {
		t.Errorf("Scan gave %d messages, want %d", len(got), keys*each)
	}
	checkOrder(t, got, each)
	if m := got[0]; m.Topic != topic || m.Time.IsZero() {
		t.Errorf("first message is of topic %q, time %v", m.Topic, m.Time)
	}
}

func scanNothing(t *testing.T, b ScanBus) {
	f := func(weir.Message) error { return errors.New("a message came") }
	if err := b.Scan(t.Context(), newTopic(), f); err != nil {
		t.Errorf("Scan of a topic that is not there = %v, want nil", err)
	}
	if err := b.Scan(t.Context(), "a/b", f); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Scan of a topic that cannot be = %v, want Invalid", err)
	}
}

func scanErrors(t *testing.T, b ScanBus) {
	topic, enough := newTopic(), errors.New("enough")
	send(t, b, numbered(topic, "k", 0), numbered(topic, "k", 1))
	n := 0
	err := b.Scan(t.Context(), topic, func(weir.Message) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("Scan = %v after %d messages, want the function's error after 1", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Scan(ctx, topic, func(weir.Message) error { return nil }); err == nil {
		t.Error("Scan with a context that has ended = nil, want an error")
	}
}
