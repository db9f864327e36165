package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

const (
	maxName     = 100 // bytes of a topic's or group's name
	maxPrefix   = 40  // bytes: with it, two names and .retry.0 these are the 249 that Kafka allows
	retryStages = 2   // retry topics with a delay
	day         = 24 * time.Hour
)

// declaration is what a topic is made with.
type declaration struct {
	name       string        // without the prefix; *.x is every name that ends in .x
	partitions int           // 0 is the URL's number
	keep       time.Duration // how old messages become
}

// declarations are all topics of Weir, the first that fits counting. A topic that is there is left as it is. Changing the
// number of partitions of one breaks the order of keys while old messages are still read.
var declarations = [...]declaration{
	{weir.TopicFacts, 0, 7 * day},
	{weir.TopicWake, 0, time.Hour}, // a wake-up is of no use later
	{"*.retry.0", 3, 7 * day},      // brought back by an operator: due at once
	{"*.retry.1", 3, 7 * day},      // few messages get into these
	{"*.retry.2", 3, 7 * day},
	{"*.dead", 1, 30 * day}, // one, so that they are listed in the order in which they died
	{"*", 0, 7 * day},
}

func declared(topic string) declaration {
	for _, d := range declarations {
		if ending, pattern := strings.CutPrefix(d.name, "*"); d.name == topic || pattern && strings.HasSuffix(topic, ending) {
			return d
		}
	}
	panic("unreachable: the last declaration fits all")
}

// names are those, in Kafka, that a group of a topic has.
type names struct {
	topic   string
	group   string
	retry   [retryStages + 1]string // 0 is due at once
	dead    string
	redrive string // the group that stands where the dead letters were brought back up to
}

// consumed lists the topics that a member of the group reads.
func (n names) consumed() []string { return append([]string{n.topic}, n.retry[:]...) }

// namesOf are a group's. A group's name has no dot, so that no two have the same.
func (b *Bus) namesOf(topic, group string) (names, error) {
	if !validName(topic) || !validName(group) || strings.Contains(group, ".") {
		return names{}, weir.Errorf(weir.Invalid, "%q and %q are not names of a topic and a group", topic, group)
	}
	base := b.c.prefix + topic + "." + group
	n := names{topic: b.c.prefix + topic, group: base, dead: base + ".dead", redrive: base + ".redrive"}
	for i := range n.retry {
		n.retry[i] = base + ".retry." + strconv.Itoa(i)
	}
	return n, nil
}

// lookUp says how many partitions topics have; those that are not there are left out. The answer may be metadataTTL old.
func (b *Bus) lookUp(ctx context.Context, topics ...string) (map[string]int, error) {
	res, err := b.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, t := range res.Topics {
		if len(t.Partitions) > 0 {
			out[t.Name] = len(t.Partitions)
		}
	}
	return out, nil
}

// ensure makes those topics that are missing, and says how many partitions each has. It tries until ctx ends.
func (b *Bus) ensure(ctx context.Context, topics ...string) (map[string]int, error) {
	var counts map[string]int
	err := again(ctx, func() error {
		var err error
		if counts, err = b.lookUp(ctx, topics...); err != nil {
			return err
		}
		var missing []string
		for _, t := range topics {
			if counts[t] == 0 {
				missing = append(missing, t)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		if err := b.create(ctx, missing); err != nil {
			return err
		}
		if counts, err = b.lookUp(ctx, topics...); err == nil && len(counts) < len(topics) {
			err = errNotYet // made by another process: this one will hear of it
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make topics: %w", err)
	}
	return counts, nil
}

var errNotYet = errors.New("a topic is not known yet")

// create makes topics through the transport that will use them, which refreshes what it knows; a topic made on another
// connection would be unknown to it for a while.
func (b *Bus) create(ctx context.Context, topics []string) error {
	req := &kafkago.CreateTopicsRequest{}
	for _, t := range topics {
		d := declared(strings.TrimPrefix(t, b.c.prefix))
		config := []kafkago.ConfigEntry{
			{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(d.keep.Milliseconds(), 10)},
			{ConfigName: "segment.ms", ConfigValue: strconv.FormatInt(d.keep.Milliseconds()/7, 10)}, // only whole segments are dropped
		}
		if b.c.replication >= 3 { // acknowledged is what two have
			config = append(config, kafkago.ConfigEntry{ConfigName: "min.insync.replicas", ConfigValue: "2"})
		}
		if d.partitions == 0 {
			d.partitions = b.c.partitions
		}
		req.Topics = append(req.Topics, kafkago.TopicConfig{Topic: t, NumPartitions: d.partitions,
			ReplicationFactor: b.c.replication, ConfigEntries: config})
	}
	res, err := b.client.CreateTopics(ctx, req)
	if err != nil {
		return err
	}
	var errs []error
	for topic, err := range res.Errors {
		if err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
			errs = append(errs, fmt.Errorf("topic %s: %w", topic, err))
		}
	}
	return errors.Join(errs...)
}
