// Package kafka is [weir.Bus] on Apache Kafka, 2.4 or newer. It keeps what Kafka keeps and adds what Weir asks of it: topics
// are made when they are first used, a message whose handler goes on failing is set aside in retry topics and at last in a
// dead-letter topic, and a dead letter can be brought back.
//
// It is not a queue of work: the job ledger is, and a message that is lost, late or doubled costs time only.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

const (
	requestWithin = 10 * time.Second // one request and its answer
	dialWithin    = 5 * time.Second
	metadataTTL   = 2 * time.Second // how long it takes to hear of a leader that moved or a topic another process made
)

// Bus is [weir.Bus] over a Kafka cluster. Set the fields before use; the zero values are good. Safe for concurrent use.
type Bus struct {
	Dial        func(ctx context.Context, network, address string) (net.Conn, error) // to brokers; nil is TCP
	RetryFor    time.Duration                                                        // how long a message is tried in its place; 0 is 1 min
	RetryDelays [retryStages]time.Duration                                           // of the retry topics; 0 is 1 min and 10 min
	Now         func() time.Time                                                     // nil is time.Now

	c         config
	log       *slog.Logger
	transport *kafkago.Transport
	client    *kafkago.Client
	life      context.Context // ends with Close
	end       context.CancelFunc
	work      sync.WaitGroup // every call, and every request of a Publish that did not wait for it

	mu     sync.Mutex // guards what follows
	closed bool
	lanes  map[place]chan struct{}
}

var _ weir.Bus = (*Bus)(nil)

// place is a partition of a topic, by its name in Kafka.
type place struct {
	topic     string
	partition int
}

// Open reads the URL and sees that a broker answers and takes the credentials:
//
//	kafka://[user:password@]host:port[,host:port...]?prefix=weir.&partitions=12&replication=3&tls=true&sasl=scram-sha-512
//
// prefix (weir.) is put before the names of topics and groups. partitions (12) and replication (the brokers' default) are
// those of topics that are made. tls (false) trusts the system's authorities. sasl is scram-sha-512, the default where there
// is a user, or plain. log is told what goes wrong in the background; nil is nowhere. Errors: Invalid (the URL),
// Unavailable (no broker answers), Internal (they refuse the credentials). The caller closes the bus.
func Open(ctx context.Context, url string, log *slog.Logger) (*Bus, error) {
	c, err := parse(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &Bus{c: c, log: log, lanes: map[place]chan struct{}{}}
	b.transport = &kafkago.Transport{Dial: b.dial, DialTimeout: dialWithin, MetadataTTL: metadataTTL, ClientID: clientID, TLS: c.tls,
		SASL: c.sasl}
	b.client = &kafkago.Client{Addr: kafkago.TCP(c.brokers...), Timeout: requestWithin, Transport: b.transport}
	b.life, b.end = context.WithCancel(context.Background())
	if err := b.answers(ctx); err != nil {
		b.end()
		return nil, err
	}
	return b, nil
}

// answers is an error if no broker does. It leaves no connection open, so that Dial may still be set.
func (b *Bus) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	var errs []error
	for _, broker := range b.c.brokers {
		err := b.ask(ctx, broker)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	var refused kafkago.Error
	if errors.As(err, &refused) {
		return fmt.Errorf("open bus: %w", err)
	}
	return weir.Errorf(weir.Unavailable, "no broker of the bus answers: %w", err)
}

// ask has a broker tell who the others are, which it does to those it lets in.
func (b *Bus) ask(ctx context.Context, broker string) error {
	conn, err := b.dialer().DialContext(ctx, "tcp", broker)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.Brokers(); err != nil {
		return fmt.Errorf("ask broker %s: %w", broker, err)
	}
	return nil
}

// dialer makes the connections that transport does not: those of consumer groups.
func (b *Bus) dialer() *kafkago.Dialer {
	return &kafkago.Dialer{ClientID: clientID, DialFunc: b.dial, Timeout: dialWithin, TLS: b.c.tls, SASLMechanism: b.c.sasl}
}

func (b *Bus) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if b.Dial != nil {
		return b.Dial(ctx, network, address)
	}
	d := net.Dialer{Timeout: dialWithin}
	return d.DialContext(ctx, network, address)
}

// Close ends every Consume, waits for the handlers they are in and for what is being published, and closes the connections.
func (b *Bus) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.work.Wait()
	b.transport.CloseIdleConnections()
	return nil
}

// begin counts a piece of work that Close waits for, unless the bus is closed (Unavailable).
func (b *Bus) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed()
	}
	b.work.Add(1)
	return nil
}

func errClosed() error { return weir.Errorf(weir.Unavailable, "the bus is closed") }

func (b *Bus) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}
