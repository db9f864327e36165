package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/kafka"
)

// impatient is a bus that gives a message up soon.
func impatient(t *testing.T, url string) *kafka.Bus {
	b := open(t, url)
	b.RetryFor = 200 * time.Millisecond
	b.RetryDelays[0], b.RetryDelays[1] = 300*time.Millisecond, 600*time.Millisecond
	return b
}

// member consumes topic t as group g until the test ends or stop is called.
func member(t *testing.T, b *kafka.Bus, handle func(context.Context, weir.Message) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Consume(ctx, "t", "g", handle) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Consume = %v", err)
		}
	}
}

func publish(t *testing.T, b *kafka.Bus, key string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := b.Publish(t.Context(), weir.Message{Topic: "t", Key: key, Value: []byte(v)}); err != nil {
			t.Fatalf("Publish = %v", err)
		}
	}
}

// awaitDead waits until the group has n dead letters.
func awaitDead(t *testing.T, b *kafka.Bus, n int) []kafka.DeadLetter {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		dead, err := b.Dead(ctx, "t", "g", 100)
		if err == nil && len(dead) == n {
			return dead
		}
		if err != nil && weir.KindOf(err) != weir.NotFound {
			t.Fatalf("Dead = %v", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d dead letters, want %d", len(dead), n)
		}
	}
}

// TestSetAside follows a message that fails for long: those behind it go on, it comes again from both retry topics as it was
// published, is a dead letter then, and comes again when an operator asks.
func TestSetAside(t *testing.T) {
	b := impatient(t, newURL(t))
	publish(t, b, "k", "0", "poison", "2", "3")
	good, bad := make(chan string, 100), make(chan weir.Message, 100)
	healed := make(chan struct{})
	handle := func(_ context.Context, m weir.Message) error {
		select {
		case <-healed:
		default:
			if string(m.Value) == "poison" {
				bad <- m
				return errors.New("connect to postgres://weir:hunter2@db:5432: refused, token=abcdef " + strings.Repeat("x", 2000))
			}
		}
		good <- string(m.Value)
		return nil
	}
	stop := member(t, b, handle)
	if diff := cmp.Diff([]string{"0", "2", "3"}, []string{<-good, <-good, <-good}); diff != "" {
		t.Errorf("messages that were handled, -want +got:\n%s", diff)
	}
	dead := awaitDead(t, b, 1)[0]
	first := <-bad
	tries := 1
	for len(bad) > 0 {
		if diff := cmp.Diff(first, <-bad); diff != "" {
			t.Errorf("message came again, -first +again:\n%s", diff)
		}
		tries++
	}
	if diff := cmp.Diff(first, dead.Message); diff != "" || tries < 4 || dead.Attempts != tries {
		t.Errorf("dead letter says %d attempts of %d, at least 4; -published +dead:\n%s", dead.Attempts, tries, diff)
	}
	if dead.FirstFailure.Before(first.Time.Add(-time.Second)) || dead.Died.Sub(dead.FirstFailure) < 900*time.Millisecond {
		t.Errorf("published at %v, first failed at %v, died at %v: want both delays in between", first.Time, dead.FirstFailure, dead.Died)
	}
	if len(dead.Error) > 1<<10 || strings.Contains(dead.Error, "hunter2") || strings.Contains(dead.Error, "abcdef") || !strings.Contains(dead.Error, "db:5432: refused") {
		t.Errorf("dead letter's error is %d bytes: %q", len(dead.Error), dead.Error)
	}
	close(healed)
	if n, err := b.Redrive(t.Context(), "t", "g", 10); n != 1 || err != nil {
		t.Fatalf("Redrive = %d, %v, want 1", n, err)
	}
	if got := <-good; got != "poison" {
		t.Errorf("redriven came %q", got)
	}
	stop()
	awaitDead(t, b, 0)
	if n, err := b.Redrive(t.Context(), "t", "g", 10); n != 0 || err != nil {
		t.Errorf("second Redrive = %d, %v, want 0", n, err)
	}
}

