package kafka

import (
	"context"
	"errors"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/weirstream/weir"
)

const (
	commitEvery  = 100 * time.Millisecond // slow handlers are acknowledged one by one, quick ones together
	handleFirst  = 50 * time.Millisecond
	handleMost   = 15 * time.Second
	defaultRetry = time.Minute
)

// share is one partition in one generation of a member.
type share struct {
	*member
	generation *kafkago.Generation
	place      place
	stage      int   // of the retry topic, -1 for the topic itself
	next       int64 // the first record not done with, or kafkago.FirstOffset
	stored     int64 // what is committed of next
}

// run handles records until ctx ends or the group does not take an acknowledgement any more. What was handled is
// acknowledged at its end: until the others have joined anew, the generation still may.
func (s *share) run(ctx context.Context) {
	for delay := againFirst; ctx.Err() == nil; {
		records, err := s.fetch(ctx)
		if err != nil {
			if ctx.Err() == nil && delay > 2*againFirst { // a new topic's leader takes a moment
				s.log.Warn("bus cannot be read", "from", s.place.topic, "partition", s.place.partition, "error", err, "retry", delay)
			}
			rest(ctx, delay)
			delay = min(2*delay, againMost)
			continue
		}
		delay = againFirst
		last := time.Now()
		for _, r := range records {
			if !s.take(ctx, r) {
				break
			}
			s.next = r.offset + 1
			if time.Since(last) > commitEvery {
				if !s.commit(ctx) {
					return
				}
				last = time.Now()
			}
		}
		if !s.commit(ctx) {
			return
		}
	}
}

// fetch reads what comes next. Where that is gone it goes on with what is there.
func (s *share) fetch(ctx context.Context) ([]record, error) {
	if s.next >= 0 {
		records, err := s.bus.fetch(ctx, s.place, s.next)
		if !errors.Is(err, kafkago.OffsetOutOfRange) {
			return records, err
		}
		s.log.Warn("messages are gone from the bus", "from", s.place.topic, "partition", s.place.partition, "offset", s.next)
	}
	first, _, err := s.bus.bounds(ctx, s.place)
	if err != nil {
		return nil, err
	}
	s.next, s.stored = first, first
	return s.bus.fetch(ctx, s.place, first)
}

// commit acknowledges all before next. false says that this member no longer has the partition, or cannot tell.
func (s *share) commit(ctx context.Context) bool {
	if s.next == s.stored {
		return true
	}
	err := s.generation.CommitOffsets(map[string]map[int]int64{s.place.topic: {s.place.partition: s.next}})
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("messages cannot be acknowledged and will come again", "from", s.place.topic, "partition", s.place.partition, "error", err)
		}
		return false
	}
	s.stored = s.next
	return true
}

// take is done with a record when it returns true: its message was handled, or set aside. false: ctx has ended.
func (s *share) take(ctx context.Context, r record) bool {
	if ctx.Err() != nil {
		return false
	}
	l := letterOf(s.topic, r, s.place.partition)
	if s.stage > 0 {
		delay := s.bus.retryDelay(s.stage)
		if !rest(ctx, min(delay, delay-s.bus.now().Sub(r.time))) { // clocks differ
			return false
		}
	}
	err := s.try(ctx, &l)
	if err == nil {
		return true
	}
	return ctx.Err() == nil && s.setAside(ctx, l, err)
}

// try handles a message, again and again with growing delay for a while if it is where it was published, and once if it
// was set aside before. What the handler needs and is away is no fault of the message's: that is waited for, since every
// other one would fare alike and all would be dead letters after a quarter of an hour.
func (s *share) try(ctx context.Context, l *letter) error {
	patience := s.bus.RetryFor
	if patience <= 0 {
		patience = defaultRetry
	}
	started := time.Now()
	for delay := handleFirst; ; delay = min(2*delay, handleMost) {
		err := s.call(ctx, l.message)
		if err == nil || ctx.Err() != nil {
			return err
		}
		left := patience - time.Since(started)
		if kind := weir.KindOf(err); kind == weir.Unavailable || kind == weir.Timeout {
			started, left = time.Now(), patience
		} else if l.failed(s.bus.now()); s.stage >= 0 || left <= 0 {
			return err
		}
		s.log.Warn("message will be handled again", "partition", l.message.Partition, "offset", l.message.Offset, "error", err)
		if !rest(ctx, min(delay, left)) {
			return err
		}
	}
}

// call has the message handled when its turn comes.
func (s *share) call(ctx context.Context, m weir.Message) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.handle(ctx, m)
}
