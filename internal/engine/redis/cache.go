package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/weirstream/weir"
)

// How long a call may take with all its steps, whatever its context says, and how long each step.
const (
	smallCall = time.Second
	smallStep = 500 * time.Millisecond // also to dial, and to wait for a free connection
	bigCall   = 3 * time.Second
	bigStep   = time.Second
)

// Connections to each server.
const (
	smallConns = 32
	bigConns   = 8
)

// deleteAtOnce is how many keys one round trip deletes.
const deleteAtOnce = 1000

// Cache is [weir.Cache] on Redis. Open makes it; it is safe for concurrent use.
type Cache struct {
	prefix     string
	log        *slog.Logger
	small, big redis.UniversalClient // big carries what is beyond a value's first 64 KiB

	refused, dropped atomic.Int64

	mu       sync.Mutex
	breakers map[string]*breaker // by server, for both clients; guarded by mu
}

var _ weir.Cache = (*Cache)(nil)

// Stats are a cache's counts since it was opened.
type Stats struct {
	Refused int64 // calls answered by a breaker, without the network
	Dropped int64 // messages that subscribers missed because they were behind
}

// dialer opens connections; nil is the client's own.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// Open takes redis://[user:password@]host:port[/db] and redis-cluster://[user:password@]host:port,host:port,..., both with
// TLS as rediss. The parameter prefix, "weir:" if it is not given, stands before every key and channel; programs that share
// a prefix share the cache. A URL that is wrong is Invalid. A server that does not answer is no error: it is logged, and
// asked again with each use. log may be nil. The caller closes.
func Open(ctx context.Context, url string, log *slog.Logger) (*Cache, error) {
	return open(ctx, url, log, nil)
}

func open(ctx context.Context, url string, log *slog.Logger, dial dialer) (*Cache, error) {
	a, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	redis.SetLogger(clientLog{log}) // there is one a process
	c := &Cache{prefix: a.prefix, log: log, breakers: map[string]*breaker{}}
	c.small = c.client(a, dial, smallConns, smallStep)
	c.big = c.client(a, dial, bigConns, bigStep)
	ctx, cancel := context.WithTimeout(ctx, smallCall)
	defer cancel()
	for _, client := range []redis.UniversalClient{c.small, c.big} { // which also tells them the nodes of a cluster
		if err := client.Ping(ctx).Err(); err != nil {
			log.Warn("cache does not answer, going on without", "servers", a.nodes, "error", err)
			break
		}
	}
	return c, nil
}

// client makes a client with conns connections to each server, whose steps are bounded by step. It tries nothing
// twice, since a miss now is better than a hit later; a cluster's client cannot follow redirections without trying again
// what failed, too, within the bound of the call.
func (c *Cache) client(a address, dial dialer, conns int, step time.Duration) redis.UniversalClient {
	var secure *tls.Config
	if a.tls {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	const protocol = 2 // nothing that only RESP3 has is used, and its push messages are looked for with each reply
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if a.cluster {
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: a.nodes, Username: a.user, Password: a.password,
			Dialer: dial, TLSConfig: secure, Protocol: protocol, DisableIdentity: true, MaintNotificationsConfig: quiet,
			DisableRoutingPolicies: true, ClusterStateReloadInterval: 10 * time.Second,
			MinRetryBackoff: 5 * time.Millisecond, MaxRetryBackoff: 50 * time.Millisecond,
			ContextTimeoutEnabled: true, DialTimeout: smallStep, DialerRetries: 1, ReadTimeout: step, WriteTimeout: step,
			PoolSize: conns, PoolTimeout: smallStep, PipelinePoolSize: -1})
		client.OnNewNode(func(node *redis.Client) { node.AddHook(c.breaker(node)) })
		return client
	}
	client := redis.NewClient(&redis.Options{Addr: a.nodes[0], Username: a.user, Password: a.password, DB: a.db,
		Dialer: dial, TLSConfig: secure, Protocol: protocol, DisableIdentity: true, MaintNotificationsConfig: quiet,
		MaxRetries: -1, ContextTimeoutEnabled: true, DialTimeout: smallStep, DialerRetries: 1, ReadTimeout: step, WriteTimeout: step,
		PoolSize: conns, PoolTimeout: smallStep, PipelinePoolSize: -1})
	client.AddHook(c.breaker(client))
	return client
}

