package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

// Scan calls f for every message of the topic from its beginning to its end as it stood at the call, a partition after the
// other and each in order; it is a member of no group. A topic that is not there has none. An error of f ends it. Others:
// Invalid (a topic's name), Unavailable.
func (b *Bus) Scan(ctx context.Context, topic string, f func(weir.Message) error) error {
	if err := b.check(weir.Message{Topic: topic}); err != nil {
		return err
	}
	if err := b.begin(); err != nil {
		return err
	}
	defer b.work.Done()
	name := b.c.prefix + topic
	count, err := b.partitions(ctx, name)
	if err != nil {
		return fmt.Errorf("scan topic %s: %w", topic, err)
	}
	var parts []span
	for p := range count { // all of them now, so that the ends are of one moment
		s, err := b.span(ctx, place{name, p})
		if err != nil {
			return fmt.Errorf("scan topic %s: %w", topic, err)
		}
		parts = append(parts, s)
	}
	for _, s := range parts {
		var failed error
		err := b.scan(ctx, s, func(r record) bool {
			failed = f(letterOf(topic, r, s.partition).message)
			return failed == nil
		})
		if failed != nil {
			return failed
		}
		if err != nil {
			return fmt.Errorf("scan topic %s: %w", topic, err)
		}
	}
	return nil
}

// span is a stretch of a partition, up to before end.
type span struct {
	place
	from, end int64
}

// span is all of a partition as it stands.
func (b *Bus) span(ctx context.Context, p place) (span, error) {
	s := span{place: p}
	err := b.patiently(ctx, func(ctx context.Context) (err error) {
		s.from, s.end, err = b.bounds(ctx, p)
		return err
	})
	return s, kinded(err)
}

// partitions is how many a topic has, and 0 if it is not there.
func (b *Bus) partitions(ctx context.Context, name string) (int, error) {
	bounded, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	n := 0
	err := again(bounded, func() error {
		counts, err := b.lookUp(bounded, name)
		n = counts[name]
		return err
	})
	return n, kinded(err)
}

// scan calls f for the records of a span while f returns true. Each answer of the brokers is waited for up to
// publishWithin.
func (b *Bus) scan(ctx context.Context, s span, f func(record) bool) error {
	for next := s.from; next < s.end; {
		var records []record
		err := b.patiently(ctx, func(ctx context.Context) (err error) {
			records, err = b.fetch(ctx, s.place, next)
			return err
		})
		if errors.Is(err, kafkago.OffsetOutOfRange) { // dropped for age meanwhile
			rest, err := b.span(ctx, s.place)
			if err != nil {
				return err
			}
			next = max(next+1, rest.from)
			continue
		}
		if err != nil {
			return kinded(err)
		}
		if len(records) == 0 {
			return nil // what is left has no records
		}
		for _, r := range records {
			if r.offset >= s.end || !f(r) {
				return nil
			}
			next = r.offset + 1
		}
	}
	return nil
}

// patiently calls f again until it succeeds, for up to publishWithin.
func (b *Bus) patiently(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	return again(ctx, func() error { return f(ctx) })
}
