// Package redis is [weir.Cache] on Redis 6.2 and later, alone or as a Redis Cluster, through go-redis.
//
// What is cached can be had elsewhere, so a Redis that is away means misses and errors at once, never a wait: every call
// is bounded, and each server has a circuit breaker that answers for it while it fails. Open succeeds without a server.
//
// A value is one key of Redis, so that it is replaced, deleted and evicted as a whole. No reply is larger than a quarter of
// a MiB, and what goes beyond the first 64 KiB of a value travels over connections of its own, so that small replies never
// wait behind large ones. A value read in pieces is of one Set or is a miss.
package redis
