package kafka

import (
	"context"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

// DeadLetter is a message that a group could not handle.
type DeadLetter struct {
	weir.Message           // as it was published
	Attempts     int       // how often it was handled in vain
	FirstFailure time.Time // when that began
	Died         time.Time // when it was given up
	Error        string    // the last one, without what looked like a secret
	place        place     // where it lies
	offset       int64     //
	headers      []kafkago.Header
}

// Dead lists up to limit dead letters of a group that were not brought back yet, the oldest first. NotFound: nobody has
// consumed the topic as that group. Invalid: a name, or a limit below 1.
func (b *Bus) Dead(ctx context.Context, topic, group string, limit int) ([]DeadLetter, error) {
	if err := b.begin(); err != nil {
		return nil, err
	}
	defer b.work.Done()
	n, err := b.letterbox(ctx, topic, group, limit)
	if err != nil {
		return nil, err
	}
	dead, err := b.dead(ctx, n, topic, limit)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return dead, nil
}

// Redrive brings up to limit dead letters of a group back, the oldest first, and returns how many. They come again at once,
// to that group alone; those that fail again rest in the retry topics and die once more. A crash in between brings some
// back twice, and so does a group that stood still for longer than brokers keep its place. Errors are those of Dead.
func (b *Bus) Redrive(ctx context.Context, topic, group string, limit int) (int, error) {
	if err := b.begin(); err != nil {
		return 0, err
	}
	defer b.work.Done()
	n, err := b.letterbox(ctx, topic, group, limit)
	if err != nil {
		return 0, err
	}
	dead, err := b.dead(ctx, n, topic, limit)
	for i, d := range dead {
		r := record{time: b.now(), key: d.Key, value: d.Value, headers: d.headers}
		if err = b.put(ctx, n.retry[0], r); err == nil {
			err = b.stand(ctx, n.redrive, d.place, d.offset+1)
		}
		if err != nil {
			return i, fmt.Errorf("redrive dead letter %d of %d: %w", i+1, len(dead), kinded(err))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("list dead letters: %w", err)
	}
	return len(dead), nil
}

// letterbox checks what Dead and Redrive are given.
func (b *Bus) letterbox(ctx context.Context, topic, group string, limit int) (names, error) {
	n, err := b.namesOf(topic, group)
	if err != nil {
		return names{}, err
	}
	if limit < 1 {
		return names{}, weir.Errorf(weir.Invalid, "a limit of %d dead letters is not possible", limit)
	}
	count, err := b.partitions(ctx, n.dead)
	if err != nil {
		return names{}, fmt.Errorf("look for dead letters: %w", err)
	}
	if count == 0 {
		return names{}, weir.Errorf(weir.NotFound, "there are no dead letters of group %s of topic %s: none of its messages was ever given up",
			group, topic)
	}
	return n, nil
}

func (b *Bus) dead(ctx context.Context, n names, topic string, limit int) ([]DeadLetter, error) {
	count, err := b.partitions(ctx, n.dead)
	if err != nil {
		return nil, err
	}
	from, err := b.stands(ctx, n.redrive, n.dead, count)
	if err != nil {
		return nil, err
	}
	var out []DeadLetter
	for p := range count {
		all, err := b.span(ctx, place{n.dead, p})
		if err != nil {
			return nil, err
		}
		all.from = max(all.from, from[p])
		err = b.scan(ctx, all, func(r record) bool {
			l := letterOf(topic, r, p)
			out = append(out, DeadLetter{l.message, l.attempts, l.first, r.time, r.header(headerError), all.place, r.offset, r.headers})
			return len(out) < limit
		})
		if err != nil {
			return nil, err
		}
		if len(out) == limit {
			break
		}
	}
	return out, nil
}

// stands is where a group stands in each partition of a topic; 0 is the beginning.
func (b *Bus) stands(ctx context.Context, group, topic string, count int) (map[int]int64, error) {
	all := make([]int, count)
	for i := range all {
		all[i] = i
	}
	out := map[int]int64{}
	err := b.patiently(ctx, func(ctx context.Context) error {
		res, err := b.client.OffsetFetch(ctx, &kafkago.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: all}})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return err
		}
		for _, p := range res.Topics[topic] {
			if p.Error != nil {
				return p.Error
			}
			out[p.Partition] = max(p.CommittedOffset, 0)
		}
		return nil
	})
	return out, kinded(err)
}

// stand notes where a group without members stands.
func (b *Bus) stand(ctx context.Context, group string, p place, offset int64) error {
	return b.patiently(ctx, func(ctx context.Context) error {
		res, err := b.client.OffsetCommit(ctx, &kafkago.OffsetCommitRequest{GroupID: group, GenerationID: -1,
			Topics: map[string][]kafkago.OffsetCommit{p.topic: {{Partition: p.partition, Offset: offset}}}})
		if err != nil {
			return err
		}
		for _, c := range res.Topics[p.topic] {
			if c.Error != nil {
				return c.Error
			}
		}
		return nil
	})
}
