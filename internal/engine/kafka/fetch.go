package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

const (
	fetchWait  = time.Second // a broker waits so long for a message
	fetchBytes = 256 << 10
)

// record is one message as it is stored in Kafka.
type record struct {
	offset  int64
	time    time.Time
	key     string
	value   []byte
	headers []kafkago.Header
}

func (r record) size() int {
	n := len(r.key) + len(r.value) + 100
	for _, h := range r.headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// header is "" if there is none.
func (r record) header(name string) string {
	for _, h := range r.headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// fetch reads what there is of a partition from an offset on, waiting up to fetchWait for the first record. There may be
// none.
func (b *Bus) fetch(ctx context.Context, p place, from int64) ([]record, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait+requestWithin)
	defer cancel()
	res, err := b.client.Fetch(ctx, &kafkago.FetchRequest{Topic: p.topic, Partition: p.partition, Offset: from, MinBytes: 1,
		MaxBytes: fetchBytes, MaxWait: fetchWait})
	if err != nil {
		return nil, err
	}
	if c, ok := res.Records.(io.Closer); ok {
		defer func() { _ = c.Close() }()
	}
	if res.Error != nil {
		return nil, res.Error
	}
	var out []record
	for {
		r, err := read(res.Records)
		if errors.Is(err, io.EOF) || err != nil && len(out) > 0 { // the last one may be cut off by the size
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		if r.offset >= from { // a batch is sent from its beginning
			out = append(out, r)
		}
	}
}

func read(from kafkago.RecordReader) (record, error) {
	r, err := from.ReadRecord()
	if err != nil {
		return record{}, err
	}
	key, err := kafkago.ReadAll(r.Key)
	if err != nil {
		return record{}, err
	}
	value, err := kafkago.ReadAll(r.Value)
	if err != nil {
		return record{}, err
	}
	return record{r.Offset, r.Time.UTC(), string(key), value, append([]kafkago.Header(nil), r.Headers...)}, nil
}

// bounds are the offset of a partition's first record and the one after its last.
func (b *Bus) bounds(ctx context.Context, p place) (first, end int64, err error) {
	res, err := b.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{Topics: map[string][]kafkago.OffsetRequest{
		p.topic: {kafkago.FirstOffsetOf(p.partition), kafkago.LastOffsetOf(p.partition)}}})
	if err != nil {
		return 0, 0, err
	}
	for _, o := range res.Topics[p.topic] {
		if o.Partition == p.partition {
			return o.FirstOffset, o.LastOffset, o.Error
		}
	}
	return 0, 0, fmt.Errorf("offsets of %s/%d: %w", p.topic, p.partition, kafkago.UnknownTopicOrPartition)
}