// breaker is that of the client's server. It stays when a node leaves a cluster: it may come back.
func (c *Cache) breaker(client *redis.Client) *breaker {
	server := client.Options().Addr
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.breakers[server] == nil {
		c.breakers[server] = &breaker{server: server, log: c.log, refused: &c.refused}
	}
	return c.breakers[server]
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	return Stats{Refused: c.refused.Load(), Dropped: c.dropped.Load()}
}

// Close closes all connections. Nobody may use the cache any more.
func (c *Cache) Close() error {
	if err := errors.Join(c.small.Close(), c.big.Close()); err != nil {
		return fmt.Errorf("close cache: %w", err)
	}
	return nil
}

// Get implements [weir.Cache]. The value is the caller's own. Without an answer the error is Unavailable, or Timeout if the
// context's deadline passed; a context that is cancelled ends the call at its next step, within half a second.
func (c *Cache) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, fmt.Errorf("cache get: %w", err)
	}
	for range 2 { // once more if the value was replaced while it was read
		value, found, err := c.get(ctx, c.prefix+key)
		switch {
		case err != nil:
			return nil, false, fault(ctx, "get", err)
		case found != torn:
			return value, found == hit, nil
		}
	}
	return nil, false, nil
}

// Set implements [weir.Cache], keeping a copy of value. A value over 8 MiB is TooLarge; a lifetime that is not positive is
// Invalid, and one of a part of a millisecond is that millisecond. A Set that fails with Unavailable or Timeout may still
// happen.
func (c *Cache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cache set: %w", err)
	}
	if len(value) > maxValue {
		return weir.Errorf(weir.TooLarge, "a cached value of %d bytes is larger than %d", len(value), maxValue)
	}
	if ttl <= 0 {
		return weir.Errorf(weir.Invalid, "a cached value cannot live for %s", ttl)
	}
	client, limit, stored := c.small, smallCall, []byte(nil)
	if len(value) <= smallValue {
		stored = storeSmall(value)
	} else {
		client, limit, stored = c.big, bigCall, storeBig(value, rand.Uint64())
	}
	bound := within(ctx, limit)
	cmd := redis.NewStatusCmd(bound, "set", c.prefix+key, stored, "px", milliseconds(ttl))
	return fault(ctx, "set", client.Process(bound, cmd))
}

// Delete implements [weir.Cache]. When it fails, with Unavailable or Timeout, some of the keys may be gone.
func (c *Cache) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cache delete: %w", err)
	}
	for len(keys) > 0 {
		n := min(len(keys), deleteAtOnce)
		if err := c.deleteSome(ctx, keys[:n]); err != nil {
			return fault(ctx, "delete", err)
		}
		keys = keys[n:]
	}
	return nil
}

// deleteSome deletes keys one by one in one round trip to each server: keys of several slots cannot be in one command.
func (c *Cache) deleteSome(ctx context.Context, keys []string) error {
	ctx = within(ctx, smallCall)
	if len(keys) == 1 {
		return c.small.Unlink(ctx, c.prefix+keys[0]).Err()
	}
	_, err := c.small.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Unlink(ctx, c.prefix+key)
		}
		return nil
	})
	return err
}

// bounded is a context with an earlier deadline that has no timer, which would cost as much as a small reply: the client
// looks at Deadline before each use of a socket, and its other waits have bounds of their own.
type bounded struct {
	context.Context
	deadline time.Time
}

// within bounds ctx by d from now.
func within(ctx context.Context, d time.Duration) context.Context {
	deadline := time.Now().Add(d)
	if own, ok := ctx.Deadline(); ok && own.Before(deadline) {
		return ctx
	}
	return bounded{ctx, deadline}
}

// Deadline implements [context.Context].
func (b bounded) Deadline() (time.Time, bool) { return b.deadline, true }

// fault gives the error of an act its kind: the caller's own end of time or patience, or Unavailable.
func fault(ctx context.Context, act string, err error) error {
	var known *weir.Error
	switch deadline, ok := ctx.Deadline(); {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return fmt.Errorf("cache %s: %w", act, err)
	case ctx.Err() != nil:
		return fmt.Errorf("cache %s: %w", act, ctx.Err())
	case ok && !time.Now().Before(deadline): // a socket may notice before the context does
		return fmt.Errorf("cache %s: %w", act, context.DeadlineExceeded)
	}
	return weir.Errorf(weir.Unavailable, "cache %s: %w", act, err)
}

// clientLog takes the lines of go-redis, which repeat what errors tell.
type clientLog struct{ log *slog.Logger }

// Printf logs a line for who debugs.
func (l clientLog) Printf(_ context.Context, format string, args ...any) {
	l.log.Debug("redis client", "line", fmt.Sprintf(format, args...))
}
