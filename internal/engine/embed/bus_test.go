package embed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestBusConformance(t *testing.T) {
	for _, redeliver := range []int64{0, 3} {
		t.Run(fmt.Sprint("redeliver ", redeliver), func(t *testing.T) {
			enginetest.Bus(t, func(t *testing.T) func() weir.Bus {
				path := filepath.Join(t.TempDir(), "bus.db")
				var last *embed.Bus
				return func() weir.Bus {
					if last != nil {
						_ = last.Close()
					}
					last = openBus(t, path)
					last.Redeliver = redeliver
					return last
				}
			})
		})
	}
}

func TestBusScan(t *testing.T) {
	enginetest.BusScan(t, openBus(t, filepath.Join(t.TempDir(), "bus.db")))
}

func openBus(t testing.TB, path string) *embed.Bus {
	t.Helper()
	b, err := embed.OpenBus(t.Context(), path)
	if err != nil {
		t.Fatalf("OpenBus = %v", err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func say(t testing.TB, b *embed.Bus, key string, values ...string) {
	t.Helper()
	var messages []weir.Message
	for _, v := range values {
		messages = append(messages, weir.Message{Topic: "t", Key: key, Value: []byte(v)})
	}
	if err := b.Publish(t.Context(), messages...); err != nil {
		t.Fatalf("Publish = %v", err)
	}
}

// hear consumes as the group until the message last has been handled, and returns all that came.
func hear(t *testing.T, b *embed.Bus, group, last string) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := b.Consume(ctx, "t", group, func(_ context.Context, m weir.Message) error {
		got = append(got, string(m.Value))
		if string(m.Value) == last {
			cancel()
		}
		return nil
	})
	if err != nil || !slices.Contains(got, last) {
		t.Fatalf("Consume = %v after %q, want %q to come", err, got, last)
	}
	return got
}

func TestBusRedeliversWhenAsked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus.db")
	b := openBus(t, path)
	say(t, b, "k", "0", "1", "2", "3")
	hear(t, b, "g", "3")
	say(t, b, "k", "4")
	if got := hear(t, b, "g", "4"); !slices.Equal(got, []string{"4"}) {
		t.Errorf("after an acknowledgement came %q, want only what is new", got)
	}
	_ = b.Close()
	b = openBus(t, path)
	b.Redeliver = 2
	if got := hear(t, b, "g", "4"); !slices.Equal(got, []string{"3", "4"}) {
		t.Errorf("with Redeliver = 2 came %q, want the last 2", got)
	}
}

func TestBusTrimsByAge(t *testing.T) {
	b := openBus(t, filepath.Join(t.TempDir(), "bus.db"))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.Now = func() time.Time { return now }
	b.MaxAge = time.Hour
	say(t, b, "k", "old0", "old1")
	hear(t, b, "slow", "old1")
	now = now.Add(2 * time.Hour)
	say(t, b, "k", "new0", "new1")
	trim := func(want ...string) {
		t.Helper()
		if err := b.Trim(t.Context(), now); err != nil {
			t.Fatalf("Trim = %v", err)
		}
		group := weir.NewID(now)
		if got := hear(t, b, group, want[len(want)-1]); !slices.Equal(got, want) {
			t.Errorf("after Trim there is %q, want %q", got, want)
		}
	}
	trim("new0", "new1")
	now = now.Add(2 * time.Hour)
	trim("new0", "new1") // old, but the slow group has not had them
	hear(t, b, "slow", "new1")
	say(t, b, "k", "newest")
	trim("newest")
}

func TestBusTrimsByCount(t *testing.T) {
	b := openBus(t, filepath.Join(t.TempDir(), "bus.db"))
	b.MaxMessages = 2
	hear2 := func(want ...string) {
		t.Helper()
		if err := b.Trim(t.Context(), time.Now()); err != nil {
			t.Fatalf("Trim = %v", err)
		}
		if got := hear(t, b, "g", want[len(want)-1]); !slices.Equal(got, want) {
			t.Errorf("after Trim came %q, want %q", got, want)
		}
	}
	var many []string
	for i := range 2500 { // more than are dropped at once
		many = append(many, fmt.Sprint(i))
	}
	say(t, b, "k", many...)
	hear2("2498", "2499")
	b.MaxMessages = 1
	say(t, b, "k", "a", "b") // the group's place has been dropped
	hear2("b")
}

// TestBusKeepsOffsets: an emptied partition goes on counting.
func TestBusKeepsOffsets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus.db")
	b := openBus(t, path)
	b.MaxAge = time.Nanosecond
	say(t, b, "k", "0", "1")
	hear(t, b, "g", "1")
	if err := b.Trim(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	b = openBus(t, path)
	say(t, b, "k", "2")
	if got := hear(t, b, "g", "2"); !slices.Equal(got, []string{"2"}) {
		t.Errorf("came %q, want 2", got)
	}
}

// TestBusMembersShare: while one member is held up in one partition, another gets the rest.
func TestBusMembersShare(t *testing.T) {
	b := openBus(t, filepath.Join(t.TempDir(), "bus.db"))
	ctx, cancel := context.WithCancel(t.Context())
	held, free := make(chan string, 100), make(chan struct{})
	var ended []chan error
	for range 2 {
		done := make(chan error, 1)
		ended = append(ended, done)
		go func() {
			done <- b.Consume(ctx, "t", "g", func(_ context.Context, m weir.Message) error {
				if m.Key == "stuck" {
					held <- m.Key
					<-free
				} else {
					held <- m.Key
				}
				return nil
			})
		}()
	}
	say(t, b, "stuck", "x")
	if got := <-held; got != "stuck" {
		t.Fatalf("first came %q", got)
	}
	others := 0
	for i := range 20 {
		say(t, b, fmt.Sprint(i), "y")
		if embed.PartitionOf(fmt.Sprint(i)) != embed.PartitionOf("stuck") {
			<-held
			others++
		}
	}
	close(free)
	for range 20 - others {
		<-held
	}
	cancel()
	for _, done := range ended {
		if err := <-done; err != nil {
			t.Errorf("Consume = %v", err)
		}
	}
	if others == 0 {
		t.Error("all keys are on one partition")
	}
}

// TestBusRests: a failing message is tried again with a delay that doubles up to a bound, on a clock of its own.
func TestBusRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := openBus(t, filepath.Join(t.TempDir(), "bus.db"))
		b.Log = slog.New(slog.NewTextHandler(&log, nil))
		say(t, b, "k", "x")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var gaps []time.Duration
		last := time.Now()
		err := b.Consume(ctx, "t", "g", func(context.Context, weir.Message) error {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			if len(gaps) == 14 {
				cancel()
			}
			return errors.New("not now")
		})
		if err != nil {
			t.Errorf("Consume = %v", err)
		}
		if gaps[1] < 50*time.Millisecond || gaps[1] > time.Second || gaps[13] < 30*time.Second || gaps[13] > 41*time.Second {
			t.Errorf("tries came after %v", gaps)
		}
		if !strings.Contains(log.String(), "not now") {
			t.Errorf("the log has nothing of the error: %q", log.String())
		}
	})
}

