package redis_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/redis"
)

func TestCacheFaults(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			url := enginetest.Address(t, e.variable)
			enginetest.CacheFaults(t, func(t *testing.T) (weir.Cache, enginetest.Proxies) { return openThrough(t, url) })
		})
	}
}

func TestCacheRestart(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			url := enginetest.Address(t, e.variable)
			enginetest.CacheRestart(t, func(t *testing.T) weir.Cache { return open(t, url) }, e.control)
		})
	}
}

// openThrough opens an empty cache whose connections go through proxies, also those to nodes that a cluster tells of.
func openThrough(t *testing.T, url string) (*redis.Cache, enginetest.Proxies) {
	t.Helper()
	var ps enginetest.Proxies
	by := map[string]string{}
	for _, server := range servers(url) {
		p := enginetest.NewProxy(t, server)
		ps = append(ps, p)
		by[server] = p.Addr()
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if by[addr] == "" {
			return nil, fmt.Errorf("no proxy for %s", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, by[addr])
	}
	c, err := redis.OpenThrough(t.Context(), url+"?prefix="+weir.NewID(time.Now())+":", nil, dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, ps
}
