package edge

import (
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache/arena"
)

// Config is the edge's limits. The zero value of each field stands for the default named beside it.
type Config struct {
	CacheBytes   int64         // memory for segments; 256 MiB, at least 80 MiB so that the largest segment fits
	IndexBytes   int64         // memory for heads, pages and manifests, about; 64 MiB
	Connections  int           // clients at once, more are refused; 16384
	HeaderBytes  int           // of one request, at most; 16 KiB
	ReadTimeout  time.Duration // for a request's header, from its first byte to its last; 10 s
	MinRate      int64         // bytes a second that a client must take of an answer, on average; 16 KiB
	Grace        time.Duration // how long a client may take nothing, or fall behind MinRate by as much; 20 s
	IdleTimeout  time.Duration // between requests of a connection; 75 s
	FillTimeout  time.Duration // for bytes to come from the object store; 15 s
	ErrorPause   time.Duration // how long, at most, a failed fill answers for the next ones; 500 ms, < 0 never
	Pages        arena.Pages   // of the memory for segments; the zero value takes huge ones where the kernel gives them
	Proxies      weir.Proxies  // in front, besides those on this machine: their X-Forwarded-For is believed
	ShareTimeout time.Duration // for looking a page up in Shared and storing it there; 50 ms
	NoPrefetch   bool          // nothing is read before somebody asks for it
	DrainTimeout time.Duration // for requests under way when Serve is told to end; 10 s
	TLSCert      string        // path of a PEM certificate chain; with TLSKey the listener speaks TLS 1.3, and only that. Read anew when it changes
	TLSKey       string        // path of its PEM private key
}

// minCacheBytes holds the largest segment and its bookkeeping.
const minCacheBytes = weir.MaxSegmentBytes + 16<<20

func (c Config) withDefaults() Config {
	c.CacheBytes = max(or(c.CacheBytes, 256<<20), minCacheBytes)
	c.IndexBytes = or(c.IndexBytes, 64<<20)
	c.Connections = or(c.Connections, 16384)
	c.HeaderBytes = or(c.HeaderBytes, 16<<10)
	c.ReadTimeout = or(c.ReadTimeout, 10*time.Second)
	c.MinRate = or(c.MinRate, 16<<10)
	c.Grace = or(c.Grace, 20*time.Second)
	c.IdleTimeout = or(c.IdleTimeout, 75*time.Second)
	c.FillTimeout = or(c.FillTimeout, 15*time.Second)
	c.ShareTimeout = or(c.ShareTimeout, 50*time.Millisecond)
	c.DrainTimeout = or(c.DrainTimeout, 10*time.Second)
	return c
}

func or[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
