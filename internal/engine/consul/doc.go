// Package consul is [weir.Registry] on a Consul agent. Instances are services of the agent with a TTL check, values are
// keys under one prefix. It asks for no sessions, locks or sidecars.
//
// Consul away is not an outage: a watcher keeps the last good set and goes on asking, a registration comes back by itself,
// and only who reads or writes a value is told, at once, that it is Unavailable.
package consul
