package kafka

import (
	"context"
	"errors"
	"log/slog"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

// How a member lives in its group. One that dies is missed after the session's time, the shortest that brokers take by
// default; one that leaves says so.
const (
	session     = 6 * time.Second
	heartbeat   = time.Second
	rebalance   = 15 * time.Second // how long a handler may take to stop before its member is left out
	joinBackoff = 250 * time.Millisecond
	groupWithin = 5 * time.Second // one request to the group's coordinator
	awayFirst   = 250 * time.Millisecond
	awayMost    = 2 * time.Second
	growthEvery = 5 * time.Second // how often a member looks for added partitions, in what the client knows anyway
)

// Consume is a member of the group until ctx ends, and returns nil then. handle is called for one message at a time; while
// one partition rests after an error, those of others are handled. After a message has been tried for RetryFor it is set
// aside: it comes again after each of RetryDelays, and is then a dead letter of the group (see [Bus.Dead]). When partitions
// go to another member, the context of a handler that has one of their messages ends, and none that was fetched before is
// handled after. An outage of the brokers is waited out. Errors: Invalid (names; a group's has no dot), Unavailable (the
// bus was closed), Internal (a right is missing).
func (b *Bus) Consume(ctx context.Context, topic, group string, handle func(context.Context, weir.Message) error) error {
	n, err := b.namesOf(topic, group)
	if err != nil {
		return err
	}
	if err := b.begin(); err != nil {
		return err
	}
	defer b.work.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()
	m := &member{bus: b, names: n, topic: topic, handle: handle, turn: make(chan struct{}, 1),
		log: b.log.With("topic", topic, "group", group)}
	err = m.run(ctx)
	if b.life.Err() != nil {
		return errClosed()
	}
	return err
}

// member is one Consume.
type member struct {
	bus    *Bus
	names  names
	topic  string
	handle func(context.Context, weir.Message) error
	counts map[string]int // partitions of the topics; read between generations, written by grows only
	turn   chan struct{}  // who has put a value in may call handle
	log    *slog.Logger
}

func (m *member) run(ctx context.Context) error {
	var err error
	m.counts, err = m.prepare(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{ID: m.names.group, Brokers: m.bus.c.brokers,
		Dialer: m.bus.dialer(), Topics: m.names.consumed(), GroupBalancers: []kafkago.GroupBalancer{balancer{counts: m.counts}},
		SessionTimeout: session, HeartbeatInterval: heartbeat, RebalanceTimeout: rebalance, JoinGroupBackoff: joinBackoff,
		StartOffset: kafkago.FirstOffset, Timeout: groupWithin})
	if err != nil {
		return err
	}
	defer func() { _ = group.Close() }() // leaves the group, and waits for all that generations started
	for delay := awayFirst; ; {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			m.start(ctx, generation)
			delay = awayFirst
		case errors.Is(err, kafkago.RebalanceInProgress): // joining again is what it takes
		default:
			if delay > 2*awayFirst { // a new group's coordinator takes a moment
				m.log.Warn("group cannot be joined", "error", err, "retry", delay)
			}
			rest(ctx, delay)
			delay = min(2*delay, awayMost)
		}
	}
}

// prepare has the topics made, however long the brokers are away.
func (m *member) prepare(ctx context.Context) (map[string]int, error) {
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, publishWithin)
		counts, err := m.bus.ensure(bounded, m.names.consumed()...)
		cancel()
		if err == nil {
			return counts, nil
		}
		if ctx.Err() == nil && !mends(err) {
			return nil, err
		}
		if ctx.Err() == nil {
			m.log.Warn("bus is away", "error", err)
		}
	}
	return nil, nil
}

// start reads each partition that a generation gives this member, until the generation or ctx ends.
func (m *member) start(ctx context.Context, generation *kafkago.Generation) {
	generation.Start(m.grows)
	for topic, partitions := range generation.Assignments {
		for _, p := range partitions {
			generation.Start(func(revoked context.Context) {
				held, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(revoked, cancel)()
				s := &share{member: m, generation: generation, place: place{topic, p.ID}, stage: m.names.stage(topic), next: p.Offset,
					stored: p.Offset}
				s.run(held)
				if ctx.Err() != nil { // returning before the group is closed would have it join again
					<-revoked.Done()
				}
			})
		}
	}
}

// grows returns when a topic has got more partitions, which ends the generation so that the next one reads them, too. Until
// then nobody would, though messages are published to them.
func (m *member) grows(revoked context.Context) {
	for rest(revoked, growthEvery) {
		ctx, cancel := context.WithTimeout(revoked, requestWithin)
		found, err := m.bus.lookUp(ctx, m.names.consumed()...)
		cancel()
		if err != nil {
			continue
		}
		grown := false
		for topic, n := range found {
			if n > m.counts[topic] {
				m.counts[topic], grown = n, true
			}
		}
		if grown {
			return
		}
	}
}

// balancer deals partitions out by range, over the topics the member knows to be there: a coordinator that has not heard of
// a new topic yet would have it read by nobody.
type balancer struct {
	kafkago.RangeGroupBalancer
	counts map[string]int
}

// AssignGroups is called in the member that leads the group.
func (b balancer) AssignGroups(members []kafkago.GroupMember, known []kafkago.Partition) kafkago.GroupMemberAssignments {
	counts := map[string]int{}
	for topic, n := range b.counts {
		counts[topic] = n
	}
	for _, p := range known { // an operator may have added some
		counts[p.Topic] = max(counts[p.Topic], p.ID+1)
	}
	var all []kafkago.Partition
	for topic, n := range counts {
		for id := range n {
			all = append(all, kafkago.Partition{Topic: topic, ID: id})
		}
	}
	return b.RangeGroupBalancer.AssignGroups(members, all)
}
