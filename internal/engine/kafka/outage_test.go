package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/weirstream/weir"
)

// A store that is away for longer than a message is tried for is no fault of the message's: it is neither set aside nor a
// dead letter, and those behind it keep their order.
func TestOutageSetsNothingAside(t *testing.T) {
	b := impatient(t, newURL(t))
	publish(t, b, "k", "0", "1", "2")
	came := make(chan string, 100)
	var since time.Time
	defer member(t, b, func(_ context.Context, m weir.Message) error {
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < 5*b.RetryFor { // all of 1.3 s, in which it would be dead
			return weir.Errorf(weir.Unavailable, "the store is away")
		}
		came <- string(m.Value)
		return nil
	})()
	for _, want := range []string{"0", "1", "2"} {
		select {
		case got := <-came:
			if got != want {
				t.Errorf("after the outage came %q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%q did not come", want)
		}
	}
	if dead, err := b.Dead(t.Context(), "t", "g", 10); err != nil || len(dead) != 0 {
		t.Errorf("Dead = %v, %v, want none", dead, err)
	}
}