func TestBusClosed(t *testing.T) {
	b := openBus(t, filepath.Join(t.TempDir(), "bus.db"))
	say(t, b, "k", "x")
	came := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(t.Context(), "t", "g", func(context.Context, weir.Message) error {
			close(came)
			return nil
		})
	}()
	<-came
	if err := b.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	f := func(what string, err error) {
		t.Helper()
		if weir.KindOf(err) != weir.Unavailable {
			t.Errorf("%s = %v, want Unavailable", what, err)
		}
	}
	f("Consume that was running", <-ended)
	f("Consume", b.Consume(t.Context(), "t", "g", nil))
	f("Publish", b.Publish(t.Context(), weir.Message{Topic: "t"}))
}

func TestBusRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openBus(t, filepath.Join(t.TempDir(), "bus.db"))
		b.MaxAge = time.Minute
		say(t, b, "k", "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := b.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
		say(t, b, "k", "y")
		if got := hear(t, b, "g", "y"); !slices.Equal(got, []string{"y"}) {
			t.Errorf("after an hour of Run there is %q, want only y", got)
		}
	})
}

func BenchmarkBusPublish(b *testing.B) {
	for _, batch := range []int{1, 10, 100} {
		b.Run(fmt.Sprint("batch ", batch), func(b *testing.B) {
			bus := openBus(b, filepath.Join(b.TempDir(), "bus.db"))
			value := bytes.Repeat([]byte("v"), 512)
			messages := make([]weir.Message, batch)
			for i := range messages {
				messages[i] = weir.Message{Topic: "t", Key: fmt.Sprint("key", i), Value: value}
			}
			b.SetBytes(int64(batch * len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if err := bus.Publish(b.Context(), messages...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
