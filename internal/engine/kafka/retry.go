package kafka

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

// Headers of a message that was set aside.
const (
	headerPartition = "weir-partition"     // where it was published
	headerOffset    = "weir-offset"        //
	headerTime      = "weir-time"          // its own, RFC 3339
	headerFailed    = "weir-first-failure" // RFC 3339
	headerAttempts  = "weir-attempts"
	headerError     = "weir-error" // the last one, at most maxErrorText
	headerTopic     = "weir-topic"
)

const maxErrorText = 1 << 10

// letter is a message with what became of it so far.
type letter struct {
	message  weir.Message // as it was published
	attempts int
	first    time.Time // when it first failed; zero is never
}

func (l *letter) failed(now time.Time) {
	l.attempts++
	if l.first.IsZero() {
		l.first = now
	}
}

// letterOf reads a record of a topic or of what was set aside of it. One without headers was published where it stands.
func letterOf(topic string, r record, partition int) letter {
	l := letter{message: weir.Message{Topic: topic, Key: r.key, Value: r.value, Partition: partition, Offset: r.offset, Time: r.time}}
	if r.header(headerTopic) == "" {
		return l
	}
	l.message.Partition, _ = strconv.Atoi(r.header(headerPartition))
	l.message.Offset, _ = strconv.ParseInt(r.header(headerOffset), 10, 64)
	l.message.Time, _ = time.Parse(time.RFC3339Nano, r.header(headerTime))
	l.first, _ = time.Parse(time.RFC3339Nano, r.header(headerFailed))
	l.attempts, _ = strconv.Atoi(r.header(headerAttempts))
	return l
}

// record is the letter as it is set aside.
func (l letter) record(now time.Time, reason string) record {
	h := func(name, value string) kafkago.Header { return kafkago.Header{Key: name, Value: []byte(value)} }
	return record{time: now, key: l.message.Key, value: l.message.Value, headers: []kafkago.Header{
		h(headerTopic, l.message.Topic),
		h(headerPartition, strconv.Itoa(l.message.Partition)),
		h(headerOffset, strconv.FormatInt(l.message.Offset, 10)),
		h(headerTime, l.message.Time.UTC().Format(time.RFC3339Nano)),
		h(headerFailed, l.first.UTC().Format(time.RFC3339Nano)),
		h(headerAttempts, strconv.Itoa(l.attempts)),
		h(headerError, reason),
	}}
}

// stage is the number of a retry topic, or -1.
func (n names) stage(topic string) int { return slices.Index(n.retry[:], topic) }

// after is where a message goes that failed at a stage.
func (n names) after(stage int) string {
	if stage = max(stage, 0) + 1; stage < len(n.retry) {
		return n.retry[stage]
	}
	return n.dead
}

// retryDelay is how long messages rest at a stage from 1 on.
func (b *Bus) retryDelay(stage int) time.Duration {
	if d := b.RetryDelays[stage-1]; d > 0 {
		return d
	}
	return [retryStages]time.Duration{time.Minute, 10 * time.Minute}[stage-1]
}

// setAside moves a message on. It tries until the brokers have it; false says that ctx ended before.
func (s *share) setAside(ctx context.Context, l letter, reason error) bool {
	to := s.names.after(s.stage)
	r := l.record(s.bus.now(), publicText(reason.Error()))
	for ctx.Err() == nil {
		err := s.bus.put(ctx, to, r)
		if err == nil {
			s.log.Error("message was set aside", "to", to, "partition", l.message.Partition, "offset", l.message.Offset,
				"attempts", l.attempts, "error", reason)
			return true
		}
		if ctx.Err() == nil {
			s.log.Warn("message cannot be set aside", "to", to, "error", err)
			rest(ctx, againMost)
		}
	}
	return false
}

// put appends one record to a topic, which it makes if it is missing.
func (b *Bus) put(ctx context.Context, topic string, r record) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	counts, err := b.ensure(ctx, topic)
	if err != nil {
		return err
	}
	return b.send(ctx, place{topic, partitionOf(r.key, counts[topic])}, []record{r})
}

// What may stand in an error's text and must not in a topic that is kept for weeks: passwords in URLs, values of parameters
// and headers that are secrets, tickets in paths.
var (
	userinfo = regexp.MustCompile(`://[^/@\s"]+@`)
	secrets  = regexp.MustCompile(`(?i)((?:password|passwd|secret|token|signature|credential|authorization|api[-_]?key)["']?\s*[=:]\s*["']?(?:(?:bearer|basic)\s+)?)[^\s"'&,;]+`)
	tickets  = regexp.MustCompile(`/t/[A-Za-z0-9_-]{16,}`)
)

// publicText is the text of an error without what looks like a secret, cut to maxErrorText bytes.
func publicText(s string) string {
	s = userinfo.ReplaceAllString(s, "://...@")
	s = secrets.ReplaceAllString(s, "${1}...")
	s = tickets.ReplaceAllString(s, "/t/...")
	if len(s) > maxErrorText {
		s = s[:maxErrorText]
	}
	return strings.ToValidUTF8(s, "")
}
