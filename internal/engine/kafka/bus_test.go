package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	neturl "net/url"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/kafka"
)

// newURL is the broker's, with topics of few partitions that only this test has, and that go with it.
func newURL(t testing.TB) string {
	t.Helper()
	return ownTopics(t, enginetest.Address(t, "WEIR_TEST_KAFKA"))
}

func ownTopics(t testing.TB, address string) string {
	t.Helper()
	prefix := strings.ToLower(weir.NewID(time.Now())) + "."
	t.Cleanup(func() { removeTopics(t, address, prefix) })
	return address + "?partitions=3&prefix=" + prefix
}

func hostOf(t testing.TB, url string) string {
	t.Helper()
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func removeTopics(t testing.TB, url, prefix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := &kafkago.Client{Addr: kafkago.TCP(strings.Split(hostOf(t, url), ",")...), Transport: &kafkago.Transport{}}
	all, err := client.Metadata(ctx, &kafkago.MetadataRequest{})
	if err != nil {
		t.Errorf("Metadata = %v", err)
		return
	}
	var ours []string
	for _, topic := range all.Topics {
		if strings.HasPrefix(topic.Name, prefix) {
			ours = append(ours, topic.Name)
		}
	}
	if _, err := client.DeleteTopics(ctx, &kafkago.DeleteTopicsRequest{Topics: ours}); err != nil {
		t.Errorf("DeleteTopics = %v", err)
	}
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
	url := newURL(t)
	enginetest.Report(t, enginetest.Pass{Port: "Bus", Engine: "Apache Kafka", Version: version(t, hostOf(t, url)), Client: "kafka-go"})
	enginetest.Bus(t, func(t *testing.T) func() weir.Bus {
		var last *kafka.Bus
		return func() weir.Bus {
			if last != nil {
				_ = last.Close()
			}
			last = open(t, url)
			return last
		}
	})
	t.Run("Scan", func(t *testing.T) { enginetest.BusScan(t, open(t, url)) })
}

func TestBusFaults(t *testing.T) {
	url := newURL(t)
	enginetest.BusFaults(t, hostOf(t, url), "kafka", func(t *testing.T, dial enginetest.Dial) weir.Bus {
		b := open(t, url)
		b.Dial = dial
		return b
	})
}

// TestBrokersDie has each of three brokers crash and come back in turn, under load. It is of a group of its own in
// scripts/test, since the three are not up beside the one.
func TestBrokersDie(t *testing.T) {
	b := open(t, ownTopics(t, enginetest.Address(t, "WEIR_TEST_KAFKA3"))+"&replication=3")
	enginetest.BusStream(t, b, 300, func(came int) {
		switch broker := fmt.Sprint("kafka3/", came/400+1); came % 400 {
		case 100:
			enginetest.Control(t, "kill", broker)
		case 300:
			enginetest.Control(t, "up", "kafka3")
		}
	})
}

func TestBusClosed(t *testing.T) {
	b := open(t, newURL(t))
	if err := b.Publish(t.Context(), weir.Message{Topic: "t", Key: "k"}); err != nil {
		t.Fatalf("Publish = %v", err)
	}
	came := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(t.Context(), "t", "g", func(ctx context.Context, _ weir.Message) error {
			close(came)
			<-ctx.Done()
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
			t.Errorf("%s of a bus that was closed = %v, want Unavailable", what, err)
		}
	}
	f("Consume that was running", <-ended)
	f("Consume", b.Consume(t.Context(), "t", "g", nil))
	f("Publish", b.Publish(t.Context(), weir.Message{Topic: "t"}))
	f("Scan", b.Scan(t.Context(), "t", nil))
	_, err := b.Redrive(t.Context(), "t", "g", 1)
	f("Redrive", err)
}

// TestRevocation: when a partition goes to another member, the handler that has one of its messages is told, and what was
// fetched with it is not handled after.
func TestRevocation(t *testing.T) {
	b := open(t, newURL(t))
	const keys = 30
	var all []weir.Message
	for k := range keys {
		all = append(all, weir.Message{Topic: "t", Key: fmt.Sprint(k)})
	}
	if err := b.Publish(t.Context(), all...); err != nil {
		t.Fatalf("Publish = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	begun, told := make(chan struct{}), make(chan struct{})
	first := true
	handled := make(chan weir.Message, 1000)
	go func() {
		ended <- b.Consume(ctx, "t", "g", func(ctx context.Context, m weir.Message) error {
			if !first {
				handled <- m
				return nil
			}
			first = false
			close(begun)
			<-ctx.Done()
			close(told)
			return ctx.Err()
		})
	}()
	<-begun
	go func() {
		ended <- b.Consume(ctx, "t", "g", func(_ context.Context, m weir.Message) error { handled <- m; return nil })
	}()
	<-told
	seen := map[string]int{}
	for len(seen) < keys {
		m := <-handled
		seen[m.Key]++
	}
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("Consume = %v", err)
		}
	}
	for key, n := range seen {
		if n > 1 {
			t.Errorf("message %s was handled %d times: what was fetched before the rebalance was handled after it", key, n)
		}
	}
}

// TestPartitionsAreAdded: what is published to partitions that an operator adds is handled by members that run already.
func TestPartitionsAreAdded(t *testing.T) {
	url := newURL(t)
	b := open(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	publish(t, b, "k", "0")
	came, added := make(chan struct{}, 1), make(chan struct{}, 1)
	say := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default: // it came again
		}
	}
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(ctx, "t", "g", func(_ context.Context, m weir.Message) error {
			if string(m.Value) == "0" {
				say(came)
			}
			if m.Partition == 3 {
				say(added)
				cancel()
			}
			return nil
		})
	}()
	<-came
	_, prefix, _ := strings.Cut(url, "&prefix=")
	client := &kafkago.Client{Addr: kafkago.TCP(hostOf(t, url)), Transport: &kafkago.Transport{}}
	res, err := client.CreatePartitions(ctx, &kafkago.CreatePartitionsRequest{Topics: []kafkago.TopicPartitionsConfig{{Name: prefix + "t", Count: 4}}})
	if err != nil || res.Errors[prefix+"t"] != nil {
		t.Fatalf("CreatePartitions = %v, %v", res, err)
	}
	for n := 1; ctx.Err() == nil; n++ { // until the publisher knows of it, too
		_ = b.Publish(ctx, weir.Message{Topic: "t", Key: fmt.Sprint(n), Value: []byte("1")})
	}
	if err := <-ended; err != nil {
		t.Errorf("Consume = %v", err)
	}
	select {
	case <-added:
	default:
		t.Error("no message of the added partition came")
	}
}
