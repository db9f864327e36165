package redis

import (
	"log/slog"
	"sync/atomic"
)

// OpenThrough is Open on connections that dial makes.
var OpenThrough = open

// ParseURL is what Open makes of a URL.
var ParseURL = parseURL

// Breaker is a server's breaker.
type Breaker = breaker

// NewBreaker makes a breaker whose refusals count in refused.
func NewBreaker(log *slog.Logger, refused *atomic.Int64) *Breaker {
	return &breaker{server: "server", log: log, refused: refused}
}

// Admit asks whether a call may go.
func (b *Breaker) Admit() (probe bool, err error) { return b.admit() }

// Report tells how a call went.
func (b *Breaker) Report(probe bool, err error) { b.report(probe, err) }

// Prefix stands before every key and channel.
func (c *Cache) Prefix() string { return c.prefix }
