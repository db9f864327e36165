package embed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
)

type groupName struct{ topic, name string }

// group is the members of a consumer group in this process, guarded by Bus.mu. It exists while it has members.
type group struct {
	groupName
	members int
	turn    int           // where the search for a partition with messages starts, so that none starves
	changed chan struct{} // closed, and replaced, when a partition may have become takable
	parts   [partitions]part
}

// part is a group's place in one partition. While a member holds it (busy), next, acked
// and until are that member's.
type part struct {
	n     int
	log   int64
	busy  bool
	next  int64     // the first message not handled
	acked int64     // what is stored of next
	end   int64     // where the partition ends, as far as known
	until int64     // end when it was taken
	retry time.Time // not before: its first message failed or could not be read
	delay time.Duration
}

// join makes the caller a member. The group's place is read from the file when it forms.
func (b *Bus) join(ctx context.Context, name groupName) (*group, error) {
	fresh, err := b.load(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("join group %s of topic %s: %w", name.name, name.topic, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed()
	}
	g := b.groups[name]
	if g == nil {
		g = fresh
		b.groups[name] = g
	}
	g.members++
	b.consumers.Add(1)
	return g, nil
}

func (b *Bus) leave(g *group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g.members--; g.members == 0 {
		delete(b.groups, g.groupName)
	}
	b.consumers.Done()
}

// load reads where the group stands. A new one is given its place at the beginning at once, so that nothing it has not
// seen is dropped for age.
func (b *Bus) load(ctx context.Context, name groupName) (*group, error) {
	g := &group{groupName: name, changed: make(chan struct{})}
	err := b.db.Write(ctx, func(tx *sql.Tx) error {
		for n := range g.parts {
			p := part{n: n}
			var err error
			if p.log, p.end, err = openLog(ctx, tx, partition{name.topic, n}); err != nil {
				return err
			}
			const query = `INSERT INTO position (consumers, log, next) VALUES (?, ?, 0)
				ON CONFLICT DO UPDATE SET next = next RETURNING next`
			if err := tx.QueryRowContext(ctx, query, name.name, p.log).Scan(&p.acked); err != nil {
				return err
			}
			p.next = max(0, p.acked-b.Redeliver)
			g.parts[n] = p
		}
		return nil
	})
	return g, err
}

// take gives the caller a partition with messages that no other member holds. If there is none, it says for how long
// none can be ready by itself, and which channel is closed when one may be.
func (b *Bus) take(g *group, now time.Time) (p *part, wait time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait = pollEvery
	for i := range g.parts {
		p := &g.parts[(g.turn+i)%partitions]
		if p.busy || p.next >= p.end {
			continue
		}
		if rest := p.retry.Sub(now); rest > 0 {
			wait = min(wait, rest)
			continue
		}
		p.busy, p.until = true, p.end
		g.turn = p.n + 1
		return p, 0, nil
	}
	return nil, wait, g.changed
}

// giveBack ends a take. next is the first message not handled; after a failure the partition rests, longer every time.
func (b *Bus) giveBack(g *group, p *part, next int64, failed bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if next > p.next {
		p.delay = 0
	}
	p.next, p.busy = next, false
	if failed {
		p.delay = min(max(2*p.delay, retryFirst), retryMost)
		p.retry = now.Add(p.delay)
	}
	g.wake()
}

// announce tells the groups of this process where partitions end.
func (b *Bus) announce(ends map[partition]int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range b.groups {
		grown := false
		for n := range g.parts {
			p := &g.parts[n]
			if end := ends[partition{g.topic, n}]; end > p.end {
				p.end, grown = end, true
			}
		}
		if grown {
			g.wake()
		}
	}
}

func (g *group) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// refresh reads from the file where the topic's partitions end. A member does so after joining, for what was published
// while it joined, and when nothing woke it for long.
func (b *Bus) refresh(ctx context.Context, topic string) error {
	rows, err := b.db.Reader().QueryContext(ctx, "SELECT partition, next FROM log WHERE topic = ?", topic)
	if err != nil {
		return storeError(err)
	}
	defer func() { _ = rows.Close() }()
	ends := map[partition]int64{}
	for rows.Next() {
		var n int
		var next int64
		if err := rows.Scan(&n, &next); err != nil {
			return storeError(err)
		}
		ends[partition{topic, n}] = next
	}
	b.announce(ends)
	return storeError(rows.Err())
}

// fetch reads the messages of a partition from next on.
func (b *Bus) fetch(ctx context.Context, topic string, p *part) ([]weir.Message, error) {
	rows, err := b.db.Reader().QueryContext(ctx,
		"SELECT offset, key, value, time FROM message WHERE log = ? AND offset >= ? ORDER BY offset LIMIT ?",
		p.log, p.next, fetchMost)
	if err != nil {
		return nil, storeError(err)
	}
	defer func() { _ = rows.Close() }()
	var out []weir.Message
	for rows.Next() {
		m := weir.Message{Topic: topic, Partition: p.n}
		var at int64
		if err := rows.Scan(&m.Offset, &m.Key, &m.Value, &at); err != nil {
			return nil, storeError(err)
		}
		m.Time = time.UnixMicro(at).UTC()
		out = append(out, m)
	}
	return out, storeError(rows.Err())
}

// acknowledge stores that the group has handled everything before next.
func (b *Bus) acknowledge(ctx context.Context, g *group, p *part, next int64) error {
	if next <= p.acked {
		return nil
	}
	err := b.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE position SET next = max(next, ?) WHERE consumers = ? AND log = ?",
			next, g.name, p.log)
		return err
	})
	if err == nil {
		p.acked = next
	}
	return err
}
