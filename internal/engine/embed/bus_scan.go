package embed

import (
	"context"
	"fmt"

	weir "github.com/weirstream/weir"
)

// Scan calls f for every message of the topic from its beginning to its end as it stood at the call, a partition after the
// other and each in order; it is a member of no group. A topic that is not there has none. An error of f ends it. Others:
// Invalid (a topic's name), Unavailable (the bus is closed), those of the file.
func (b *Bus) Scan(ctx context.Context, topic string, f func(weir.Message) error) error {
	if !validName(topic) {
		return weir.Errorf(weir.Invalid, "%q is not a topic's name", topic)
	}
	parts, err := b.parts(ctx, topic)
	if err != nil {
		if b.isClosed() {
			return errClosed()
		}
		return fmt.Errorf("scan topic %s: %w", topic, err)
	}
	for _, p := range parts {
		if err := b.scan(ctx, topic, p, f); err != nil {
			return err
		}
	}
	return nil
}

// parts are a topic's partitions as they stand, each before its first message.
func (b *Bus) parts(ctx context.Context, topic string) ([]*part, error) {
	rows, err := b.db.Reader().QueryContext(ctx, "SELECT id, partition, next FROM log WHERE topic = ? ORDER BY partition", topic)
	if err != nil {
		return nil, storeError(err)
	}
	defer func() { _ = rows.Close() }()
	var out []*part
	for rows.Next() {
		p := &part{}
		if err := rows.Scan(&p.log, &p.n, &p.end); err != nil {
			return nil, storeError(err)
		}
		out = append(out, p)
	}
	return out, storeError(rows.Err())
}

func (b *Bus) scan(ctx context.Context, topic string, p *part, f func(weir.Message) error) error {
	for p.next < p.end {
		messages, err := b.fetch(ctx, topic, p)
		if err != nil {
			return fmt.Errorf("scan topic %s: %w", topic, err)
		}
		if len(messages) == 0 {
			return nil // dropped meanwhile
		}
		for _, m := range messages {
			if m.Offset >= p.end {
				return nil
			}
			if err := f(m); err != nil {
				return err
			}
			p.next = m.Offset + 1
		}
	}
	return nil
}
