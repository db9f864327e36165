package embed

import (
	"bytes"
	linked "container/list" // "list" is taken in this package
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weirstream/weir"
)

// Bounds of the cache.
const (
	defaultCacheBytes = 64 << 20
	maxCacheValue     = 8 << 20
	maxBehind         = 256 // messages a subscriber may be behind before it misses some
	entryOverhead     = 200 // bytes an entry costs besides key and value, about
)

// Cache is [weir.Cache] in memory: bounded bytes, least recently used out first, lifetimes looked at when read. Set the
// fields before first use; the zero value holds 64 MiB.
type Cache struct {
	MaxBytes int64            // keys, values and what holds them
	Now      func() time.Time // time.Now if nil

	mu      sync.Mutex
	entries map[string]*linked.Element // guarded by mu
	recent  linked.List                // guarded by mu: of *cacheEntry, the last used first
	bytes   int64                      // guarded by mu

	messages fanOut[[]byte]
}

type cacheEntry struct {
	key     string
	value   []byte
	expires time.Time
}

func (e *cacheEntry) cost() int64 { return int64(len(e.key) + len(e.value) + entryOverhead) }

var _ weir.Cache = (*Cache)(nil)

// Get implements [weir.Cache]. The value is the caller's own.
func (c *Cache) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, fmt.Errorf("cache get: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return nil, false, nil
	}
	e := el.Value.(*cacheEntry)
	if !c.now().Before(e.expires) {
		c.drop(el)
		return nil, false, nil
	}
	c.recent.MoveToFront(el)
	return bytes.Clone(e.value), true, nil
}

// Set implements [weir.Cache], keeping a copy of value. A value over 8 MiB is TooLarge; a lifetime that is not positive is
// Invalid.
func (c *Cache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cache set: %w", err)
	}
	if len(value) > maxCacheValue {
		return weir.Errorf(weir.TooLarge, "a cached value of %d bytes is larger than %d", len(value), maxCacheValue)
	}
	if ttl <= 0 {
		return weir.Errorf(weir.Invalid, "a cached value cannot live for %s", ttl)
	}
	e := &cacheEntry{key: key, value: append([]byte{}, value...), expires: c.now().Add(ttl)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.entries[key]; ok {
		c.drop(el)
	}
	if c.entries == nil {
		c.entries = map[string]*linked.Element{}
	}
	c.entries[key] = c.recent.PushFront(e)
	c.bytes += e.cost()
	for c.bytes > c.limit() {
		c.drop(c.recent.Back())
	}
	return nil
}

// Delete implements [weir.Cache].
func (c *Cache) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cache delete: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if el, ok := c.entries[key]; ok {
			c.drop(el)
		}
	}
	return nil
}

// Publish implements [weir.Cache]. It never waits: a subscriber that is too far behind misses the message. More than
// [weir.MaxMessageBytes] are TooLarge.
func (c *Cache) Publish(ctx context.Context, channel string, message []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish on %q: %w", channel, err)
	}
	if len(message) > weir.MaxMessageBytes {
		return weir.Errorf(weir.TooLarge, "a message of %d bytes is larger than %d", len(message), weir.MaxMessageBytes)
	}
	c.messages.send(channel, bytes.Clone(message))
	return nil
}

// Subscribe implements [weir.Cache]. It returns nil when ctx has ended.
func (c *Cache) Subscribe(ctx context.Context, channel string, ready chan<- struct{}, f func(message []byte)) error {
	messages, leave := c.messages.join(channel, maxBehind)
	defer leave()
	if ready != nil {
		close(ready)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-messages:
			f(bytes.Clone(m)) // others listen, too
		}
	}
}

// drop removes an entry. The caller holds mu.
func (c *Cache) drop(el *linked.Element) {
	e := c.recent.Remove(el).(*cacheEntry)
	delete(c.entries, e.key)
	c.bytes -= e.cost()
}

func (c *Cache) limit() int64 {
	if c.MaxBytes > 0 {
		return c.MaxBytes
	}
	return defaultCacheBytes
}

func (c *Cache) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
