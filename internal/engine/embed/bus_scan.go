package embed

import (
	"context"
	"fmt"

	weir "github.com/weirstream/weir"
)

// Scan calls f with every message the topic holds now, partition by partition, oldest first. It is no group's doing: nothing
// is acknowledged. f's error ends it and is returned.
func (b *Bus) Scan(ctx context.Context, topic string, f func(weir.Message) error) error {
	if !validName(topic) {
		return weir.Errorf(weir.Invalid, "%q is not a topic's name", topic)
	}
	logs, err := query(ctx, b.db.Reader(), func(scan func(...any) error) (p part, err error) {
		err = scan(&p.log, &p.n, &p.end)
		return p, err
	}, "SELECT id, partition, next FROM log WHERE topic = ? ORDER BY partition", topic)
	if err != nil {
		return fmt.Errorf("scan topic %s: %w", topic, err)
	}
	for _, p := range logs {
		for {
			messages, err := b.fetch(ctx, topic, &p)
			if err != nil {
				return fmt.Errorf("scan topic %s: %w", topic, err)
			}
			if len(messages) == 0 {
				break
			}
			for _, m := range messages {
				if m.Offset >= p.end {
					break
				}
				if err := f(m); err != nil {
					return err
				}
			}
			if p.next = messages[len(messages)-1].Offset + 1; p.next >= p.end {
				break
			}
		}
	}
	return nil
}