// TestSetAsideSurvivesRestarts: what rests in a retry topic comes to whoever is the group then, and to that group alone.
func TestSetAsideSurvivesRestarts(t *testing.T) {
	url := newURL(t)
	b := impatient(t, url)
	publish(t, b, "k", "poison", "next")
	reached := make(chan struct{}, 100)
	stop := member(t, b, func(_ context.Context, m weir.Message) error {
		if string(m.Value) == "next" {
			reached <- struct{}{}
			return nil
		}
		return errors.New("not now")
	})
	<-reached // so the message before was set aside
	stop()
	got := make(chan string, 100)
	other := make(chan string, 100)
	b = impatient(t, url)
	stop = member(t, b, func(_ context.Context, m weir.Message) error { got <- string(m.Value); return nil })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(ctx, "t", "other", func(_ context.Context, m weir.Message) error { other <- string(m.Value); return nil })
	}()
	for <-got != "poison" {
	}
	if diff := cmp.Diff([]string{"poison", "next"}, []string{<-other, <-other}); diff != "" {
		t.Errorf("the other group got, -want +got:\n%s", diff)
	}
	stop()
	cancel()
	if err := <-ended; err != nil || len(other) > 0 {
		t.Errorf("Consume = %v, %d messages came twice to the other group", err, len(other))
	}
}

// TestSetAsideByAWrongClock: a message rests no longer than its topic asks, whatever time it was by who set it aside.
func TestSetAsideByAWrongClock(t *testing.T) {
	url := newURL(t)
	b := impatient(t, url)
	b.Now = func() time.Time { return time.Now().Add(time.Hour) }
	publish(t, b, "k", "poison", "next")
	reached := make(chan struct{}, 100)
	stop := member(t, b, func(_ context.Context, m weir.Message) error {
		if string(m.Value) == "next" {
			reached <- struct{}{}
			return nil
		}
		return errors.New("not now")
	})
	<-reached
	stop()
	got := make(chan string, 100)
	defer member(t, impatient(t, url), func(_ context.Context, m weir.Message) error { got <- string(m.Value); return nil })()
	for timeout := time.After(time.Minute); ; {
		select {
		case v := <-got:
			if v == "poison" {
				return
			}
		case <-timeout:
			t.Fatal("what was set aside an hour ahead does not come again")
		}
	}
}

// TestRedriveInParts brings dead letters back a few at a time, in the order in which they died.
func TestRedriveInParts(t *testing.T) {
	b := impatient(t, newURL(t))
	const n = 5
	var want []string
	healed := make(chan struct{})
	good := make(chan string, 100)
	stop := member(t, b, func(_ context.Context, m weir.Message) error {
		select {
		case <-healed:
			good <- string(m.Value)
			return nil
		default:
			return errors.New("not now")
		}
	})
	defer stop()
	for i := range n {
		publish(t, b, "one key", fmt.Sprint(i))
		want = append(want, fmt.Sprint(i))
	}
	var died []string
	for _, d := range awaitDead(t, b, n) {
		died = append(died, string(d.Value))
	}
	if diff := cmp.Diff(want, died); diff != "" {
		t.Errorf("dead letters, -want +got:\n%s", diff)
	}
	close(healed)
	var got []string
	for _, limit := range []int{2, 2, 2} {
		moved, err := b.Redrive(t.Context(), "t", "g", limit)
		if err != nil || moved != min(limit, n-len(got)) {
			t.Fatalf("Redrive(%d) = %d, %v after %d", limit, moved, err, len(got))
		}
		for range moved {
			got = append(got, <-good)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("redriven, -want +got:\n%s", diff)
	}
}

func TestDeadLettersOfNobody(t *testing.T) {
	b := open(t, newURL(t))
	_, err := b.Dead(t.Context(), "t", "g", 1)
	_, err2 := b.Redrive(t.Context(), "t", "g", 1)
	if weir.KindOf(err) != weir.NotFound || weir.KindOf(err2) != weir.NotFound {
		t.Errorf("Dead = %v, Redrive = %v, want NotFound", err, err2)
	}
	_, err = b.Dead(t.Context(), "t", "g.h", 1)
	_, err2 = b.Redrive(t.Context(), "t", "g", 0)
	if weir.KindOf(err) != weir.Invalid || weir.KindOf(err2) != weir.Invalid {
		t.Errorf("Dead of a group that cannot be = %v, Redrive of none = %v, want Invalid", err, err2)
	}
}
