package redis_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/redis"
)

// engines are the servers of these tests.
var engines = []struct{ name, variable, control string }{
	{"Redis", "WEIR_TEST_REDIS", "redis"},
	{"Redis Cluster", "WEIR_TEST_REDIS_CLUSTER", "redis-cluster"},
}

func TestCache(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			url := enginetest.Address(t, e.variable)
			enginetest.Report(t, enginetest.Pass{Port: "Cache", Engine: e.name, Version: version(t, url), Client: "go-redis v9"})
			enginetest.Cache(t, func(t *testing.T) (weir.Cache, func(time.Duration)) {
				return open(t, url), pass
			})
		})
	}
}

// pass lets time pass, which a server's lifetimes need.
func pass(d time.Duration) { <-time.After(d) }

// open opens an empty cache: one with a prefix of its own.
func open(t testing.TB, url string) *redis.Cache {
	t.Helper()
	c, err := redis.Open(t.Context(), url+"?prefix="+weir.NewID(time.Now())+":", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// servers are the addresses in a URL.
func servers(url string) []string {
	_, hosts, _ := strings.Cut(url, "://")
	hosts, _, _ = strings.Cut(hosts, "/")
	return strings.Split(hosts, ",")
}

// version is what the server at url says.
func version(t testing.TB, url string) string {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: servers(url)[0]})
	defer client.Close()
	info, err := client.Info(context.WithoutCancel(t.Context()), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`redis_version:(\S+)`).FindStringSubmatch(info)
	if m == nil {
		t.Fatalf("no version in %q", info)
	}
	return m[1]
}
