package kafka_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/kafka"
)

// url is the broker's, with topics of few partitions that only this test has.
func url(t testing.TB, parameters string) string {
	address := enginetest.Address(t, "WEIR_TEST_KAFKA")
	return address + "?prefix=" + strings.ToLower(weir.NewID(time.Now())) + ".&partitions=3" + parameters
}

func open(t testing.TB, url string) *kafka.Bus {
	t.Helper()
	b, err := kafka.Open(t.Context(), url, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return b
}

func TestBusConformance(t *testing.T) {
	address := url(t, "")
	enginetest.Bus(t, func(t *testing.T) func() weir.Bus {
		var last *kafka.Bus
		return func() weir.Bus {
			if last != nil {
				_ = last.Close()
			}
			last = open(t, address)
			return last
		}
	})
}

func TestBusScan(t *testing.T) {
	enginetest.BusScan(t, open(t, url(t, "")))
}
