package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/kafka"
)

// TestBusCommands has a message die, lists it and brings it back.
func TestBusCommands(t *testing.T) {
	url := enginetest.Address(t, "WEIR_TEST_KAFKA") + "?partitions=1&prefix=" + weir.NewID(time.Now()) + "."
	bus, err := kafka.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bus.Close() }()
	bus.RetryFor, bus.RetryDelays = time.Nanosecond, [2]time.Duration{1, 1}
	weirSays := func(want int, args ...string) string {
		t.Helper()
		var out, errOut bytes.Buffer
		if got := run(t.Context(), append([]string{"bus"}, args...), &out, &errOut); got != want {
			t.Fatalf("weir bus %q = %d, want %d; %s%s", args, got, want, &out, &errOut)
		}
		return out.String() + errOut.String()
	}
	if got := weirSays(exitFailed, "dead", "facts", "catalog", "--bus", url); !strings.Contains(got, "no dead letters of group catalog of topic facts") {
		t.Errorf("weir bus dead of nobody says %q", got)
	}
	if err := bus.Publish(t.Context(), weir.Message{Topic: "facts", Key: "asset", Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	came, works := make(chan struct{}, 100), make(chan struct{})
	go func() {
		ended <- bus.Consume(ctx, "facts", "catalog", func(context.Context, weir.Message) error {
			select {
			case <-works:
				came <- struct{}{}
				return nil
			default:
				return errors.New("not now")
			}
		})
	}()
	var got string
	for deadline := time.Now().Add(time.Minute); !strings.Contains(got, `"error":"not now"`); {
		if time.Now().After(deadline) {
			t.Fatalf("no dead letter came: %s", got)
		}
		var out, errOut bytes.Buffer
		run(t.Context(), []string{"bus", "dead", "facts", "catalog", "--json", "--bus", url}, &out, &errOut)
		got = out.String()
	}
	var letter struct {
		Key      string
		Attempts int
		Value    []byte
	}
	if err := json.Unmarshal([]byte(got), &letter); err != nil || letter.Key != "asset" || letter.Attempts < 3 || string(letter.Value) != "x" {
		t.Errorf("weir bus dead --json says %s (%v)", got, err)
	}
	if got := weirSays(exitOK, "dead", "facts", "catalog", "--bus", url); !strings.Contains(got, "key asset") || !strings.Contains(got, "not now") {
		t.Errorf("weir bus dead says %q", got)
	}
	close(works)
	if got := weirSays(exitOK, "redrive", "facts", "catalog", "--bus", url); got != "Brought back 1.\n" {
		t.Errorf("weir bus redrive says %q", got)
	}
	<-came
	if got := weirSays(exitOK, "dead", "facts", "catalog", "--bus", url); got != "No dead letters.\n" {
		t.Errorf("weir bus dead says %q after all", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Consume = %v", err)
	}
}
