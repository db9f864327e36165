package embed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

// partitions of every topic. A key's messages are all on one, so changing the number breaks their order.
const partitions = 4

const maxKeyBytes = 1 << 10

// Bus is [weir.Bus] over one SQLite file: a log a partition, and the place of each group in it. Members of a group are
// Consume calls of this process; each takes whatever partition has messages and no other member, so they need no
// assignment and none is stuck when one leaves. Set the fields before use; the zero values are good.
type Bus struct {
	MaxAge      time.Duration    // Run drops older messages that every group has acknowledged; 0 is 7 days
	MaxMessages int64            // Run drops all but so many a partition, acknowledged or not; 0 is 1,000,000
	Redeliver   int64            // how many acknowledged messages of a partition a group gets again when it forms anew
	Log         *slog.Logger     // handler errors and what goes wrong in the background; nil is nowhere
	Now         func() time.Time // time of messages that have none; nil is time.Now

	db        *DB
	life      context.Context // ends with Close
	end       context.CancelFunc
	consumers sync.WaitGroup

	mu     sync.Mutex // guards what follows, and every group
	closed bool
	groups map[groupName]*group
}

var _ weir.Bus = (*Bus)(nil)

// OpenBus opens or creates the file. The caller closes the bus, and calls Run where old messages are to be dropped.
func OpenBus(ctx context.Context, path string) (*Bus, error) {
	db, err := openWith(ctx, path, "bus")
	if err != nil {
		return nil, err
	}
	b := &Bus{db: db, groups: map[groupName]*group{}}
	b.life, b.end = context.WithCancel(context.Background())
	return b, nil
}

// Close ends every Consume, waits for the handlers they are in, and closes the file.
func (b *Bus) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.consumers.Wait()
	return b.db.Close()
}

// Publish stores all of the messages or none, each at the end of its key's partition and in the order given; they are on
// disk when it returns. Topic, key and value count; the time is now unless the message has one.
func (b *Bus) Publish(ctx context.Context, messages ...weir.Message) error {
	if len(messages) == 0 {
		return nil
	}
	for _, m := range messages {
		if err := checkMessage(m); err != nil {
			return err
		}
	}
	ends := map[partition]int64{}
	err := b.db.Write(ctx, func(tx *sql.Tx) error {
		clear(ends)
		return b.append(ctx, tx, messages, ends)
	})
	if err != nil && b.isClosed() {
		return errClosed()
	}
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	b.announce(ends)
	return nil
}

// partition names one log.
type partition struct {
	topic string
	n     int
}

// append writes the messages and notes in ends where each partition now ends.
func (b *Bus) append(ctx context.Context, tx *sql.Tx, messages []weir.Message, ends map[partition]int64) (err error) {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO message (log, offset, key, value, time) VALUES (?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	logs := map[partition]int64{}
	for _, m := range messages {
		p := partition{m.Topic, partitionOf(m.Key)}
		if _, ok := logs[p]; !ok {
			if logs[p], ends[p], err = openLog(ctx, tx, p); err != nil {
				return err
			}
		}
		at := m.Time
		if at.IsZero() {
			at = b.now()
		}
		if m.Value == nil {
			m.Value = []byte{} // nil would be NULL
		}
		if _, err := insert.ExecContext(ctx, logs[p], ends[p], m.Key, m.Value, at.UnixMicro()); err != nil {
			return err
		}
		ends[p]++
	}
	for p, next := range ends {
		if _, err := tx.ExecContext(ctx, "UPDATE log SET next = ? WHERE id = ?", next, logs[p]); err != nil {
			return err
		}
	}
	return nil
}

// openLog makes the partition if it is missing.
func openLog(ctx context.Context, tx *sql.Tx, p partition) (id, next int64, err error) {
	const query = "SELECT id, next FROM log WHERE topic = ? AND partition = ?"
	err = tx.QueryRowContext(ctx, query, p.topic, p.n).Scan(&id, &next)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, "INSERT INTO log (topic, partition, next) VALUES (?, ?, 0) RETURNING id, next",
			p.topic, p.n).Scan(&id, &next)
	}
	return id, next, err
}

func partitionOf(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // a hash's Write never fails
	return int(h.Sum32() % partitions)
}

func checkMessage(m weir.Message) error {
	if !validName(m.Topic) {
		return weir.Errorf(weir.Invalid, "%q is not a topic's name", m.Topic)
	}
	if len(m.Key) > maxKeyBytes || len(m.Value) > weir.MaxMessageBytes {
		return weir.Errorf(weir.TooLarge, "a message's key of %d or value of %d bytes is larger than %d or %d",
			len(m.Key), len(m.Value), maxKeyBytes, weir.MaxMessageBytes)
	}
	return nil
}

// validName is what Kafka allows of topics and groups, and short enough to be part of other names there.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && s != "." && s != ".." && len(s) <= 100
}

func (b *Bus) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func errClosed() error { return weir.Errorf(weir.Unavailable, "the bus is closed") }

func (b *Bus) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

func (b *Bus) log() *slog.Logger { return orNowhere(b.Log) }

func orNowhere(log *slog.Logger) *slog.Logger {
	if log != nil {
		return log
	}
	return slog.New(slog.DiscardHandler)
}
