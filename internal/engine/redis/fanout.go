package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirstream/weir"
)

const (
	maxBehind  = 256 // messages a subscriber may be behind before it misses some
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second // between attempts to subscribe
	pingEvery  = 2 * time.Second
	silentMost = 7 * time.Second // after which a connection that has to answer pings is given up
)

// Publish implements [weir.Cache]. More than [weir.MaxMessageBytes] are TooLarge. A message goes out once, or, with an
// error, perhaps not at all.
func (c *Cache) Publish(ctx context.Context, channel string, message []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish on %q: %w", channel, err)
	}
	if len(message) > weir.MaxMessageBytes {
		return weir.Errorf(weir.TooLarge, "a message of %d bytes is larger than %d", len(message), weir.MaxMessageBytes)
	}
	bound := within(ctx, smallCall)
	cluster, ok := c.small.(*redis.ClusterClient)
	if !ok {
		return fault(ctx, "publish", c.small.Publish(bound, c.prefix+channel, message).Err())
	}
	// A channel's messages stay in order only through one node, the one subscribers are on; and a cluster's client would
	// send again what may have gone out.
	node, err := cluster.MasterForKey(bound, c.prefix+channel)
	if err != nil {
		return fault(ctx, "publish", err)
	}
	return fault(ctx, "publish", node.Publish(bound, c.prefix+channel, message).Err())
}

// Subscribe implements [weir.Cache], on a connection of its own. When that breaks it is made again until ctx ends; what is
// published meanwhile is missed, as is what comes while f is more than 256 messages behind.
func (c *Cache) Subscribe(ctx context.Context, channel string, ready chan<- struct{}, f func(message []byte)) error {
	s := &subscription{cache: c, channel: c.prefix + channel, messages: make(chan []byte, maxBehind), ready: func() {}}
	if ready != nil {
		s.ready = sync.OnceFunc(func() { close(ready) })
	}
	ctx, cancel := context.WithCancel(ctx)
	var receiving sync.WaitGroup
	defer receiving.Wait()
	defer cancel()
	receiving.Go(func() { s.receive(ctx) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-s.messages:
			f(m)
		}
	}
}

// subscription is one subscriber's.
type subscription struct {
	cache    *Cache
	channel  string
	messages chan []byte
	ready    func()
	heard    atomic.Int64 // when anything last came, in nanoseconds since 1970
}

// receive subscribes, again and again, until ctx ends.
func (s *subscription) receive(ctx context.Context) {
	wait := retryFirst
	for {
		subscribed, err := s.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if subscribed {
			s.cache.log.Warn("subscription broke, subscribing again", "channel", s.channel, "error", err)
			wait = retryFirst
		}
		if cluster, ok := s.cache.small.(*redis.ClusterClient); ok {
			cluster.ReloadState(ctx) // the node may be gone for good
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, retryMost)
	}
}

// listen receives over one connection until it breaks or ctx ends; subscribed says whether the server had agreed.
func (s *subscription) listen(ctx context.Context) (subscribed bool, err error) {
	p := s.cache.small.Subscribe(ctx)
	s.heard.Store(time.Now().UnixNano())
	over := make(chan struct{})
	var watching sync.WaitGroup
	defer watching.Wait()
	defer close(over)
	watching.Go(func() { s.watch(ctx, p, over) })
	if err := p.Subscribe(ctx, s.channel); err != nil {
		return false, err
	}
	for {
		got, err := p.Receive(ctx)
		if err != nil {
			return subscribed, err
		}
		s.heard.Store(time.Now().UnixNano())
		switch got := got.(type) {
		case *redis.Subscription:
			subscribed = true
			s.ready()
		case *redis.Message:
			select {
			case s.messages <- []byte(got.Payload):
			default:
				s.cache.dropped.Add(1)
			}
		}
	}
}

// watch closes p, which ends its Receive, when ctx ends, when listen is over, and when nothing comes any more.
func (s *subscription) watch(ctx context.Context, p *redis.PubSub, over <-chan struct{}) {
	defer p.Close()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case now := <-tick.C:
			if now.UnixNano()-s.heard.Load() > int64(silentMost) {
				return
			}
			_ = p.Ping(ctx) // its answer, or none, is what counts
		}
	}
}
