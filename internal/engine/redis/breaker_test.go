package redis_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/redis"
)

// A server goes away, stays away and comes back.
func TestBreakerStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Int64
		var log bytes.Buffer
		b := redis.NewBreaker(slog.New(slog.NewTextHandler(&log, nil)), &refused)
		call := func(err error) {
			t.Helper()
			probe, no := b.Admit()
			if no != nil {
				t.Fatalf("Admit = %v", no)
			}
			b.Report(probe, err)
		}
		wantRefused := func() {
			t.Helper()
			before := refused.Load()
			if _, err := b.Admit(); weir.KindOf(err) != weir.Unavailable || err == nil {
				t.Errorf("Admit = %v, want kind Unavailable", err)
			}
			if refused.Load() != before+1 {
				t.Error("a refusal was not counted")
			}
		}
		call(io.EOF)
		call(io.EOF)
		call(nil) // not in a row
		call(io.EOF)
		call(io.EOF)
		call(context.Canceled) // says nothing
		call(io.EOF)
		for _, open := range []time.Duration{200, 400, 800, 1600, 3200, 5000, 5000} { // milliseconds
			wantRefused()
			time.Sleep(open*time.Millisecond - 1)
			wantRefused()
			time.Sleep(time.Nanosecond)
			probe, err := b.Admit()
			if !probe || err != nil {
				t.Fatalf("after %d ms Admit = %v, %v, want the probe", open, probe, err)
			}
			wantRefused() // one only
			b.Report(probe, io.EOF)
		}
		time.Sleep(5 * time.Second)
		probe, _ := b.Admit()
		b.Report(probe, context.Canceled) // a probe that was given up makes room for the next
		probe, err := b.Admit()
		if !probe || err != nil {
			t.Fatalf("Admit = %v, %v, want the probe", probe, err)
		}
		b.Report(probe, goredis.Nil)
		call(nil)
		if got := strings.Count(log.String(), "\n"); got != 2 || !strings.Contains(log.String(), "does not answer") || !strings.Contains(log.String(), "answers again") {
			t.Errorf("the log is %q, want one line when it opened and one when it closed", log.String())
		}
	})
}

// What opens a breaker is what shows that the server serves nobody.
func TestBreakerJudges(t *testing.T) {
	f := func(err error, opens bool) {
		t.Helper()
		var refused atomic.Int64
		b := redis.NewBreaker(slog.New(slog.DiscardHandler), &refused)
		for range 10 {
			probe, no := b.Admit()
			if no != nil {
				break
			}
			b.Report(probe, err)
		}
		if _, no := b.Admit(); (no != nil) != opens {
			t.Errorf("after %q in a row Admit = %v, want refused %v", err, no, opens)
		}
	}
	f(io.EOF, true)
	f(&net.OpError{Op: "dial", Err: errors.New("refused")}, true)
	f(context.DeadlineExceeded, true)
	f(goredis.Nil, false)
	f(context.Canceled, false)
	f(goredis.ErrPoolTimeout, false)
	f(goredis.ErrClosed, false)
	f(goredis.ErrCrossSlot, false) // an error reply is an answer
}

// While a breaker is open, calls do not touch the network.
func TestOpenBreakerLeavesServerAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int64
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		accepting.Wait()
	})
	var log bytes.Buffer
	c, err := redis.Open(t.Context(), "redis://"+l.Addr().String(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatalf("Open = %v, want none although the server is away", err)
	}
	defer c.Close()
	if !strings.Contains(log.String(), "going on without") {
		t.Errorf("the log is %q, want a warning", log.String())
	}
	for range 5000 {
		_, ok, err := c.Get(t.Context(), "k")
		if ok || weir.KindOf(err) != weir.Unavailable {
			t.Fatalf("Get = %v, %v, want kind Unavailable", ok, err)
		}
	}
	if n := accepted.Load(); n > 50 {
		t.Errorf("5000 calls made %d connections to a server that is away", n)
	}
	if c.Stats().Refused < 4900 {
		t.Errorf("Stats = %+v, want nearly all of 5000 calls refused", c.Stats())
	}
}
