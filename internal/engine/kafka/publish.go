package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

const (
	publishWithin = 45 * time.Second // a broker's restart, and more
	maxKeyBytes   = 1 << 10
	batchBytes    = 512 << 10 // of one request: brokers take 1 MiB by default
)

// Publish appends each message to its key's partition and returns when all in-sync replicas have them. It goes on through
// a broker's restart for up to 45 s, or until ctx ends; what is under way then may still be stored. Messages of one key
// are stored in the order given; after an error none of a key is stored behind one that is missing. Topic, key and value
// count; the time, in milliseconds, is now unless the message has one. Errors: Invalid (a topic's name), TooLarge (a value
// above [weir.MaxMessageBytes], a key above 1 KiB), Unavailable.
func (b *Bus) Publish(ctx context.Context, messages ...weir.Message) error {
	for _, m := range messages {
		if err := b.check(m); err != nil {
			return err
		}
	}
	if len(messages) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := b.begin(); err != nil {
		return err
	}
	defer b.work.Done()
	bounded, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	err := b.publish(bounded, messages)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("publish: %w: %w", ctx.Err(), err)
	case errors.Is(err, context.DeadlineExceeded): // ours
		err = weir.Errorf(weir.Unavailable, "the bus has not taken the messages in %v: %w", publishWithin, err)
	}
	return fmt.Errorf("publish: %w", kinded(err))
}

func (b *Bus) check(m weir.Message) error {
	if !validName(m.Topic) {
		return weir.Errorf(weir.Invalid, "%q is not a topic's name", m.Topic)
	}
	if len(m.Key) > maxKeyBytes || len(m.Value) > weir.MaxMessageBytes {
		return weir.Errorf(weir.TooLarge, "a message's key of %d or value of %d bytes is larger than %d or %d",
			len(m.Key), len(m.Value), maxKeyBytes, weir.MaxMessageBytes)
	}
	return nil
}

func (b *Bus) publish(ctx context.Context, messages []weir.Message) error {
	lots, err := b.sort(ctx, messages)
	if err != nil {
		return err
	}
	results := make(chan error, len(lots))
	for p, records := range lots {
		b.work.Go(func() { results <- b.send(ctx, p, records) })
	}
	var errs []error
	for range lots {
		select {
		case err := <-results:
			errs = append(errs, err)
		case <-ctx.Done():
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}

// sort finds each message's partition, keeping their order in it. Values are copied: a request may outlive its Publish.
func (b *Bus) sort(ctx context.Context, messages []weir.Message) (map[place][]record, error) {
	counts := map[string]int{}
	lots := map[place][]record{}
	for _, m := range messages {
		topic := b.c.prefix + m.Topic
		if counts[topic] == 0 {
			found, err := b.ensure(ctx, topic)
			if err != nil {
				return nil, err
			}
			counts[topic] = found[topic]
		}
		r := record{time: m.Time, key: m.Key, value: bytes.Clone(m.Value)}
		if r.time.IsZero() {
			r.time = b.now()
		}
		p := place{topic, partitionOf(m.Key, counts[topic])}
		lots[p] = append(lots[p], r)
	}
	return lots, nil
}

// partitionOf is where a key's messages go: where Kafka's own producers send them, so that others may publish too.
func partitionOf(key string, partitions int) int {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	return kafkago.Murmur2Balancer{Consistent: true}.Balance(kafkago.Message{Key: []byte(key)}, all...)
}

// send appends records to a partition in their order. Of one bus one request a partition is under way at a time: there
// is no idempotent producer here, and a second one could overtake the first when that is repeated.
func (b *Bus) send(ctx context.Context, p place, records []record) error {
	lane := b.lane(p)
	select {
	case lane <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-lane }()
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && (n == 0 || size+records[n].size() <= batchBytes) {
			size += records[n].size()
			n++
		}
		if err := again(ctx, func() error { return b.produce(ctx, p, records[:n]) }); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (b *Bus) lane(p place) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	lane := b.lanes[p]
	if lane == nil {
		lane = make(chan struct{}, 1)
		b.lanes[p] = lane
	}
	return lane
}

// produce makes one attempt. It sees it through when ctx ends: the next request must not overtake it.
func (b *Bus) produce(ctx context.Context, p place, records []record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestWithin)
	defer cancel()
	out := make([]kafkago.Record, len(records))
	for i, r := range records {
		out[i] = kafkago.Record{Time: r.time, Key: kafkago.NewBytes([]byte(r.key)), Value: kafkago.NewBytes(r.value), Headers: r.headers}
	}
	res, err := b.client.Produce(ctx, &kafkago.ProduceRequest{Topic: p.topic, Partition: p.partition,
		RequiredAcks: kafkago.RequireAll, Records: kafkago.NewRecordReader(out...)})
	if err != nil {
		return err
	}
	return res.Error
}
